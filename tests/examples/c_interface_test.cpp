// The examples through the C interface, from C and from Rust: both draw the same numbers and print the recurrence's
// answer.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "program.hpp"
#include "reference/forward.hpp"

namespace {

/// The examples' tensors, drawn one after the other.
class Draw {
 public:
  std::vector<double> numbers(std::size_t count) {
    std::vector<double> values(count);
    for (double& x : values) {
      state_ = state_ * 1664525U + 1013904223U;
      x = static_cast<double>(static_cast<float>(state_ >> 8) / 16777216.0F * 0.2F);
    }
    return values;
  }

 private:
  std::uint32_t state_ = 1;
};

std::vector<double> expected() {
  Draw draw;
  const auto q = draw.numbers(51200);
  const auto k = draw.numbers(51200);
  const auto v = draw.numbers(51200);
  const auto beta = draw.numbers(800);
  osdn::reference::ForwardInputs inputs;
  inputs.problem.type = osdn::ElementType::fp32;
  inputs.problem.k = inputs.problem.v = 64;
  inputs.shape = {.b = 2, .t = 100, .h = 4, .hv = 4};
  inputs.numbers = osdn::reference::to_double(osdn::Hyperparameters{});
  inputs.q = q, inputs.k = k, inputs.v = v, inputs.beta = beta;
  return osdn::reference::forward(inputs).value_or_throw().o;
}

void expect_answer(const std::string& program) {
  const auto example = osdn::test::run("'" + program + "' '" OSDN_EMULATOR_LIBRARY "' 2>&1");
  ASSERT_EQ(example.status, 0) << example.output;
  const std::vector<double> o = expected();
  double squares = 0;
  for (const double x : o) squares += x * x;
  const double tolerance = 1.5e-3 * std::sqrt(squares / static_cast<double>(o.size())) + 1e-6;  // tf32; six digits
  double first = NAN;
  double last = NAN;
  const std::size_t numbers = example.output.find(": o[0] = ");
  ASSERT_NE(numbers, std::string::npos) << example.output;
  ASSERT_EQ(std::sscanf(example.output.c_str() + numbers, ": o[0] = %lf, o[51199] = %lf", &first, &last), 2);
  EXPECT_NEAR(first, o.front(), tolerance);
  EXPECT_NEAR(last, o.back(), tolerance);
}

void expect_refusal(const std::string& program) {
  const auto refused = osdn::test::run("'" + program + "' /nowhere/libcuda.so.1 2>&1");
  EXPECT_NE(refused.status, 0);
  EXPECT_NE(refused.output.find("/nowhere/libcuda.so.1"), std::string::npos) << refused.output;
}

TEST(ExampleInC, PrintsTheRecurrencesAnswer) {
  expect_answer(OSDN_C_EXAMPLE);
}

TEST(ExampleInC, SaysWhatIsWrongWhenThereIsNoDriver) {
  expect_refusal(OSDN_C_EXAMPLE);
}

TEST(ExampleInRust, PrintsTheRecurrencesAnswer) {
#ifdef OSDN_RUST_EXAMPLE
  expect_answer(OSDN_RUST_EXAMPLE);
#else
  GTEST_SKIP() << "no rustc was found when this was built";
#endif
}

TEST(ExampleInRust, SaysWhatIsWrongWhenThereIsNoDriver) {
#ifdef OSDN_RUST_EXAMPLE
  expect_refusal(OSDN_RUST_EXAMPLE);
#else
  GTEST_SKIP() << "no rustc was found when this was built";
#endif
}

}  // namespace
