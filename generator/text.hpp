// Words for messages: lists, quoted input, the nearest known name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "osdn/error.hpp"

namespace osdn::generator {

/// `a, b or c`
std::string one_of(std::span<const std::string_view> names);

/// In single quotes, on one line whatever it holds, cut when long: input is shown, never trusted.
std::string quoted(std::string_view text);

/// The known name that a reader most likely meant; empty when none is near.
std::string_view nearest(std::string_view name, std::span<const std::string_view> known);

/// ` (did you mean 'x'?)` or nothing.
std::string suggestion(std::string_view name, std::span<const std::string_view> known);

/// 212992 → `212,992`
std::string grouped(std::uint64_t number);

/// invalid_argument: `problem field k was '100'; allowed: a multiple of 16 from 16 to 256`.
Error bad_value(std::string_view what, std::string_view field, std::string_view value, std::string_view allowed);

}  // namespace osdn::generator
