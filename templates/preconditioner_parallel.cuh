// Sixteen tokens at a time. Without the clip, their gates solve a unit lower triangular system
//
//   (I + M) z = 1 − b ⊙ [ρ S𝟏 + Γ S (d₁ − ρ)]      M_tj = b_t μ_j ⟨s_t, s_j⟩ Π_{j<m<t} γ_m      (j < t)
//
// whose inverse is made for a whole group of blocks at once, one block a warp, off the serial path. A replay with the
// clip then moves every feature of d; where no value left its bounds, the gates were exact. Otherwise gates and replay
// are repeated until they agree: after m rounds the error is at most κ^m / m!, κ the largest row sum of |M|; where κ is
// not small, the block goes token by token. Products of γ replace exponentials of sums, so no exponent is ever
// positive.
#pragma once

#include "device/copy.cuh"
#include "device/tensor_fp32.cuh"
#include "inverse.cuh"
#include "preconditioner_head.cuh"

namespace osdn {

template <class Traits>
struct PreconditionerGroup : PreconditionerHead<Traits> {
  using Head = PreconditionerHead<Traits>;
  using Head::K, Head::layout, Head::p, Head::threads;
  using typename Head::Storage;
  using Type = typename Head::Type;

  static constexpr int group = Traits::preconditioner_warps * solve_rows;  // tokens
  static constexpr int stride = padded(K);
  static constexpr int inverse_stride = solve_rows + 1;
  static constexpr bool per_channel = Forgetting<Traits>::per_channel;
  static constexpr bool forgets = Forgetting<Traits>::active;
  static constexpr float iterate_below = 0.5F;  // κ up to which rounds are cheaper than tokens: 0.5^8 / 8! < 1e-7

  Storage* k;        // the group's keys
  float* gamma;      // [group] or [group][K]
  float* inverse;    // this is (I + M)^{-1} of each block
  float* b;          // β or 1; 0 behind the end
  float* mu;         // η b / n
  float* squares;    // |k|², of the normed key
  float* key_scale;  // r of the in-kernel L2 norm
  float* largest_row_sum;
  long long first = 0;  // token of the sequence that the group begins with
  int rows = 0;         // tokens of the group that exist

  PreconditionerGroup(const ForwardParameters& parameters, const Segment& segment, int value_head)
      : Head(parameters, segment, value_head) {
    gamma = this->template at<float>(layout.gamma);
    inverse = this->template at<float>(layout.inverse);
    b = this->template at<float>(layout.rows);
    mu = b + group;
    squares = mu + group;
    key_scale = squares + group;
    largest_row_sum = this->template at<float>(layout.norm);
  }

  Storage* stage(long long index) const { return this->template at<Storage>(layout.k) + (index % 2) * group * stride; }

  void load(long long index) {
    const long long left = this->sequence.length - index * group;
    if (left > 0) {
      copy_tile_async<group, K, stride, threads>(stage(index), this->k_rows + index * group * this->key_row(),
                                                 this->key_row(), left < group ? static_cast<int>(left) : group);
    }
    copy_async_commit();
  }

  void wait(long long index) {
    copy_async_wait<1>();
    __syncthreads();
    k = stage(index);
    first = index * group;
    const long long left = this->sequence.length - first;
    rows = left < group ? static_cast<int>(left) : group;
  }

  /// s_t of a feature, in fp32 and never rounded.
  float squared_key(int row, int feature) const {
    const float key = Type::to_float(k[row * stride + feature]) * (Traits::qk_l2norm ? key_scale[row] : 1.0F);
    return key * key;
  }
  float gamma_of(int row, int feature) const { return per_channel ? gamma[row * K + feature] : gamma[row]; }

  /// One value a row: b, μ, |k|², the key's scale, γ. Rows behind the end get b = μ = 0 and γ = 1.
  void make_rows() {
    for (int row = warp_id() * solve_rows; row < (warp_id() + 1) * solve_rows; ++row) {
      float sum = 0;
      for (int c = lane_id(); c < K; c += 32) {
        const float key = Type::to_float(k[row * stride + c]);
        sum = fmaf(key, key, sum);
      }
      sum = warp_sum(sum);
      const float scale = l2_norm_scale<Traits>(sum);
      const long long token = first + row;
      const bool valid = row < rows;
      if (lane_id() == 0) {
        const float squared_norm = sum * scale * scale;
        b[row] = !valid ? 0.0F : Traits::beta_aware ? this->load_b(token) : 1.0F;
        mu[row] = valid ? p.eta * b[row] / hypergradient_norm<Traits>(squared_norm, p) : 0.0F;
        squares[row] = squared_norm;
        key_scale[row] = scale;
        if constexpr (forgets && !per_channel) {
          gamma[row] = valid ? Forgetting<Traits>::gamma(p, this->sequence, token, this->head) : 1.0F;
        }
      }
      if constexpr (per_channel) {
        for (int c = lane_id(); c < K; c += 32) {
          gamma[row * K + c] = valid ? Forgetting<Traits>::gamma(p, this->sequence, token, this->head, c) : 1.0F;
        }
      }
    }
    __syncwarp();
  }

  /// ⟨s_t, s_j⟩ of this warp's block on tensor cores, then M_tj, one column a lane.
  void make_system(float* m, int first_row) {
    Block gram = zero_block();
    for (int c = 0; c < K; c += 16) {
      Block s;
      for_each_element(s, [&](int row, int column, float& x) {
        x = squared_key(first_row + lane_row() + row, c + lane_column() + column);
      });
      Fp32Tensor::multiply_add(gram, Fp32Tensor::round(s), Fp32Tensor::transposed_b(s));
    }
    for_each_element(gram, [&](int row, int column, float& x) {
      m[(lane_row() + row) * inverse_stride + lane_column() + column] = x;
    });
    __syncwarp();
    if (lane_id() < solve_rows) {
      const int j = lane_id();
      float decay = 1.0F;
      for (int t = 0; t < solve_rows; ++t) {
        float& x = m[t * inverse_stride + j];
        x = t > j ? b[first_row + t] * mu[first_row + j] * decay * x : 0.0F;
        if (forgets && t > j) decay *= gamma[first_row + t];
      }
    }
    __syncwarp();
  }

  /// The same with a γ per channel: M_tj = b_t μ_j Σ_c s_tc s_jc Π γ_mc. Lane j of each half sums half of the features.
  void make_system_per_channel(float* m, int first_row) {
    const int j = lane_id() % solve_rows;
    float column[solve_rows];
#pragma unroll
    for (int t = 0; t < solve_rows; ++t) column[t] = 0.0F;
    for (int c = lane_id() / solve_rows; c < K; c += 2) {
      float decayed = squared_key(first_row + j, c);
#pragma unroll
      for (int t = 1; t < solve_rows; ++t) {
        if (t > j) {
          column[t] = fmaf(squared_key(first_row + t, c), decayed, column[t]);
          decayed *= gamma_of(first_row + t, c);
        }
      }
    }
#pragma unroll
    for (int t = 0; t < solve_rows; ++t) {
      const float sum = column[t] + __shfl_xor_sync(all_lanes, column[t], solve_rows);
      if (lane_id() < solve_rows) m[t * inverse_stride + j] = t > j ? b[first_row + t] * mu[first_row + j] * sum : 0.0F;
    }
    __syncwarp();
  }

  /// (I + M)^{-1} of this warp's block, and the largest row sum of |M|.
  void make_inverse() {
    float* m = inverse + warp_id() * solve_rows * inverse_stride;
    const int first_row = warp_id() * solve_rows;
    if constexpr (per_channel) {
      make_system_per_channel(m, first_row);
    } else {
      make_system(m, first_row);
    }
    float sum = 0;
    for (int j = 0; j < solve_rows; ++j) sum += fabsf(m[(lane_id() % solve_rows) * inverse_stride + j]);
#pragma unroll
    for (int distance = 8; distance > 0; distance /= 2) {
      sum = fmaxf(sum, __shfl_xor_sync(all_lanes, sum, distance));
    }
    if (lane_id() == 0) largest_row_sum[warp_id()] = sum;
    __syncwarp();
    invert_16<inverse_stride>(m);
  }

  /// The gates' right side without the clip: ρ S𝟏 + Γ S (d₁ − ρ), lane l has row l % 16.
  float read_entry(const float (&d)[Head::per_thread], int first_row) {
    const float anchor = forgets ? p.anchor : 0.0F;
    float x[solve_rows];
#pragma unroll
    for (int t = 0; t < solve_rows; ++t) x[t] = 0.0F;
    Head::for_each_feature([&](int slot, int feature) {
      float decayed = d[slot] - anchor;
#pragma unroll
      for (int t = 0; t < solve_rows; ++t) {
        x[t] = fmaf(squared_key(first_row + t, feature), decayed, x[t]);
        if constexpr (forgets) decayed *= gamma_of(first_row + t, feature);
      }
    });
    const float sum = this->sum_16(x);
    return fmaf(anchor, squares[first_row + lane_id() % solve_rows], sum);
  }

  /// Moves d through the block with the clip; true if this thread's d met a bound. read[t] becomes this thread's part
  /// of ⟨s_t, d_t⟩.
  bool replay(float (&d)[Head::per_thread], float gain, int first_row, float (&read)[solve_rows]) {
    bool clipped = false;
    const int end = rows - first_row;
#pragma unroll
    for (int t = 0; t < solve_rows; ++t) {
      const float row_gain = __shfl_sync(all_lanes, gain, t);
      read[t] = 0.0F;
      if (t >= end) continue;
      Head::for_each_feature([&](int slot, int feature) {
        const float s = squared_key(first_row + t, feature);
        read[t] = fmaf(s, d[slot], read[t]);
        const float gamma_t = forgets ? gamma_of(first_row + t, feature) : 1.0F;
        const float moved = advance_unclipped<Traits>(d[slot], gamma_t, row_gain, s, p);
        d[slot] = clip(moved, p.d_min, p.d_max);
        clipped |= d[slot] != moved;
      });
    }
    return clipped;
  }

  /// Token by token, for blocks whose gates move d a lot while the clip binds.
  float go_by_tokens(float (&d)[Head::per_thread], int first_row) {
    float gains = 0;
    const int end = rows - first_row < solve_rows ? rows - first_row : solve_rows;
    for (int t = 0; t < end; ++t) {
      const int row = first_row + t;
      float read = 0;
      Head::for_each_feature([&](int slot, int feature) { read = fmaf(squared_key(row, feature), d[slot], read); });
      const float gain = mu[row] * (1.0F - b[row] * this->sum_2(read, 0.0F).x);
      if (lane_id() == t) gains = gain;
      Head::for_each_feature([&](int slot, int feature) {
        d[slot] = advance<Traits>(d[slot], forgets ? gamma_of(row, feature) : 1.0F, gain, squared_key(row, feature), p);
      });
    }
    return gains;
  }

  /// From the unclipped solution's gains to the exact ones: nothing to do where no clip bound, else gates and replay in
  /// turn until the gates no longer move. On return d is past the block.
  float settle(float (&d)[Head::per_thread], float gain, int block) {
    const int first_row = block * solve_rows;
    const int row = first_row + lane_id() % solve_rows;
#pragma unroll 1
    for (int round = 0; round <= solve_rows; ++round) {
      float trial[Head::per_thread];
      Head::for_each_feature([&](int slot, int) { trial[slot] = d[slot]; });
      float read[solve_rows];
      const bool clipped = replay(trial, gain, first_row, read);
      bool exact = round == solve_rows;  // after 16 rounds the gates of 16 tokens are, whatever κ
      if (round == 0) {
        exact = !__syncthreads_or(clipped);
        if (!exact && largest_row_sum[block] > iterate_below) return go_by_tokens(d, first_row);
      }
      if (!exact) {
        const float next = mu[row] * (1.0F - b[row] * this->sum_16(read));
        exact = !__any_sync(all_lanes, fabsf(next - gain) > 1e-6F * fabsf(mu[row]));  // every warp holds the same gates
        if (!exact) gain = next;
      }
      if (exact) {
        Head::for_each_feature([&](int slot, int) { d[slot] = trial[slot]; });
        return gain;
      }
    }
    return gain;
  }

  /// The serial part: one block of the group, from d at its start to d behind it.
  void step(float (&d)[Head::per_thread], int block) {
    const int first_row = block * solve_rows;
    const int row = first_row + lane_id() % solve_rows;
    const float right = 1.0F - b[row] * read_entry(d, first_row);
    float z = 0;
#pragma unroll
    for (int j = 0; j < solve_rows; ++j) {
      z = fmaf(inverse[row * inverse_stride + j], __shfl_sync(all_lanes, right, j), z);
    }
    const float gain = settle(d, mu[row] * z, block);
    if (threadIdx.x < solve_rows && row < rows) this->store_gain(first + row, gain);
  }
};

template <class Traits>
inline void preconditioner_parallel(const ForwardParameters& p, const Segment& segment, int value_head) {
  using Group = PreconditionerGroup<Traits>;
  Group g(p, segment, value_head);
  float d[Group::Head::per_thread];
  g.load_d(d);
  const long long groups = (g.sequence.length + Group::group - 1) / Group::group;
  for (long long index = -1; index < groups; ++index) {
    g.load(index + 1);
    if (index < 0) continue;  // filling the pipeline
    g.wait(index);
    g.make_rows();
    g.make_inverse();
    __syncthreads();
    for (int block = 0; block * solve_rows < g.rows; ++block) {
      const long long token = g.first + block * solve_rows;
      if (token % Traits::chunk == 0) g.store_boundary(d, token);
      g.step(d, block);
    }
    __syncthreads();  // before the next group takes the buffers
  }
  g.store_final_d(d);
}

}  // namespace osdn
