// Steps whose tensors have strides: the very bits of dense ones, and nothing touched between the rows.
#include <gtest/gtest.h>

#include <string>

#include "tests/decode/step.hpp"
#include "tests/kernels/placement.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Outputs;

void expect_dense_bits(const PreparedOperation& op, const Shape& shape, const std::vector<std::int64_t>& lengths = {}) {
  const Case problem = random_step(op, shape, 51, {}, reference::Keys::unit, lengths);
  const Outputs dense = step(op, problem, {.padding = 0});
  expect_right(problem, dense, States::in_and_out);
  for (const Placement& placement : placements(op.problem(), shape)) {
    SCOPED_TRACE(placement.name + ", " + to_string(op.problem()) + ", " + to_string(shape));
    expect_same_bits(step(op, problem, {.padding = 0}, &placement), dense);
  }
}

TEST(DecodeStrides, GiveTheBitsOfDenseTensors) {
  for (const auto& [problem, config] :
       {std::pair("osdn_decode:k=32,v=32,apf=per_token,beta_type=element", "warps=2"),
        std::pair("osdn_decode:type=fp32,k=48,v=48,precondition=none,qk_l2norm=1", "warps=1,value_split=3"),
        std::pair("osdn_decode:type=fp16,k=16,v=64,apf=per_channel,state_type=bf16", "warps=4"),
        std::pair("osdn_decode:k=32,v=32,apf=per_head", "warps=1")}) {
    const PreparedOperation op = prepare_step(problem, config);
    expect_dense_bits(op, {.b = 3, .t = 1, .h = 2, .hv = 2});
    expect_dense_bits(op, {.b = 2, .t = 19, .h = 1, .hv = 2});
    expect_dense_bits(op, {.b = 1, .t = 22, .h = 2, .hv = 2, .n = 4}, {2, 0, 17, 3});
  }
}

}  // namespace
}  // namespace osdn::tests
