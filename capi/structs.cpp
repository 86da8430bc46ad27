#include "capi/structs.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace osdn::capi {

// No struct comes near it: a struct that was never initialised is found before anything behind it is read.
constexpr std::size_t size_limit = 4096;

expected<void> check_size(const char* name, const void* given, std::size_t size, std::size_t known, bool zero_tail) {
  if (given == nullptr) return invalid(fmt::format("{} is NULL", name));
  if (size < sizeof(std::size_t) || size % 8 != 0 || size > size_limit) {
    return invalid(fmt::format(
        "{0}->struct_size was {1}; it must be what sizeof gives (here {2}): set it, or initialise the struct "
        "with its _init function where it has one",
        name, size, known));
  }
  if (!zero_tail || size <= known) return {};
  const char* const bytes = static_cast<const char*>(given);
  if (std::all_of(bytes + known, bytes + size, [](char byte) { return byte == 0; })) return {};
  return Error{ErrorCode::unsupported,
               fmt::format("{} has {} bytes, of which this library (version {}) knows {}, and those behind are not all "
                           "zero: leave fields that are newer than the library at zero, or load a newer one",
                           name, size, osdn_version_text(), known),
               {}};
}

}  // namespace osdn::capi
