// Tensors with strides: the very bits of dense ones, wherever the rows lie, and nothing touched between them.
#include <gtest/gtest.h>

#include "tests/kernels/placement.hpp"
#include "tests/kernels/session.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Outputs;

struct StridesCase {
  const char* problem;
  const char* config;
};

void PrintTo(const StridesCase& c, std::ostream* out) {
  *out << c.problem << " | " << c.config;
}

class Strided : public testing::TestWithParam<StridesCase> {
 protected:
  void expect_dense_bits(const Shape& shape, const std::vector<std::int64_t>& lengths = {}) {
    const PreparedOperation op =
        prepare(parse_problem(GetParam().problem).value_or_throw(), parse_config(GetParam().config).value_or_throw());
    reference::RandomOptions random;
    random.seed = input_seed() + 11;
    random.lengths = lengths;
    const Case problem = reference::random_case(op.problem(), shape, {}, random).value_or_throw();
    const Outputs dense = launch(op, problem);
    expect_right(problem, dense, States::in_and_out);
    for (const Placement& placement : placements(op.problem(), shape)) {
      SCOPED_TRACE(placement.name + ", " + to_string(shape));
      LaunchOptions options;
      options.placement = &placement;
      expect_same_bits(launch(op, problem, options), dense);
    }
  }
  int chunk() const { return parse_config(GetParam().config).value_or_throw().chunk; }
  int segment() const {
    const Config config = parse_config(GetParam().config).value_or_throw();
    return config.cut == Cut::never ? chunk() : config.segment;
  }
};

TEST_P(Strided, Batch) {
  expect_dense_bits({.b = 2, .t = segment() + chunk() + 5, .h = 2, .hv = 2});
}

TEST_P(Strided, GroupedHeads) {
  expect_dense_bits({.b = 3, .t = chunk() + 1, .h = 1, .hv = 2});
}

TEST_P(Strided, PackedSequences) {
  const std::vector<std::int64_t> lengths = {3, segment() + chunk() - 1, 0, 2 * chunk() + 2, 1};
  std::int64_t tokens = 0;
  for (const std::int64_t length : lengths) tokens += length;
  expect_dense_bits({.b = 1, .t = tokens, .h = 2, .hv = 2, .n = 5}, lengths);
}

#ifdef OSDN_TEST_HOPPER  // tests/hopper runs these tests, too
INSTANTIATE_TEST_SUITE_P(
    Hopper, Strided,
    testing::Values(StridesCase{"osdn_forward:k=64,v=64,precondition=none", "schedule=hopper,warps=4,stages=2"},
                    StridesCase{"osdn_forward:k=64,v=64,apf=per_channel", "schedule=hopper,warps=4,stages=2"},
                    StridesCase{"osdn_forward:type=fp16,k=64,v=128,apf=per_token,beta_type=element,qk_l2norm=1",
                                "schedule=hopper,warps=4,value_split=2,stages=2"}));
#else
INSTANTIATE_TEST_SUITE_P(
    Kernels, Strided,
    testing::Values(StridesCase{"osdn_forward:k=32,v=32,precondition=none", "chunk=16,warps=2,value_split=2"},
                    StridesCase{"osdn_forward:k=48,v=48,apf=per_token,beta_type=element", "chunk=32,warps=2,stages=2"},
                    StridesCase{"osdn_forward:type=fp32,k=32,v=32,apf=per_channel",
                                "chunk=16,warps=1,preconditioner_warps=2"},
                    StridesCase{"osdn_forward:type=fp16,k=32,v=64,apf=per_head,qk_l2norm=1",
                                "chunk=32,warps=2,preconditioner=serial,preconditioner_warps=1"},
                    StridesCase{"osdn_forward:k=32,v=32,apf=per_token",
                                "chunk=32,warps=1,preconditioner=chunked,preconditioner_warps=8"},
                    StridesCase{"osdn_forward:k=32,v=32,apf=per_head", "chunk=32,warps=1,preconditioner=chunked"},
                    StridesCase{"osdn_forward:k=32,v=32,apf=per_channel",
                                "chunk=16,warps=2,preconditioner_warps=2,cut=fixed,segment=64"},
                    StridesCase{"osdn_forward:k=32,v=32,apf=per_token,type=fp16",
                                "chunk=32,warps=1,preconditioner=chunked,cut=fixed,segment=64"}));
#endif

}  // namespace
}  // namespace osdn::tests
