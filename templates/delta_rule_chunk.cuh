// One chunk of the delta rule phase: where its tiles lie in shared memory, how they get there, and what is made of
// them: first everything that does not need the state (delta_rule_operands.cuh), then the state's own step
// (delta_rule_step.cuh).
#pragma once

#include "device/copy.cuh"
#include "device/element.cuh"
#include "device/tensor_fp32.cuh"
#include "layout.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "recurrence.cuh"
#include "sequence.cuh"
#include "write_scale.cuh"

namespace osdn {

/// What a chunk is worked through for.
enum class DeltaRulePass {
  output,    ///< o and the state
  transfer,  ///< the state alone, of value columns or of the columns of an operator, which have values 0
};

template <class Traits, DeltaRulePass pass = DeltaRulePass::output>
struct DeltaRuleChunk {
  static constexpr int C = Traits::chunk;
  static constexpr int K = Traits::K;
  static constexpr int block_v = Traits::V / Traits::value_split;
  static constexpr int threads = 32 * Traits::warps;
  static constexpr int blocks = C / 16;
  static constexpr bool preconditioned = Traits::precondition == Precondition::osdn;
  static constexpr bool reads_out = pass == DeltaRulePass::output;

  using Type = Element<Traits::type>;
  using Storage = typename Type::Storage;
  using Product = Tensor<Traits::type, Traits::math>;
  using Family = Recurrence<Traits>;
  using A = typename Product::A;
  template <int Stride>
  using ReadA = typename Product::template ReadA<Stride>;
  template <int Stride>
  using ReadB = typename Product::template ReadB<Stride>;
  template <int Stride>
  using ReadTransposedB = typename Product::template ReadTransposedB<Stride>;
  template <int Stride>
  using ReadTransposed = typename Product::template ReadTransposed<Stride>;

  static constexpr DeltaRuleLayout layout =
      delta_rule_layout(sizeof(Storage), K, block_v, C, Traits::stages, preconditioned, reads_out);
  static constexpr int k_stride = padded(K);
  static constexpr int v_stride = padded(block_v);
  static constexpr int p_stride = padded(C);
  static constexpr int t_stride = layout.t_stride;
  // (I + L)^{-1} as an operand lies where its fp32 form did, each row in the first bytes of its old row.
  static constexpr int inverse_stride = t_stride * static_cast<int>(sizeof(float) / sizeof(Storage));
  // Where keys are nearly equal and β ≈ 1, (I + L)^{-1} takes differences of neighbouring values, P sums them up again,
  // and one rounding of its entries counts once a token. Neither eight nor eleven bits are enough for that: a remainder
  // lies C elements behind.
  static constexpr bool has_remainder = sizeof(Storage) == 2;
  // In a long chunk the same goes for U where P sums it up.
  static constexpr bool u_has_remainder = has_remainder && C > 64;

  const ForwardParameters& p;
  const Sequence sequence;
  const int head;
  const bool has_values;  // false: all of v is 0, and not read

  const Storage* q_rows;
  const Storage* k_rows;
  const Storage* v_rows;
  Storage* o_rows;

  unsigned char* shared;
  Storage* q;
  Storage* k;
  Storage* v;
  Storage* w;
  Storage* qw;  // P = tril(Q Wᵀ)
  float* t;     // L, then (I + L)^{-1}
  float* beta;
  float* key_scale;
  float* query_scale;
  float* gain;
  float* gamma;

  ChunkDecay<Traits::decay> decay;
  long long chunk = 0;
  int rows = 0;  // tokens of this chunk, C but for the last

  DeltaRuleChunk(const ForwardParameters& parameters, const Sequence& s, int value_head, int split,
                 bool values_count = true)
      : p(parameters), sequence(s), head(value_head), has_values(reads_out || values_count) {
    extern __shared__ __align__(16) unsigned char shared_memory[];
    shared = shared_memory;
    w = at<Storage>(layout.w);
    qw = at<Storage>(layout.p);
    t = at<float>(layout.t);
    beta = at<float>(layout.rows);
    key_scale = beta + C;
    query_scale = key_scale + C;
    gain = query_scale + C;
    gamma = gain + C;
    const int key_head = head / (p.value_heads / p.key_heads);
    q_rows = first_row(static_cast<const Storage*>(p.q), p.q_strides, s, key_head);
    k_rows = first_row(static_cast<const Storage*>(p.k), p.k_strides, s, key_head);
    v_rows = first_row(static_cast<const Storage*>(p.v), p.v_strides, s, head) + split * block_v;
    o_rows = first_row(static_cast<Storage*>(p.o), p.o_strides, s, head) + split * block_v;
  }

  template <class T>
  T* at(int offset) const {
    return reinterpret_cast<T*>(shared + offset);
  }
  Storage* stage(int offset, int stride, long long c) const {
    return at<Storage>(offset) + static_cast<int>(c % Traits::stages) * C * stride;
  }
  int rows_of(long long c) const {
    const long long left = sequence.length - c * C;
    return left < C ? static_cast<int>(left) : C;
  }

  /// Starts loading chunk c's tiles. Rows behind the sequence's end arrive as zeros.
  void load(long long c) {
    if (c < sequence.chunks) {
      const int valid = rows_of(c);
      const long long first = c * C;
      copy_tile_async<C, K, k_stride, threads>(stage(layout.k, k_stride, c), k_rows + first * p.k_strides.token,
                                               p.k_strides.token, valid);
      if constexpr (reads_out) {
        copy_tile_async<C, K, k_stride, threads>(stage(layout.q, k_stride, c), q_rows + first * p.q_strides.token,
                                                 p.q_strides.token, valid);
      }
      if (has_values) {
        copy_tile_async<C, block_v, v_stride, threads>(stage(layout.v, v_stride, c), v_rows + first * p.v_strides.token,
                                                       p.v_strides.token, valid);
      }
    }
    copy_async_commit();
  }

  /// Makes chunk c the current one, all of its tiles in place.
  void wait(long long c) {
    copy_async_wait<Traits::stages - 1>();
    __syncthreads();
    chunk = c;
    rows = rows_of(c);
    k = stage(layout.k, k_stride, c);
    q = stage(layout.q, k_stride, c);
    v = stage(layout.v, v_stride, c);
    if constexpr (!preconditioned) w = k;
  }

  // ---- what does not need the state: delta_rule_operands.cuh. All threads, in this order; each that writes ends with
  // a barrier.

  void make_rows();
  void make_write_keys();
  void make_products();
  void round_inverse();  // behind invert_unit_lower

  float key_factor(int row) const { return Traits::qk_l2norm ? key_scale[row] : 1.0F; }
  /// What W still lacks of the normed key: write keys that are formed here have it, DeltaNet's are K as stored.
  float write_factor(int row) const { return preconditioned ? 1.0F : key_factor(row); }
  float erase_factor(int row) const { return Family::erase_coefficient(beta[row]) * key_factor(row); }
  float query_factor(int row) const { return Traits::qk_l2norm ? query_scale[row] : 1.0F; }

  /// γ
  float gamma_of(int row, int feature) const {
    if constexpr (Forgetting<Traits>::per_channel) {
      return Forgetting<Traits>::gamma(p, sequence, chunk * C + row, head, feature);
    }
    return Forgetting<Traits>::active ? gamma[row] : 1.0F;
  }

  Storage* inverse() const { return reinterpret_cast<Storage*>(t); }

  // ---- with the state: delta_rule_step.cuh. Each warp for itself.

  void step(Block (&h)[K / 16], int tile);
  void subtract_read(Block& value, const Block& read, int j) const;
  template <int Remainders>
  void read_out(const A (&state)[K / 16], const A (&u)[blocks], const A (&u_remainder)[Remainders], int tile);
  void store_output(int tile) const;
};

}  // namespace osdn
