// Mathematical functions with their slow paths, and the conversions and arithmetic of the small formats.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

extern "C" __global__ void doubles(const double* in, double* out) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  const double x = in[2 * at], y = in[2 * at + 1];
  double s, c;
  sincos(x, &s, &c);
  int exponent;
  double whole;
  const double r[36] = {s, c, tan(x), exp(x / 100), exp2(x / 50), expm1(x / 1000), log(fabs(x)), log1p(fabs(x)),
                        log2(fabs(y)), log10(fabs(y)), pow(fabs(x), y / 50), sqrt(fabs(x)), cbrt(x), rsqrt(fabs(y)),
                        erf(x / 100), erfc(y / 100), lgamma(x / 10), tgamma(x / 100), sinh(x / 100), cosh(y / 100),
                        tanh(x / 100), asin(x / 1000), acos(y / 1000), atan(x), atan2(x, y), hypot(x, y), fmod(x, y),
                        remainder(x, y), frexp(x, &exponent) + exponent, ldexp(x, 70) , modf(x, &whole) + whole,
                        asinh(x), x / y, fma(x, y, s), j0(fabs(x) / 10), normcdf(x / 200)};
  for (int i = 0; i < 36; ++i) out[at * 36 + i] = r[i];
}

extern "C" __global__ void floats(const float* in, float* out) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  const float x = in[2 * at], y = in[2 * at + 1];
  float s, c;
  sincosf(x * 1000, &s, &c);
  const float r[28] = {s, c, tanf(x), expf(x / 100), exp2f(x / 50), expm1f(x / 1000), logf(fabsf(x)), log1pf(fabsf(x)),
                       log2f(fabsf(y)), powf(fabsf(x), y / 50), sqrtf(fabsf(x)), cbrtf(x), rsqrtf(fabsf(y)),
                       erff(x / 100), erfcf(y / 100), lgammaf(x / 10), tgammaf(x / 100), sinhf(x / 100), tanhf(x / 100),
                       asinf(x / 1000), acosf(y / 1000), atan2f(x, y), hypotf(x, y), fmodf(x, y), remainderf(x, y),
                       x / y, fmaf(x, y, s), normcdfinvf(fabsf(x) / 1001)};
  for (int i = 0; i < 28; ++i) out[at * 28 + i] = r[i];
}

/// The intrinsics that are allowed to be wrong in the last places.
extern "C" __global__ void quick(const float* in, float* out) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  const float x = in[at] / 500;
  const float r[10] = {__sinf(x), __cosf(x), __expf(x), __logf(fabsf(x)), __fdividef(x, x + 3), __powf(fabsf(x), 1.5f),
                       __frsqrt_rn(fabsf(x)), __log2f(fabsf(x)), __exp10f(x), __tanf(x)};
  for (int i = 0; i < 10; ++i) out[at * 10 + i] = r[i];
}

extern "C" __global__ void roundings(const double* in, const float* singles, double* out, float* single_out) {
  const int at = threadIdx.x;
  const double x = in[2 * at], y = in[2 * at + 1];
  const double r[16] = {__dadd_ru(x, y), __dadd_rd(x, y), __dadd_rz(x, y), __dmul_ru(x, y), __dmul_rd(x, y),
                        __dmul_rz(x, y), __ddiv_ru(x, y), __ddiv_rd(x, y), __ddiv_rz(x, y), __dsqrt_ru(fabs(x)),
                        __dsqrt_rd(fabs(x)), __drcp_ru(y), __fma_ru(x, y, x), __fma_rd(x, y, x), __drcp_rz(y),
                        __fma_rz(x, y, y)};
  for (int i = 0; i < 16; ++i) out[at * 16 + i] = r[i];
  const float a = singles[2 * at], b = singles[2 * at + 1];
  const float q[12] = {__fadd_ru(a, b), __fadd_rd(a, b), __fadd_rz(a, b), __fmul_ru(a, b), __fmul_rz(a, b),
                       __fdiv_ru(a, b), __fdiv_rd(a, b), __fdiv_rz(a, b), __fsqrt_ru(fabsf(a)), __frcp_rd(b),
                       __fmaf_ru(a, b, a), __fmaf_rz(a, b, b)};
  for (int i = 0; i < 12; ++i) single_out[at * 12 + i] = q[i];
}

/// double and float to integers and back, in every direction of rounding.
extern "C" __global__ void to_integers(const double* in, long long* out, double* back) {
  const int at = threadIdx.x;
  const double x = in[at];
  const float f = (float)x;
  const long long r[18] = {__double2int_rn(x), __double2int_rz(x), __double2int_ru(x), __double2int_rd(x),
                           (long long)__double2uint_rn(x), __double2ll_rn(x), __double2ll_rd(x), (long long)__double2ull_ru(x),
                           __float2int_rn(f), __float2int_rd(f), (long long)__float2uint_rz(f), __float2ll_ru(f),
                           (long long)__float2ull_rn(f), __double_as_longlong(x), __double2hiint(x), __double2loint(x),
                           llrint(x), lround(x)};
  for (int i = 0; i < 18; ++i) out[at * 18 + i] = r[i];
  const long long l = __double_as_longlong(x);
  const double b[12] = {rint(x), floor(x), ceil(x), trunc(x), round(x), __ll2double_ru(l), __ull2double_rz((unsigned long long)l),
                        (double)__ll2float_rd(l), (double)__int2float_ru((int)l), (double)__uint2float_rz((unsigned)l),
                        (double)__double2float_ru(x), (double)__double2float_rz(x)};
  for (int i = 0; i < 12; ++i) back[at * 12 + i] = b[i];
}

/// All 65536 patterns of a format to float, and floats to it.
extern "C" __global__ void half_patterns(float* from_half, float* from_bf16) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  from_half[at] = __half2float(__ushort_as_half((unsigned short)at));
  from_bf16[at] = __bfloat162float(__ushort_as_bfloat16((unsigned short)at));
}
extern "C" __global__ void half_conversions(const float* in, const double* wide, unsigned short* out, int* integers) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  const float x = in[at];
  const unsigned short r[10] = {__half_as_ushort(__float2half_rn(x)), __half_as_ushort(__float2half_rz(x)),
                                __half_as_ushort(__float2half_ru(x)), __half_as_ushort(__float2half_rd(x)),
                                __bfloat16_as_ushort(__float2bfloat16_rn(x)), __bfloat16_as_ushort(__float2bfloat16_rz(x)),
                                __bfloat16_as_ushort(__float2bfloat16_ru(x)), __bfloat16_as_ushort(__float2bfloat16_rd(x)),
                                __half_as_ushort(__double2half(wide[at])), __bfloat16_as_ushort(__double2bfloat16(wide[at]))};
  for (int i = 0; i < 10; ++i) out[at * 10 + i] = r[i];
  const __half h = __float2half_rn(x);
  const __nv_bfloat16 b = __float2bfloat16_rn(x);
  const int q[8] = {__half2int_rn(h), __half2int_rd(h), (int)__half2uint_rz(h), __half2short_rn(h), (int)__half2ll_ru(h),
                    __bfloat162int_rn(b), (int)__bfloat162ushort_rz(b), __bfloat162int_rd(b)};
  for (int i = 0; i < 8; ++i) integers[at * 8 + i] = q[i];
}

template <class T, class T2>
__device__ void half_work(const unsigned short* in, float* out, int at) {
  T a, b, c;
  memcpy(&a, in + 3 * at, 2);
  memcpy(&b, in + 3 * at + 1, 2);
  memcpy(&c, in + 3 * at + 2, 2);
  T2 p{a, b}, q{b, c};
  const T r[14] = {__hadd(a, b), __hsub(a, b), __hmul(a, b), __hfma(a, b, c), __hneg(a), __habs(b), __hmax(a, b),
                   __hmin(b, c), __hdiv(a, b), hsqrt(__habs(a)), hexp(a), hlog(__habs(b)), hfloor(a), hrint(c)};
  for (int i = 0; i < 14; ++i) out[at * 24 + i] = static_cast<float>(r[i]);
  const T2 s = __hfma2(p, q, p), m = __hmax2(p, q), e = __heq2(p, q), l = __hlt2(p, q);
  out[at * 24 + 14] = static_cast<float>(s.x);
  out[at * 24 + 15] = static_cast<float>(s.y);
  out[at * 24 + 16] = static_cast<float>(m.x);
  out[at * 24 + 17] = static_cast<float>(m.y);
  out[at * 24 + 18] = static_cast<float>(e.x);
  out[at * 24 + 19] = static_cast<float>(l.y);
  out[at * 24 + 20] = (__hgt(a, b) ? 1.0f : 0.0f) + (__hequ(a, c) ? 2.0f : 0.0f) + (__hisnan(a) ? 4.0f : 0.0f);
  out[at * 24 + 21] = __hbeq2(p, q) ? 1.0f : 0.0f;
  out[at * 24 + 22] = static_cast<float>(__hadd_sat(a, b));
  out[at * 24 + 23] = static_cast<float>(__hfma_relu(a, b, c));
}
extern "C" __global__ void half_arithmetic(const unsigned short* in, float* out) {
  half_work<__half, __half2>(in, out, blockIdx.x * blockDim.x + threadIdx.x);
}
extern "C" __global__ void bf16_arithmetic(const unsigned short* in, float* out) {
  half_work<__nv_bfloat16, __nv_bfloat162>(in, out, blockIdx.x * blockDim.x + threadIdx.x);
}

/// Eight-bit formats: the headers' own code below sm_89, instructions from there on.
extern "C" __global__ void eight_bits(const float* in, unsigned char* out, float* back) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  const float x = in[2 * at], y = in[2 * at + 1];
  const __nv_fp8_e4m3 a(x);
  const __nv_fp8_e5m2 b(x);
  out[6 * at] = a.__x;
  out[6 * at + 1] = b.__x;
  const __nv_fp8x2_e4m3 c(float2{x, y});
  const __nv_fp8x2_e5m2 d(float2{x, y});
  out[6 * at + 2] = (unsigned char)c.__x;
  out[6 * at + 3] = (unsigned char)(c.__x >> 8);
  out[6 * at + 4] = (unsigned char)d.__x;
  out[6 * at + 5] = (unsigned char)(d.__x >> 8);
  back[6 * at] = (float)a;
  back[6 * at + 1] = (float)b;
  const float2 e = (float2)c, f = (float2)d;
  back[6 * at + 2] = e.x;
  back[6 * at + 3] = e.y;
  back[6 * at + 4] = f.x;
  back[6 * at + 5] = f.y;
}

extern "C" __global__ void half_atomics(__half2* h, __nv_bfloat162* b, __half* one) {
  atomicAdd(h, __half2{__float2half(1.0f), __float2half(0.5f)});
  atomicAdd(b, __nv_bfloat162{__float2bfloat16(1.0f), __float2bfloat16(2.0f)});
  atomicAdd(one, __float2half(0.25f));
}
