// Problems, shapes and arguments from their C form.
#pragma once

#include "osdn/arguments.hpp"
#include "osdn/error.hpp"
#include "osdn/osdn.h"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::capi {

[[nodiscard]] osdn_problem to_c(const Problem& problem);
expected<Problem> from_c(const osdn_problem* problem);
expected<Shape> from_c(const osdn_shape* shape);

[[nodiscard]] osdn_shape default_shape();
[[nodiscard]] osdn_forward_arguments default_forward();
[[nodiscard]] osdn_decode_arguments default_decode();

expected<ForwardArguments> from_c(const osdn_forward_arguments* arguments);
expected<DecodeArguments> from_c(const osdn_decode_arguments* arguments);

}  // namespace osdn::capi
