// Fails each driver call of a life, one after the other.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "osdn/error.hpp"

namespace osdn::runtime::testing {

/// What a host does with an engine on the null driver, in the words of one of the interfaces.
struct Life {
  std::function<expected<void>()> begin;  ///< makes the engine, or leaves nothing
  std::function<expected<void>()> work;   ///< once more after a failure
  std::function<void()> end;              ///< gives all of it back; nobody can be told of an error
};

/// Lives once for each driver call of the life, which fails. Each error must be told in the driver's words, leave the
/// engine good for another attempt and nothing behind. `reached`: entries that must have been among those that failed.
void survives_an_error_of_every_call(const Life& life, const std::vector<std::string>& reached);

}  // namespace osdn::runtime::testing
