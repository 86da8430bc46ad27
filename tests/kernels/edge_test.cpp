// Inputs at the edges of the recurrence, and what must not change its bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/kernels/session.hpp"
#include "tests/kernels/slice.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Keys;
using reference::Numbers;
using reference::Outputs;

struct EdgeCase {
  const char* problem;
  const char* config;
};

void PrintTo(const EdgeCase& c, std::ostream* out) {
  *out << c.problem << " | " << c.config;
}

class Edge : public testing::TestWithParam<EdgeCase> {
 protected:
  PreparedOperation operation() const {
    return prepare(parse_problem(GetParam().problem).value_or_throw(),
                   parse_config(GetParam().config).value_or_throw());
  }
  static Case random_case(const PreparedOperation& op, const Numbers& numbers = {}, Keys keys = Keys::unit) {
    reference::RandomOptions random;
    random.seed = input_seed() + 3;
    random.keys = keys;
    const Shape shape{.b = 1, .t = 2 * op.config().chunk + 11, .h = 1, .hv = 2};
    return reference::random_case(op.problem(), shape, numbers, random).value_or_throw();
  }
};

/// What only a preconditioner has.
class Clip : public Edge {};

// Fraction of values that lie on a bound.
double on_bounds(const std::vector<double>& d, const Numbers& numbers) {
  const auto count = std::count_if(d.begin(), d.end(), [&](double x) {
    return std::fabs(x - numbers.d_min) < 1e-9 || std::fabs(x - numbers.d_max) < 1e-9;
  });
  return static_cast<double>(count) / static_cast<double>(d.size());
}

TEST_P(Clip, BindingAndNot) {
  const PreparedOperation op = operation();
  Numbers binding;
  binding.eta = 0.5;
  binding.d_min = 0.98;
  binding.d_max = 1.01;
  Numbers loose;
  loose.eta = 0.5;
  loose.d_min = 0.0;
  loose.d_max = 100.0;
  for (const Numbers& numbers : {binding, loose}) {
    SCOPED_TRACE(numbers.d_min);
    const Case problem = random_case(op, numbers);
    const double share = on_bounds(reference::solve(problem).value_or_throw().final_d, numbers);
    if (numbers.d_min > 0) {
      EXPECT_GT(share, 0.02) << "the clip must bind for this to say anything";
    } else {
      EXPECT_EQ(share, 0.0);
    }
    expect_right(problem, launch(op, problem), States::in_and_out);
  }
}

// A clip that binds now and then inside one block of tokens, at a step small enough for the gates to be iterated.
TEST_P(Clip, Grazed) {
  const PreparedOperation op = operation();
  Numbers numbers;
  numbers.eta = 0.02;
  numbers.d_min = 0.99;
  numbers.d_max = 1.01;
  Case problem = random_case(op, numbers);
  problem.initial_d.reset();
  expect_right(problem, launch(op, problem), States::in_and_out);
}

// The published configurations with their bounds in reach, and steps far beyond what the recurrence is meant for.
TEST_P(Clip, PublishedBoundsAndHugeSteps) {
  const PreparedOperation op = operation();
  const auto numbers = [](double eta, double d_min, double d_max, double anchor, double log_gamma) {
    Numbers n;
    n.eta = eta;
    n.d_min = d_min;
    n.d_max = d_max;
    n.anchor = anchor;
    n.log_gamma = log_gamma;
    return n;
  };
  for (const Numbers& n : {numbers(0.003, 2.0 / 3, 1.5, 0.0, -0.001), numbers(0.003, 2.0 / 3, 1.5, 0.0, -0.2),
                           numbers(1.0, 0.5, 2.0, 1.0, -0.01), numbers(1e30, 0.9, 1.1, 0.0, -50.0)}) {
    SCOPED_TRACE("eta " + std::to_string(n.eta) + " log_gamma " + std::to_string(n.log_gamma));
    const Case problem = random_case(op, n);
    expect_right(problem, launch(op, problem), States::in_and_out);
  }
}

TEST_P(Edge, ZeroKeys) {
  const PreparedOperation op = operation();
  const Case problem = random_case(op, {}, Keys::zero);
  const Outputs out = launch(op, problem);
  expect_right(problem, out, States::in_and_out);
  expect_same_bits(out.final_state, *problem.initial_state, "a state that nothing was written to");
}

TEST_P(Edge, SomeZeroKeys) {
  const PreparedOperation op = operation();
  Case problem = random_case(op);
  const std::int64_t width = op.problem().k;
  problem.k = changed(problem.k, [&](std::int64_t i, double x) { return i / width % 3 == 1 ? 0.0 : x; });
  expect_right(problem, launch(op, problem), States::in_and_out);
}

TEST_P(Edge, EqualKeysAndBetaOne) {
  const PreparedOperation op = operation();
  Case problem = random_case(op);
  const std::vector<double> keys = reference::to_doubles(problem.k);
  const std::int64_t width = op.problem().k;
  problem.k = changed(problem.k, [&](std::int64_t i, double) { return keys[static_cast<std::size_t>(i % width)]; });
  problem.beta = filled(problem.beta, 1.0);
  ASSERT_TRUE(reference::keys_nearly_equal(problem));
  expect_right(problem, launch(op, problem), States::in_and_out);
}

TEST_P(Edge, BetaZeroWritesNothing) {
  const PreparedOperation op = operation();
  Case problem = random_case(op);
  problem.beta = filled(problem.beta, 0.0);
  const Outputs out = launch(op, problem);
  expect_right(problem, out, States::in_and_out);
  expect_same_bits(out.final_state, *problem.initial_state, "a state that nothing was written to");
}

TEST_P(Edge, WithoutInitialStates) {
  const PreparedOperation op = operation();
  Case problem = random_case(op);
  problem.initial_state.reset();
  problem.initial_d.reset();
  expect_right(problem, launch(op, problem), States::in_and_out);
}

TEST_P(Edge, AliasedStatesGiveTheSameBits) {
  const PreparedOperation op = operation();
  const Case problem = random_case(op);
  expect_same_bits(launch(op, problem, {States::in_and_out}), launch(op, problem, {States::aliased}));
}

TEST_P(Edge, NoTokensReturnTheInitialStates) {
  const PreparedOperation op = operation();
  reference::RandomOptions random;
  random.seed = input_seed() + 4;
  for (const bool given : {true, false}) {
    random.initial_state = given;
    random.initial_d = given;
    const Case problem =
        reference::random_case(op.problem(), Shape{.b = 3, .t = 0, .h = 1, .hv = 2}, {}, random).value_or_throw();
    const Outputs out = launch(op, problem);
    expect_right(problem, out, States::in_and_out);
    if (!given) continue;
    expect_same_bits(out.final_state, *problem.initial_state, "final_state");
    if (problem.initial_d) expect_same_bits(*out.final_d, *problem.initial_d, "final_d");
  }
}

// Blocks, warps and streams run in another order: no bit may depend on it.
TEST_P(Edge, SameBitsWhateverTheOrderOfExecution) {
  const PreparedOperation op = operation();
  const Case problem = random_case(op);
  set_emulator_seed(1);
  const Outputs first = launch(op, problem);
  for (const std::uint64_t seed : {2, 3, 4}) {
    SCOPED_TRACE("emulator seed " + std::to_string(seed));
    set_emulator_seed(seed);
    expect_same_bits(first, launch(op, problem));
  }
}

#ifdef OSDN_TEST_HOPPER  // tests/hopper runs these tests, too
constexpr EdgeCase plain_case{"osdn_forward:k=64,v=64,precondition=none", "schedule=hopper,warps=4,stages=2"};
constexpr EdgeCase preconditioned_cases[] = {
    {"osdn_forward:k=64,v=128,norm=one,qk_l2norm=1", "schedule=hopper,warps=8,stages=2"},
    {"osdn_forward:type=fp16,k=128,v=64,apf=per_token", "schedule=hopper,warps=4,stages=2"}};
#else
constexpr EdgeCase plain_case{"osdn_forward:k=64,v=64,precondition=none", "chunk=64,warps=4"};
constexpr EdgeCase preconditioned_cases[] = {
    {"osdn_forward:k=32,v=32,norm=one", "chunk=128,warps=2"},
    {"osdn_forward:k=64,v=48", "chunk=32,warps=2,stages=2,preconditioner_warps=2"},
    {"osdn_forward:type=fp16,k=32,v=32,apf=per_token,norm=add,qk_l2norm=1,beta_type=element",
     "chunk=16,warps=2,preconditioner_warps=4"},
    {"osdn_forward:type=fp32,k=48,v=16,apf=per_channel,norm=one,beta_aware=0",
     "chunk=64,warps=1,preconditioner_warps=1,inverse=substitution"},
    {"osdn_forward:type=fp32,math=tf32x3,k=32,v=64,apf=per_head", "chunk=32,warps=4,preconditioner=serial"},
    {"osdn_forward:k=64,v=32,apf=per_token,qk_l2norm=1",
     "chunk=64,warps=2,preconditioner=chunked,preconditioner_warps=8"},
    {"osdn_forward:type=fp16,k=48,v=16,norm=add,beta_type=element", "chunk=128,warps=1,preconditioner=chunked"},
    {"osdn_forward:type=fp32,math=tf32x3,k=32,v=16,apf=per_head,norm=one",
     "chunk=32,warps=1,preconditioner=chunked,preconditioner_warps=8"},
    {"osdn_forward:type=fp32,math=tf32x3,k=16,v=16", "chunk=16,warps=1,preconditioner=chunked"}};
#endif

INSTANTIATE_TEST_SUITE_P(DeltaNet, Edge, testing::Values(plain_case));
INSTANTIATE_TEST_SUITE_P(Osdn, Edge, testing::ValuesIn(preconditioned_cases));
INSTANTIATE_TEST_SUITE_P(Osdn, Clip, testing::ValuesIn(preconditioned_cases));

#ifndef OSDN_TEST_HOPPER
// An in-kernel norm divides keys that nearly fill fp16 by as much: nothing on the way may fall among the subnormals.
TEST(Family, LongKeysKeepTheirDigitsInFp16) {
  const Config config = parse_config("chunk=32,warps=2").value_or_throw();
  const Problem osdn = parse_problem("osdn_forward:type=fp16,k=32,v=32,qk_l2norm=1").value_or_throw();
  reference::RandomOptions random;
  random.seed = input_seed() + 6;
  Case problem = reference::random_case(osdn, Shape{.b = 1, .t = 90, .h = 1, .hv = 2}, {}, random).value_or_throw();
  problem.k = changed(problem.k, [](std::int64_t, double x) { return 6e4 * x; });  // they had unit length
  expect_right(problem, launch(prepare(osdn, config), problem), States::in_and_out);
}

// With d held at one, OSDN is DeltaNet: the write key is the key, and every product the same.
TEST(Family, HeldAtOneIsDeltaNet) {
  const Config config = parse_config("chunk=32,warps=4").value_or_throw();
  const Problem osdn = parse_problem("osdn_forward:k=64,v=64").value_or_throw();
  Problem delta_net = osdn;
  delta_net.precondition = Precondition::none;
  Numbers held;
  held.d_min = 1.0;
  held.d_max = 1.0;
  reference::RandomOptions random;
  random.seed = input_seed() + 5;
  random.initial_d = false;
  Case problem = reference::random_case(osdn, Shape{.b = 1, .t = 77, .h = 1, .hv = 1}, held, random).value_or_throw();
  const Outputs preconditioned = launch(prepare(osdn, config), problem);
  problem.problem = canonical(delta_net).value_or_throw();
  expect_same_bits(preconditioned, launch(prepare(delta_net, config), problem));
}
#endif

}  // namespace
}  // namespace osdn::tests
