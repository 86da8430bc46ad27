// Which axes log γ has, by APF variant. Included by host and device code alike, as axes.hpp is.
#pragma once

#include "osdn/axes.hpp"

namespace osdn {

/// Axes of log_gamma, in this order: [B,T,HV,K] has all of them. With none there is no such tensor.
struct LogGammaAxes {
  bool tokens;    ///< B and T
  bool heads;     ///< HV
  bool features;  ///< K

  [[nodiscard]] constexpr bool any() const { return tokens || heads || features; }
};

[[nodiscard]] constexpr LogGammaAxes log_gamma_axes(Apf apf) {
  switch (apf) {
    case Apf::none:
    case Apf::constant:
      return {false, false, false};
    case Apf::per_head:
      return {false, true, false};
    case Apf::per_token:
      return {true, true, false};
    case Apf::per_channel:
      return {true, true, true};
  }
  return {false, false, false};
}

}  // namespace osdn
