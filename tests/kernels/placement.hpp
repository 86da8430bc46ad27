// Tensors of a launch in the gaps of others, in other orders of their axes, with gaps that nobody wrote.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "osdn/engine.hpp"
#include "reference/case.hpp"
#include "reference/safetensors.hpp"

namespace osdn::tests {

/// Strides of every tensor that may have some, none of them 0.
struct Placement {
  std::string name;
  Strides q{}, k{}, v{}, beta{}, log_gamma{}, o{};
  /// q, k, v and o are in one buffer, each this many elements behind the one before; 0: a buffer each.
  std::int64_t together = 0;
  bool only_token = false;  ///< the launch is told the stride of tokens; the others follow
};

/// Every kind of placement that a shape and a problem allow.
[[nodiscard]] std::vector<Placement> placements(const Problem& problem, const Shape& shape);

/// A case's tensors on the device, placed so. What lies between rows of inputs is memory that nobody wrote; between
/// those of o are canaries.
class Placed {
 public:
  Placed(const reference::Case& problem, const Placement& placement);
  /// Sets addresses and strides of forward or decode arguments.
  template <class Arguments>
  void fill(Arguments& a) const {
    a.q = q_.address;
    a.k = k_.address;
    a.v = v_.address;
    a.beta = beta_.address;
    a.log_gamma = log_gamma_.address;
    a.o = o_.address;
    a.q_strides = told(placement_.q);
    a.k_strides = told(placement_.k);
    a.v_strides = told(placement_.v);
    a.beta_strides = told(placement_.beta);
    a.log_gamma_strides = told(placement_.log_gamma);
    a.o_strides = told(placement_.o);
  }
  /// What was written into the rows of o. A canary that is gone fails the test.
  [[nodiscard]] safetensors::Tensor output() const;

 private:
  struct Rows {
    DevicePointer address = 0;
    std::int64_t row = 0;               // bytes
    std::vector<std::int64_t> offsets;  // of each row from the address, in bytes
    [[nodiscard]] std::int64_t span() const;
  };
  [[nodiscard]] Strides told(const Strides& strides) const {
    return placement_.only_token ? Strides{.token = strides.token} : strides;
  }
  static Rows rows_of(const safetensors::Tensor& tensor, const Strides& strides);
  static void write(const Rows& rows, const safetensors::Tensor& tensor);
  DevicePointer room(std::int64_t bytes);

  const Placement placement_;
  safetensors::Tensor output_;
  std::vector<DeviceBuffer> buffers_;
  Rows q_, k_, v_, beta_, log_gamma_, o_;
};

}  // namespace osdn::tests
