// One chunk of the delta rule phase: its tiles in shared memory, the operands made from them, and the step of the
// state.
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

  /// What each row has one of: β, norms, gain, γ. Rows behind the end get what leaves everything as it is.
  void make_rows() {
    const long long first = chunk * C;
#pragma unroll 1
    for (int i = threadIdx.x; i < C; i += threads) {
      const bool valid = i < rows;
      beta[i] = valid ? load_beta<Traits>(p, sequence, first + i, head) : 0.0F;
      if constexpr (preconditioned) {
        gain[i] = valid ? p.gain[head * all_tokens(p) + sequence.begin + first + i] : 0.0F;
        if constexpr (Forgetting<Traits>::active && !Forgetting<Traits>::per_channel) {
          gamma[i] = valid ? Forgetting<Traits>::gamma(p, sequence, first + i, head) : 1.0F;
        }
      }
    }
    if constexpr (Traits::qk_l2norm) {
#pragma unroll 1
      for (int i = warp_id(); i < C; i += Traits::warps) {
        float key_sum = 0;
        float query_sum = 0;
        for (int c = lane_id(); c < K; c += 32) {
          const float key = Type::to_float(k[i * k_stride + c]);
          const float query = reads_out ? Type::to_float(q[i * k_stride + c]) : 0.0F;
          key_sum = fmaf(key, key, key_sum);
          query_sum = fmaf(query, query, query_sum);
        }
        key_sum = warp_sum(key_sum);
        query_sum = warp_sum(query_sum);
        if (lane_id() == 0) {
          key_scale[i] = l2_norm_scale<Traits>(key_sum);
          query_scale[i] = l2_norm_scale<Traits>(query_sum);
        }
      }
    }
    __syncthreads();
  }

  float key_factor(int row) const {
    return Traits::qk_l2norm ? key_scale[row] : 1.0F;
  }
  /// What W still lacks of the normed key: write keys that are formed here have it, DeltaNet's are K as stored.
  float write_factor(int row) const {
    return preconditioned ? 1.0F : key_factor(row);
  }
  float erase_factor(int row) const {
    return Family::erase_coefficient(beta[row]) * key_factor(row);
  }
  float query_factor(int row) const {
    return Traits::qk_l2norm ? query_scale[row] : 1.0F;
  }

  /// W = d ⊙ K, by replaying d through the chunk: every feature for itself.
  void make_write_keys() {
    if constexpr (preconditioned) {
      const long long number = head * all_chunks<C>(p) + sequence.first_chunk + chunk;
      for (int c = threadIdx.x; c < K; c += threads) {
        float d = p.d_chunks[number * K + c];
#pragma unroll 4
        for (int i = 0; i < C; ++i) {
          const float key = Type::to_float(k[i * k_stride + c]) * key_factor(i);
          w[i * k_stride + c] = Type::from_float(i < rows ? d * key : 0.0F);
          if (i < rows) d = advance<Traits>(d, gamma_of(i, c), gain[i], key * key, p);
        }
      }
      __syncthreads();
    }
  }

  float gamma_of(int row, int feature) const {
    if constexpr (Forgetting<Traits>::per_channel) {
      return Forgetting<Traits>::gamma(p, sequence, chunk * C + row, head, feature);
    }
    return Forgetting<Traits>::active ? gamma[row] : 1.0F;
  }

  /// L_ij = β_i ⟨k_i, w_j⟩ for j < i into t, P_ij = ⟨q_i, w_j⟩ for j ≤ i into qw: one 16×16 block a warp at a time.
  void make_products() {
    constexpr int lower = blocks * (blocks + 1) / 2;
    for (int item = warp_id(); item < (reads_out ? 2 : 1) * lower; item += Traits::warps) {
      const bool is_p = item >= lower;
      int i = 0;
      int j = is_p ? item - lower : item;
      while (j > i) j -= ++i;
      const ReadA<k_stride> left((is_p ? q : k) + 16 * i * k_stride);
      const ReadTransposedB<k_stride> right(w + 16 * j * k_stride);
      Block sum = zero_block();
#pragma unroll 2
      for (int f = 0; f < K / 16; ++f) Product::multiply_add(sum, left(0, f), right, 0, f);
      const int a = 16 * i + lane_row();
      const int b = 16 * j + lane_column();
      if (is_p) {
        for_each_pair(sum, [&](int row, int column, const float* x) {
          const float left = b + column <= a + row ? x[0] * decay.between(a + row, b + column) : 0.0F;
          const float next = b + column < a + row ? x[1] * decay.between(a + row, b + column + 1) : 0.0F;
          Type::store_pair(qw + (a + row) * p_stride + b + column, left, next);
        });
      } else {
        for_each_pair(sum, [&](int row, int column, const float* x) {
          const float erase = erase_factor(a + row);
          const float left = erase * write_factor(b + column) * decay.between(a + row, b + column);
          const float next = erase * write_factor(b + column + 1) * decay.between(a + row, b + column + 1);
          *reinterpret_cast<float2*>(t + (a + row) * t_stride + b + column) =
              float2{b + column < a + row ? x[0] * left : 0.0F, b + column + 1 < a + row ? x[1] * next : 0.0F};
        });
      }
    }
    __syncthreads();
  }

  /// Brings (I + L)^{-1} into the element type, in place: a warp takes a whole row into registers before writing it.
  void round_inverse() {
    if constexpr (sizeof(Storage) < sizeof(float)) {
#pragma unroll 2
      for (int i = warp_id(); i < C; i += Traits::warps) {
        const int end = (i / 16 + 1) * 16;
        float x[(C + 31) / 32];
#pragma unroll
        for (int n = 0; n < (C + 31) / 32; ++n) {
          const int j = lane_id() + 32 * n;
          x[n] = j < end ? t[i * t_stride + j] : 0.0F;
        }
        __syncwarp();
#pragma unroll
        for (int n = 0; n < (C + 31) / 32; ++n) {
          const int j = lane_id() + 32 * n;
          if (j >= end) continue;
          Storage* element = inverse() + i * inverse_stride + j;
          *element = Type::from_float(x[n]);
          if constexpr (has_remainder) element[C] = Type::from_float(x[n] - Type::to_float(*element));
        }
      }
      __syncthreads();
    }
  }
  Storage* inverse() const {
    return reinterpret_cast<Storage*>(t);
  }

  /// The state's step for one warp's 16 value columns: reads h, writes o, updates h.
  void step(Block (&h)[K / 16], int tile) {
    const ReadTransposedB<k_stride> keys(k);
    const ReadTransposedB<inverse_stride> inverses(inverse());
    const ReadB<k_stride> write_keys(w);
    const ReadTransposed<v_stride> values(v + 16 * tile);

    A state[K / 16];
#pragma unroll
    for (int f = 0; f < K / 16; ++f) state[f] = Product::round(h[f]);

    A x[blocks];  // Xᵀ = (Vᵀ − hᵀKᵀ) Diag(β)
#pragma unroll
    for (int j = 0; j < blocks; ++j) {
      Block read = zero_block();
#pragma unroll
      for (int f = 0; f < K / 16; ++f) Product::multiply_add(read, state[f], keys, j, f);
      Block value = has_values ? values(j, 0) : zero_block();
      subtract_read(value, read, j);
      x[j] = Product::round(value);
    }
    __syncwarp();  // all lanes have read V: its buffer takes O

    A u[blocks];                             // Uᵀ = Xᵀ Tᵀ, times what W lacks: it only ever meets W
    A decayed[Family::decays ? blocks : 1];  // the same, as the exit state sees it
    A u_remainder[u_has_remainder ? blocks : 1];
#pragma unroll
    for (int i = 0; i < blocks; ++i) {
      Block sum = zero_block();
#pragma unroll
      for (int j = 0; j <= i; ++j) {
        if constexpr (has_remainder) Product::multiply_add(sum, x[j], inverses, i, j + blocks);
        Product::multiply_add(sum, x[j], inverses, i, j);
      }
      for_each_element(sum, [&](int, int token, float& y) { y *= write_factor(16 * i + lane_column() + token); });
      u[i] = Product::round(sum);
      if constexpr (u_has_remainder) u_remainder[i] = Product::remainder(sum, u[i]);
      if constexpr (Family::decays) {
        for_each_element(sum, [&](int, int token, float& y) { y *= decay.to_exit(16 * i + lane_column() + token); });
        decayed[i] = Product::round(sum);
      }
    }

    if constexpr (reads_out) read_out(state, u, u_remainder, tile);

#pragma unroll
    for (int f = 0; f < K / 16; ++f) {  // hᵀ ← hᵀ + Uᵀ W
      for_each_element(h[f], [&](int, int, float& y) { y *= decay.of_chunk(); });
#pragma unroll
      for (int j = 0; j < blocks; ++j) {
        Product::multiply_add(h[f], Family::decays ? decayed[Family::decays ? j : 0] : u[j], write_keys, j, f);
      }
    }
  }

  /// Oᵀ = scale (hᵀQᵀ + Uᵀ Pᵀ) of one warp's 16 value columns.
  template <int Remainders>
  void read_out(const A (&state)[K / 16], const A (&u)[blocks], const A (&u_remainder)[Remainders], int tile) {
    const ReadTransposedB<k_stride> queries(q);
    const ReadTransposedB<p_stride> products(qw);
    Storage* out = v + lane_column() * v_stride + 16 * tile + lane_row();
#pragma unroll 1
    for (int i = 0; i < blocks; ++i) {
      Block sum = zero_block();
#pragma unroll
      for (int f = 0; f < K / 16; ++f) Product::multiply_add(sum, state[f], queries, i, f);
      for_each_element(sum, [&](int, int token, float& y) { y *= decay.from_entry(16 * i + lane_column() + token); });
#pragma unroll
      for (int j = 0; j < blocks; ++j) {
        if (j > i) continue;
        if constexpr (u_has_remainder) Product::multiply_add(sum, u_remainder[j], products, i, j);
        Product::multiply_add(sum, u[j], products, i, j);
      }
      for_each_element(sum, [&](int column, int token, float& y) {
        const float factor = p.scale * query_factor(16 * i + lane_column() + token);
        out[(16 * i + token) * v_stride + column] = Type::from_float(y * factor);
      });
    }
    __syncwarp();
    store_output(tile);
  }

  /// value ← ν − eᵀh, column by column of tokens: what it was is v, `read` is kᵀh.
  void subtract_read(Block& value, const Block& read, int j) const {
    const int first = 16 * j + lane_column();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        const int token = first + 8 * half + n;
        const float read_factor = erase_factor(token) * decay.from_entry(token);
        const float coefficient = Family::value_coefficient(beta[token]);
#pragma unroll
        for (int i = n; i < 4; i += 2) {
          value.x[half][i] = fmaf(-read_factor, read.x[half][i], coefficient * value.x[half][i]);
        }
      }
    }
  }

  /// Writes this warp's 16 columns of O, 16 bytes a lane, from where V was.
  void store_output(int tile) const {
    constexpr int per_vector = 16 / sizeof(Storage);
    constexpr int vectors = 16 / per_vector;
    Storage* first = o_rows + chunk * C * p.o_strides.token + 16 * tile;
#pragma unroll 4
    for (int i = lane_id(); i < rows * vectors; i += 32) {
      const int row = i / vectors;
      const int column = (i % vectors) * per_vector;
      *reinterpret_cast<uint4*>(first + row * p.o_strides.token + column) =
          *reinterpret_cast<const uint4*>(v + row * v_stride + 16 * tile + column);
    }
  }
};

}  // namespace osdn
