// How a pack begins.
#pragma once

#include <string_view>

namespace osdn::runtime {

/// A text-mode copy would damage it visibly.
inline constexpr std::string_view pack_magic = "osdnp1\r\n";

}  // namespace osdn::runtime
