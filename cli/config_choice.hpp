// Which configuration to run when only some of its fields are named.
#pragma once

#include <optional>
#include <string>

#include "generator/architecture.hpp"
#include "osdn/config.hpp"
#include "osdn/error.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::cli {

/// `text` names fields as --config does; `chunk` is --chunk, 0 when not given. Fields that are not named are the
/// default's, or, where those break a constraint, those of the legal configuration that differs least from it.
/// A shape that is given also decides whether the default cuts sequences.
/// Errors: invalid_argument; constraint when no legal configuration has the named fields.
expected<Config> choose_config(const Problem& problem, const generator::Architecture& architecture,
                               const std::string& text, std::optional<int> chunk,
                               const std::optional<Shape>& shape = {});

}  // namespace osdn::cli
