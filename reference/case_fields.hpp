// The metadata of a case file: strings to Problem and Numbers, and back.
#pragma once

#include <map>
#include <string>

#include "osdn/error.hpp"
#include "reference/case.hpp"

namespace osdn::reference {

/// Fills problem and numbers (not sizes and types, which the tensors tell) and notes unknown fields.
/// Errors: invalid_argument naming the field, what it was and what is allowed.
expected<void> read_metadata(const std::map<std::string, std::string>& metadata, Case& out);

[[nodiscard]] std::map<std::string, std::string> metadata_of(const Case& problem);

}  // namespace osdn::reference
