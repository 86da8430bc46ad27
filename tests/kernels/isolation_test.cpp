// A NaN in one head or one packed sequence never reaches another.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "osdn/log_gamma.hpp"
#include "tests/kernels/session.hpp"
#include "tests/kernels/slice.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Outputs;
using safetensors::Tensor;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

struct IsolationCase {
  const char* problem;
  const char* config;
};

void PrintTo(const IsolationCase& c, std::ostream* out) {
  *out << c.problem << " | " << c.config;
}

// The elements of a tensor that `keep` chooses: the same bits in both. Of the others at least one is NaN in `b`.
void expect_isolated(const Tensor& a, const Tensor& b, const char* what,
                     const std::function<bool(std::int64_t)>& poisoned) {
  const std::vector<double> clean = reference::to_doubles(a);
  const std::vector<double> dirty = reference::to_doubles(b);
  ASSERT_EQ(clean.size(), dirty.size());
  int differing = 0;
  int reached = 0;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    if (poisoned(static_cast<std::int64_t>(i))) {
      reached += std::isnan(dirty[i]) ? 1 : 0;
    } else if (clean[i] != dirty[i]) {
      ++differing;
    }
  }
  EXPECT_EQ(differing, 0) << what << " of those without a NaN";
  EXPECT_GT(reached, 0) << what << ": the NaN went nowhere, so this test says nothing";
}

class Isolation : public testing::TestWithParam<IsolationCase> {
 protected:
  PreparedOperation operation() const {
    return prepare(parse_problem(GetParam().problem).value_or_throw(),
                   parse_config(GetParam().config).value_or_throw());
  }
};

TEST_P(Isolation, OfHeads) {
  const PreparedOperation op = operation();
  const Problem& p = op.problem();
  const Shape shape{.b = 2, .t = op.config().chunk + 9, .h = 2, .hv = 4};
  reference::RandomOptions random;
  random.seed = input_seed() + 1;
  const Case clean = reference::random_case(p, shape, {}, random).value_or_throw();
  const Outputs before = launch(op, clean);
  expect_right(clean, before, States::in_and_out);

  // [B, T, heads, width] tensors: one token of batch entry 1.
  const std::int64_t token = shape.t + 7;
  const auto of_value_head = [&](std::int64_t i, std::int64_t width) { return i / width == token * shape.hv + 2; };
  const auto of_key_head = [&](std::int64_t i, std::int64_t width) { return i / width == token * shape.h + 1; };
  const auto check = [&](const Case& dirty, bool whole_key_head, const char* what) {
    SCOPED_TRACE(what);
    // Key head 1 is read by value heads 2 and 3.
    const auto head_is_poisoned = [&](std::int64_t n, std::int64_t head) {
      return n == 1 && (head == 2 || (whole_key_head && head == 3));
    };
    const Outputs after = launch(op, dirty);
    expect_isolated(before.o, after.o, "o", [&](std::int64_t i) {
      const std::int64_t row = i / p.v;
      return head_is_poisoned(row / shape.hv / shape.t, row % shape.hv);
    });
    expect_isolated(before.final_state, after.final_state, "final_state", [&](std::int64_t i) {
      const std::int64_t row = i / p.v / p.k;
      return head_is_poisoned(row / shape.hv, row % shape.hv);
    });
  };
  Case dirty = clean;
  dirty.v = changed(clean.v, [&](std::int64_t i, double x) { return of_value_head(i, p.v) ? not_a_number : x; });
  check(dirty, false, "v");
  dirty = clean;
  dirty.beta = changed(clean.beta, [&](std::int64_t i, double x) { return of_value_head(i, 1) ? not_a_number : x; });
  check(dirty, false, "beta");
  dirty = clean;
  dirty.k = changed(clean.k, [&](std::int64_t i, double x) { return of_key_head(i, p.k) ? not_a_number : x; });
  check(dirty, true, "k");
}

TEST_P(Isolation, OfPackedSequences) {
  const PreparedOperation op = operation();
  const Problem& p = op.problem();
  // The middle one is ragged and shares chunks of the token axis with its neighbours.
  const std::vector<std::int64_t> lengths = {op.config().chunk + 3, 21, 0, op.config().chunk - 5};
  const std::int64_t begin = lengths[0];
  const std::int64_t end = begin + lengths[1];
  const Shape shape{.b = 1, .t = end + lengths[3], .h = 1, .hv = 1, .n = 4};
  reference::RandomOptions random;
  random.seed = input_seed() + 2;
  random.lengths = lengths;
  const Case clean = reference::random_case(p, shape, {}, random).value_or_throw();
  const Outputs before = launch(op, clean);
  expect_right(clean, before, States::in_and_out);

  const auto inside = [&](std::int64_t i, std::int64_t width) { return i / width >= begin && i / width < end; };
  const auto poison = [&](const Tensor& tensor, std::int64_t width) {
    return changed(tensor, [&](std::int64_t i, double x) { return inside(i, width) ? not_a_number : x; });
  };
  Case dirty = clean;
  dirty.q = poison(clean.q, p.k);
  dirty.k = poison(clean.k, p.k);
  dirty.v = poison(clean.v, p.v);
  dirty.beta = poison(clean.beta, 1);
  const LogGammaAxes gamma = log_gamma_axes(p.apf);
  if (gamma.tokens) dirty.log_gamma = poison(*clean.log_gamma, gamma.features ? p.k : 1);
  const Outputs after = launch(op, dirty);
  expect_isolated(before.o, after.o, "o", [&](std::int64_t i) { return inside(i, p.v); });
  expect_isolated(before.final_state, after.final_state, "final_state",
                  [&](std::int64_t i) { return i / p.v / p.k == 1; });
}

#ifdef OSDN_TEST_HOPPER  // tests/hopper runs these tests, too
INSTANTIATE_TEST_SUITE_P(Hopper, Isolation,
                         testing::Values(IsolationCase{"osdn_forward:k=64,v=64,precondition=none,qk_l2norm=1",
                                                       "schedule=hopper,warps=4,stages=2"},
                                         IsolationCase{"osdn_forward:type=fp16,k=64,v=128,apf=per_token",
                                                       "schedule=hopper,warps=8,stages=1"},
                                         IsolationCase{"osdn_forward:k=128,v=64,apf=per_channel,qk_l2norm=1",
                                                       "schedule=hopper,warps=4,stages=2"}));
#else
INSTANTIATE_TEST_SUITE_P(
    Kernels, Isolation,
    testing::Values(IsolationCase{"osdn_forward:k=64,v=64,precondition=none", "chunk=32,warps=4,stages=2"},
                    IsolationCase{"osdn_forward:k=32,v=48,apf=per_token,qk_l2norm=1",
                                  "chunk=64,warps=2,preconditioner_warps=2"},
                    IsolationCase{"osdn_forward:type=fp16,k=48,v=32,apf=per_channel", "chunk=16,warps=1,stages=3"},
                    IsolationCase{"osdn_forward:k=64,v=32,apf=per_token",
                                  "chunk=64,warps=2,preconditioner=chunked,preconditioner_warps=8"},
                    IsolationCase{"osdn_forward:type=fp16,k=32,v=16,norm=one,beta_aware=0",
                                  "chunk=32,warps=1,preconditioner=chunked"},
                    IsolationCase{"osdn_forward:type=fp32,math=tf32x3,k=32,v=32",
                                  "chunk=32,warps=2,preconditioner=serial,inverse=substitution"}));
#endif

}  // namespace
}  // namespace osdn::tests
