// Arguments of one forward launch: device pointers, sizes and numbers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "osdn/hyperparameters.hpp"
#include "osdn/shape.hpp"

namespace osdn {

/// A CUDA device address (CUdeviceptr); 0 is "not given".
using DevicePointer = std::uint64_t;

enum class IndexType { int32, int64 };

/// All tensors are dense, row-major in the order given. K, V, the element type and the type of β are the Problem's.
/// q, k, v and o must be 16-byte aligned, everything else aligned to its element.
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

  DevicePointer workspace = 0;      ///< 256-byte aligned, uninitialised, one per launch in flight
  std::size_t workspace_bytes = 0;  ///< at least what PreparedOperation::workspace_bytes says
};

}  // namespace osdn
