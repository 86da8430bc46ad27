// How d behind a segment follows d before it: the product of the tokens' Jacobians
//
//   J ← Diag(a_t) J − μ_t b_t (m_t ⊙ s_t) (s_tᵀ J)      a_t = m_t γ_t, m_t = 0 where the clip bound, else 1
//
// which is a delta rule with a vector decay. Sixteen tokens at a time: with X_t = s_t ⊙ Π_{i<t} a_i and
// Y_t = m_t ⊙ s_t ⊙ Π_{i>t} a_i,
//
//   (I + M) R = X J      J ← Diag(Π a) J − Yᵀ Diag(μ b) R      M_tj = μ_j b_j Σ_c s_tc (Π_{j<i<t} a_ic) m_jc s_jc
//
// Products of a replace exponentials of sums: a clipped feature has a factor of zero. The masks come from a replay with
// the gates that the preconditioner phase left. J moves the entries of a round to their places; whether they stand
// right is not decided by it, so one TF32 product is enough.
//
// One CTA per segment, value head and 128 columns of J; a warp owns 16 columns of Jᵀ. Jᵀ is what is stored.
#pragma once

#include "device/tensor_fp32.cuh"
#include "inverse.cuh"
#include "layout.cuh"
#include "segment_entries.cuh"
#include "sequence.cuh"
#include "write_scale.cuh"

namespace osdn {

template <class Traits>
struct SegmentJacobian {
  static constexpr int K = Traits::K;
  static constexpr int stride = padded(K);
  static constexpr int inverse_stride = padded(solve_rows);
  static constexpr int threads = 32 * segment_warps;
  static constexpr JacobianLayout layout = jacobian_layout(K);
  static constexpr int group = layout.group;
  static constexpr int blocks = group / solve_rows;
  static constexpr int rows_per_warp = group / segment_warps;
  static constexpr int keys_per_lane = (K + 31) / 32;
  static constexpr bool per_channel = Forgetting<Traits>::per_channel;
  using Type = Element<Traits::type>;
  using Storage = typename Type::Storage;
  using Product = Tensor<ElementType::fp32, Fp32Math::tf32>;

  const ForwardParameters& p;
  const Sequence sequence;
  const int head;
  const Storage* k_rows;
  float* s;
  float* a;
  float* x;
  float* y;
  float* to_exit;
  float* inverse;
  float* mu_b;
  float* gain;
  float* gamma;

  float next_keys[rows_per_warp][keys_per_lane];
  float next_b;
  float next_gain;
  float next_gamma;

  SegmentJacobian(const ForwardParameters& parameters, const Sequence& part, int value_head)
      : p(parameters), sequence(part), head(value_head) {
    extern __shared__ __align__(16) unsigned char shared_memory[];
    const auto at = [&](int offset) { return reinterpret_cast<float*>(shared_memory + offset); };
    s = at(layout.s);
    a = at(layout.a);
    x = at(layout.x);
    y = at(layout.y);
    to_exit = at(layout.to_exit);
    inverse = at(layout.inverse);
    mu_b = at(layout.rows);
    gain = mu_b + group;
    gamma = gain + group;
    const int key_head = head / (p.value_heads / p.key_heads);
    k_rows = first_row(static_cast<const Storage*>(p.k), p.k_strides, sequence, key_head);
  }

  /// Asks for what make_rows will need of the group that begins with token `first`: this warp's rows are w, w + warps,
  /// …, and lane i holds what row number i of these has one of.
  void prefetch(long long first) {
#pragma unroll
    for (int i = 0; i < rows_per_warp; ++i) {
      const long long token = first + warp_id() + i * segment_warps;
#pragma unroll
      for (int n = 0; n < keys_per_lane; ++n) {
        const int c = lane_id() + 32 * n;
        const bool valid = token < sequence.length && c < K;
        next_keys[i][n] = valid ? Type::to_float(k_rows[token * p.k_strides.token + c]) : 0.0F;
      }
    }
    next_b = 0.0F;
    next_gain = 0.0F;
    next_gamma = 1.0F;
    const long long of_lane = first + warp_id() + lane_id() * segment_warps;
    if (lane_id() < rows_per_warp && of_lane < sequence.length) {
      next_b = Traits::beta_aware ? load_beta<Traits>(p, sequence, of_lane, head) : 1.0F;
      next_gain = p.gain[head * all_tokens(p) + sequence.begin + of_lane];
      if constexpr (!per_channel) next_gamma = Forgetting<Traits>::gamma(p, sequence, of_lane, head);
    }
  }

  /// Squared keys, and what each row has one of. Rows behind the end move nothing.
  void make_rows() {
    float squares = 0;  // lane i: of row number i
#pragma unroll
    for (int i = 0; i < rows_per_warp; ++i) {
      float sum = 0;
#pragma unroll
      for (int n = 0; n < keys_per_lane; ++n) sum = fmaf(next_keys[i][n], next_keys[i][n], sum);
      sum = warp_sum(sum);
      const float scale = l2_norm_scale<Traits>(sum);
      if (lane_id() == i) squares = sum * scale * scale;
      float* row = s + (warp_id() + i * segment_warps) * stride;
#pragma unroll
      for (int n = 0; n < keys_per_lane; ++n) {
        const int c = lane_id() + 32 * n;
        const float key = next_keys[i][n] * scale;
        if (c < K) row[c] = key * key;
      }
    }
    if (lane_id() < rows_per_warp) {
      const int row = warp_id() + lane_id() * segment_warps;
      mu_b[row] = next_b == 0.0F ? 0.0F : p.eta * next_b * next_b / hypergradient_norm<Traits>(squares, p);
      gain[row] = next_gain;
      gamma[row] = next_gamma;
    }
    __syncthreads();
  }

  /// Moves this thread's feature of d through a block with the clip, and makes its column of a, X, Y and Π a. True if
  /// the clip bound.
  bool make_operands(float& d, int block, long long first) {
    const int c = threadIdx.x;
    float product = 1.0F;
    unsigned inside = 0;
#pragma unroll
    for (int t = 0; t < solve_rows; ++t) {
      const int row = block * solve_rows + t;
      const bool valid = first + row < sequence.length;
      const float squared = s[row * stride + c];
      float factor = 1.0F;
      if (valid) {
        factor = per_channel ? Forgetting<Traits>::gamma(p, sequence, first + row, head, c) : gamma[row];
        const float moved = advance_unclipped<Traits>(d, factor, gain[row], squared, p);
        d = clip(moved, p.d_min, p.d_max);
        if (d != moved) factor = 0.0F;
        inside |= d == moved ? 1U << t : 0U;
      } else {
        inside |= 1U << t;
      }
      a[row * stride + c] = factor;
      x[row * stride + c] = squared * product;
      product *= factor;
    }
    to_exit[block * K + c] = product;
    product = 1.0F;
#pragma unroll
    for (int t = solve_rows - 1; t >= 0; --t) {
      const int row = block * solve_rows + t;
      y[row * stride + c] = (inside >> t & 1U) != 0 ? s[row * stride + c] * product : 0.0F;
      product *= a[row * stride + c];
    }
    return inside != 0xffffU;
  }

  /// M of a block where nothing was clipped and γ is one number a token: a Gram matrix, on tensor cores.
  void make_system(float* m, int first_row) {
    Block gram = zero_block();
    const float* lane = s + (first_row + lane_row()) * stride + lane_column();
    for (int c = 0; c < K; c += 16) {
      Block block;
      for_each_element(block, [&](int row, int column, float& e) { e = lane[row * stride + c + column]; });
      Product::multiply_add(gram, Product::round(block), Product::transposed_b(block));
    }
    for_each_element(gram, [&](int row, int column, float& e) {
      m[(lane_row() + row) * inverse_stride + lane_column() + column] = e;
    });
    __syncwarp();
    if (lane_id() < solve_rows) {
      const int j = lane_id();
      float decay = 1.0F;
      for (int t = 0; t < solve_rows; ++t) {
        float& e = m[t * inverse_stride + j];
        e = t > j ? mu_b[first_row + j] * decay * e : 0.0F;
        if (t > j) decay *= gamma[first_row + t];
      }
    }
    __syncwarp();
  }

  /// M in general: lane j of each half sums half of the features of column j.
  void make_masked_system(float* m, int first_row) {
    const int j = lane_id() % solve_rows;
    float column[solve_rows];
#pragma unroll
    for (int t = 0; t < solve_rows; ++t) column[t] = 0.0F;
    for (int c = lane_id() / solve_rows; c < K; c += 2) {
      const float* sc = s + first_row * stride + c;
      const float* ac = a + first_row * stride + c;
      float decayed = ac[j * stride] != 0.0F ? sc[j * stride] : 0.0F;
#pragma unroll
      for (int t = 1; t < solve_rows; ++t) {
        if (t > j) {
          column[t] = fmaf(sc[t * stride], decayed, column[t]);
          decayed *= ac[t * stride];
        }
      }
    }
#pragma unroll
    for (int t = 0; t < solve_rows; ++t) {
      const float sum = column[t] + __shfl_xor_sync(all_lanes, column[t], solve_rows);
      if (lane_id() < solve_rows) m[t * inverse_stride + j] = t > j ? mu_b[first_row + j] * sum : 0.0F;
    }
    __syncwarp();
  }

  /// One block's step of this warp's 16 columns of Jᵀ.
  void step(Block (&h)[K / 16], int block) const {
    const float* xs = x + block * solve_rows * stride;
    const float* ys = y + block * solve_rows * stride;
    const typename Product::template ReadTransposedB<stride> read_x(xs);
    const typename Product::template ReadB<stride> read_y(ys);
    const typename Product::template ReadTransposedB<inverse_stride> read_inverse(inverse +
                                                                                  block * solve_rows * inverse_stride);
    Block read = zero_block();
#pragma unroll
    for (int f = 0; f < K / 16; ++f) Product::multiply_add(read, Product::round(h[f]), read_x(0, f));
    Block r = zero_block();
    Product::multiply_add(r, Product::round(read), read_inverse(0, 0));
    for_each_element(r, [&](int, int token, float& e) { e *= -mu_b[block * solve_rows + lane_column() + token]; });
    const typename Product::A gates = Product::round(r);
#pragma unroll
    for (int f = 0; f < K / 16; ++f) {
      for_each_element(h[f],
                       [&](int, int feature, float& e) { e *= to_exit[block * K + 16 * f + lane_column() + feature]; });
      Product::multiply_add(h[f], gates, read_y(0, f));
    }
  }
};

template <class Traits>
inline void segment_jacobian(const ForwardParameters& p) {
  using Work = SegmentJacobian<Traits>;
  constexpr int K = Traits::K;
  constexpr int splits = (K / 16 + segment_warps - 1) / segment_warps;
  const int head = blockIdx.x / splits % p.value_heads;
  const Segment segment = find_segment<16>(p, blockIdx.x / splits / p.value_heads);
  // The first entry is exact, and behind the last segment is nothing to correct.
  if (!segment.exists() || segment.index == 0 || segment.is_last() || !cuts_d(p, segment)) return;
  if (p.pass > 0 && !needs_jacobian<Traits>(p, segment, head)) return;

  const long long item = segment.number * p.value_heads + head;
  const int tile = warp_id() + segment_warps * (blockIdx.x % splits);
  Block h[K / 16];
#pragma unroll
  for (int f = 0; f < K / 16; ++f) {
    for_each_element(h[f], [&](int column, int feature, float& e) {
      e = 16 * tile + lane_row() + column == 16 * f + lane_column() + feature ? 1.0F : 0.0F;
    });
  }
  const bool has_feature = threadIdx.x < K;
  float d = has_feature ? p.segment_d[item * K + threadIdx.x] : 0.0F;
  Work work(p, segment.part, head);
  work.prefetch(0);
  for (long long first = 0; first < segment.part.length; first += Work::group) {
    work.make_rows();
    work.prefetch(first + Work::group);
    unsigned met = 0;
    for (int block = 0; block < Work::blocks; ++block) {
      if (has_feature && work.make_operands(d, block, first)) met |= 1U << block;
    }
    unsigned clipped = 0;
    for (int block = 0; block < Work::blocks; ++block)
      clipped |= __syncthreads_or(met >> block & 1U) ? 1U << block : 0U;
    if (const int block = warp_id(); block < Work::blocks) {
      float* m = work.inverse + block * solve_rows * Work::inverse_stride;
      if (Work::per_channel || (clipped >> block & 1U) != 0) {
        work.make_masked_system(m, block * solve_rows);
      } else {
        work.make_system(m, block * solve_rows);
      }
      invert_16<Work::inverse_stride>(m);
    }
    __syncthreads();
    if (tile < K / 16) {
      for (int block = 0; block < Work::blocks; ++block) work.step(h, block);
    }
    __syncthreads();  // before the next group takes the buffers
  }
  if (tile >= K / 16) return;
  float* out = p.operators + (operator_number(p, segment) * p.value_heads + head) * K * K +
               (16 * tile + lane_row()) * K + lane_column();
#pragma unroll
  for (int f = 0; f < K / 16; ++f) {
    for_each_element(h[f], [&](int column, int feature, float& e) { out[column * K + 16 * f + feature] = e; });
  }
}

}  // namespace osdn
