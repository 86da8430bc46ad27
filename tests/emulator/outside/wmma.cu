// Tensor products through the warp-level matrix functions of mma.h.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

template <class Layout>
struct Rows {
  static constexpr bool value = false;
};
template <>
struct Rows<wmma::row_major> {
  static constexpr bool value = true;
};

template <class A, class C, class LayoutA, class LayoutB, int kM, int kN, int kK>
__device__ void product(const A* a, const A* b, C* c, int lda, int ldb, int ldc, int steps, wmma::layout_t out) {
  wmma::fragment<wmma::matrix_a, kM, kN, kK, A, LayoutA> fa;
  wmma::fragment<wmma::matrix_b, kM, kN, kK, A, LayoutB> fb;
  wmma::fragment<wmma::accumulator, kM, kN, kK, C> fc;
  wmma::fill_fragment(fc, C(0));
  constexpr bool a_rows = Rows<LayoutA>::value, b_rows = Rows<LayoutB>::value;
  for (int s = 0; s < steps; ++s) {
    wmma::load_matrix_sync(fa, a + (a_rows ? s * kK : s * kK * lda), lda);
    wmma::load_matrix_sync(fb, b + (b_rows ? s * kK * ldb : s * kK), ldb);
    wmma::mma_sync(fc, fa, fb, fc);
  }
  wmma::store_matrix_sync(c, fc, ldc, out);
}

using Row = wmma::row_major;
using Column = wmma::col_major;
#define PRODUCT(name, A, C, LayoutA, LayoutB, m, n, k, out)                                                        \
  extern "C" __global__ void name(const A* a, const A* b, C* c, int lda, int ldb, int ldc, int steps) {            \
    product<A, C, LayoutA, LayoutB, m, n, k>(a, b, c, lda, ldb, ldc, steps, wmma::out);                            \
  }
PRODUCT(half_rr, __half, float, Row, Row, 16, 16, 16, mem_row_major)
PRODUCT(half_rc, __half, float, Row, Column, 16, 16, 16, mem_col_major)
PRODUCT(half_cr, __half, __half, Column, Row, 16, 16, 16, mem_row_major)
PRODUCT(half_cc, __half, float, Column, Column, 32, 8, 16, mem_row_major)
PRODUCT(half_tall, __half, __half, Row, Column, 8, 32, 16, mem_col_major)
PRODUCT(bf16_rr, __nv_bfloat16, float, Row, Row, 16, 16, 16, mem_row_major)
PRODUCT(bf16_wide, __nv_bfloat16, float, Column, Row, 32, 8, 16, mem_row_major)
PRODUCT(bytes_rc, signed char, int, Row, Column, 16, 16, 16, mem_row_major)
PRODUCT(bytes_tall, unsigned char, int, Column, Row, 8, 32, 16, mem_row_major)
PRODUCT(doubles_rc, double, double, Row, Column, 8, 8, 4, mem_row_major)

/// tf32 keeps its operands in float; every element passes through a conversion, as the manual asks.
extern "C" __global__ void tf32_rc(const float* a, const float* b, float* c, int lda, int ldb, int ldc, int steps) {
  wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, Row> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, Column> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 8, float> fc;
  wmma::load_matrix_sync(fc, c, ldc, wmma::mem_row_major);
  for (int s = 0; s < steps; ++s) {
    wmma::load_matrix_sync(fa, a + s * 8, lda);
    wmma::load_matrix_sync(fb, b + s * 8, ldb);
    for (int i = 0; i < fa.num_elements; ++i) fa.x[i] = wmma::__float_to_tf32(fa.x[i]);
    for (int i = 0; i < fb.num_elements; ++i) fb.x[i] = wmma::__float_to_tf32(fb.x[i]);
    wmma::mma_sync(fc, fa, fb, fc);
  }
  wmma::store_matrix_sync(c, fc, ldc, wmma::mem_row_major);
}

/// The accumulator of shared memory, in place: each element of the fragment is scaled.
extern "C" __global__ void in_shared(const __half* a, const __half* b, float* c) {
  __shared__ float sums[16 * 20];
  __shared__ __half sa[16 * 24];
  for (int i = threadIdx.x; i < 256; i += 32) sa[i / 16 * 24 + i % 16] = a[i];
  for (int i = threadIdx.x; i < 320; i += 32) sums[i] = (float)(i / 20);
  __syncwarp();
  wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, Row> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, Row> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
  wmma::load_matrix_sync(fa, sa, 24);
  wmma::load_matrix_sync(fb, b, 16);
  wmma::load_matrix_sync(fc, sums, 20, wmma::mem_row_major);
  wmma::mma_sync(fc, fa, fb, fc);
  for (int i = 0; i < fc.num_elements; ++i) fc.x[i] *= 2.0f;
  wmma::store_matrix_sync(sums, fc, 20, wmma::mem_row_major);
  __syncwarp();
  for (int i = threadIdx.x; i < 256; i += 32) c[i] = sums[i / 16 * 20 + i % 16];
}
