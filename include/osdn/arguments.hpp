// Arguments of one launch, of a forward pass or of a decoding step: device pointers, sizes and numbers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "osdn/hyperparameters.hpp"
#include "osdn/shape.hpp"

namespace osdn {

/// A CUDA device address (CUdeviceptr); 0 is "not given".
using DevicePointer = std::uint64_t;

enum class IndexType { int32, int64 };

/// Elements from one batch entry, token or head of a tensor to the next; the last axis, the features, has stride 1. 0
/// in an axis: as dense as it can be, given the others (head: one row; token: all heads; batch: whatever a batch entry
/// spans). An axis of one may have any stride; those left at 0 follow from it all the same.
///
/// Packed q, k and v, a [B,T,3,H,D]: token = 3·H·D in all three. Head-major, [B,H,T,D]: head = T·D, token = D.
struct Strides {
  std::int64_t batch = 0;
  std::int64_t token = 0;
  std::int64_t head = 0;
  friend bool operator==(const Strides&, const Strides&) = default;
};

/// Tensors are row-major in the order given, and dense but where they have Strides. K, V, the element type and the type
/// of β are the Problem's. Every row of q, k, v and o must be 16-byte aligned, everything else aligned to its element.
/// What lies between rows is neither read nor written; no two rows of o may overlap.
struct ForwardArguments {
  Shape shape{};
  Hyperparameters hyperparameters{};

  DevicePointer q = 0;              ///< [B,T,H,K] element type
  DevicePointer k = 0;              ///< [B,T,H,K] element type
  DevicePointer v = 0;              ///< [B,T,HV,V] element type
  DevicePointer beta = 0;           ///< [B,T,HV] fp32 or element type, as Problem::beta_type says
  DevicePointer log_gamma = 0;      ///< fp32, ≤ 0; shape by Apf; 0 with Apf::none and Apf::constant
  DevicePointer initial_state = 0;  ///< [N,HV,K,V] fp32; 0: zeros
  DevicePointer initial_d = 0;      ///< [N,HV,K] fp32; 0: ones; must be 0 without a preconditioner
  DevicePointer cu_seqlens = 0;     ///< [N+1], on the device; given exactly when shape.n > 0
  IndexType cu_seqlens_type = IndexType::int64;

  DevicePointer o = 0;            ///< [B,T,HV,V] element type; every element is written
  DevicePointer final_state = 0;  ///< [N,HV,K,V] fp32; 0: not wanted; may be initial_state
  DevicePointer final_d = 0;      ///< [N,HV,K] fp32; 0: not wanted; may be initial_d

  Strides q_strides{}, k_strides{}, v_strides{}, o_strides{};
  Strides beta_strides{};       ///< of [B,T,HV]
  Strides log_gamma_strides{};  ///< of [B,T,HV] or [B,T,HV,K]; with Apf::per_head, [HV], head alone

  /// State and d after every checkpoint_every tokens of a sequence, a multiple of Config::chunk; 0: none. Rows are
  /// numbered as those of DecodeArguments. One behind a sequence's last token is written, too.
  std::int64_t checkpoint_every = 0;
  DevicePointer checkpoint_state = 0;  ///< [⌊B·T / every⌋,HV,K,V] fp32; 0: not wanted
  DevicePointer checkpoint_d = 0;      ///< [⌊B·T / every⌋,HV,K] fp32; 0: not wanted

  DevicePointer workspace = 0;      ///< 256-byte aligned, uninitialised, one per launch in flight
  std::size_t workspace_bytes = 0;  ///< at least what PreparedOperation::workspace_bytes says
};

/// One decoding step: shape.t new tokens of each of b sequences, or packed ones of n. Made for 1 to 16 a sequence,
/// where the state is read once and written once; right for any number, 0 included.
///
/// States live in pools whose rows ("slots") a table maps sequences to. A sequence with a negative slot is padding: its
/// rows of o, its states and its checkpoints are left as they are. Tensors as in ForwardArguments; q, k, v, o and all
/// states must be 16-byte aligned. Within a launch the state is kept in fp32; with Problem::state_type bf16 it is
/// rounded to nearest even where it is written.
struct DecodeArguments {
  Shape shape{};
  Hyperparameters hyperparameters{};

  DevicePointer q = 0;           ///< [B,T,H,K] element type
  DevicePointer k = 0;           ///< [B,T,H,K] element type
  DevicePointer v = 0;           ///< [B,T,HV,V] element type
  DevicePointer beta = 0;        ///< [B,T,HV] fp32 or element type, as Problem::beta_type says
  DevicePointer log_gamma = 0;   ///< fp32, ≤ 0; shape by Apf; 0 with Apf::none and Apf::constant
  DevicePointer cu_seqlens = 0;  ///< [N+1], on the device; given exactly when shape.n > 0
  IndexType cu_seqlens_type = IndexType::int64;

  std::int64_t slots = 0;         ///< rows of the pools; 0: one for each sequence
  DevicePointer state = 0;        ///< [slots,HV,K,V] state type; 0: every sequence begins with zeros
  DevicePointer d = 0;            ///< [slots,HV,K] fp32; 0: ones; must be 0 without a preconditioner
  DevicePointer state_slots = 0;  ///< [N] int32, on the device: the row of each sequence; 0: sequence n has row n

  /// Where the new states go; 0: the pools above, in place. Same number of rows.
  DevicePointer output_state = 0;
  DevicePointer output_d = 0;
  /// [N] int32: rows that are written, negative: the new state is not kept; 0: state_slots. A row may be written by one
  /// sequence only and be read by no other; several may read the same row.
  DevicePointer output_slots = 0;

  /// State and d after every checkpoint_every tokens of a sequence; 0: none. The one after token i (counted over the
  /// batch, from 0) that completes such a stretch is row ⌊begin / every⌋ + (i + 1 − begin) / every − 1, begin being the
  /// sequence's first token: with every = 1, row i. Rows that no checkpoint falls on are not written.
  std::int64_t checkpoint_every = 0;
  DevicePointer checkpoint_state = 0;  ///< [⌊B·T / every⌋,HV,K,V] state type; 0: not wanted
  DevicePointer checkpoint_d = 0;      ///< [⌊B·T / every⌋,HV,K] fp32; 0: not wanted

  DevicePointer o = 0;  ///< [B,T,HV,V] element type; all but padding is written

  Strides q_strides{}, k_strides{}, v_strides{}, o_strides{};
  Strides beta_strides{};       ///< of [B,T,HV]
  Strides log_gamma_strides{};  ///< of [B,T,HV] or [B,T,HV,K]; with Apf::per_head, [HV], head alone
};

}  // namespace osdn
