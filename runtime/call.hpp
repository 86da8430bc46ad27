// A call of an operation: its arguments, and what follows from them and is formed once.
#pragma once

#include "generator/plan.hpp"
#include "osdn/arguments.hpp"
#include "runtime/row_layout.hpp"

namespace osdn::runtime {

/// The shape must be a valid one; strides may still be refused.
struct Call {
  Call(const generator::Plan& its_plan, const ForwardArguments& given)
      : plan(its_plan), arguments(given), shaped(plan.at(given.shape)), rows(row_layouts(plan.problem, given)) {}

  const generator::Plan& plan;
  const ForwardArguments& arguments;
  generator::Plan::Shaped shaped;
  RowLayouts rows;
};

}  // namespace osdn::runtime
