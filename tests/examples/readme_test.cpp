// What the README shows is what is built and what runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "program.hpp"
#include "reference/forward.hpp"
#include "tests/temporary_directory.hpp"

namespace {

using osdn::test::Finished;
using osdn::test::run;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The texts between ```cpp lines and the ``` after each.
std::vector<std::string> cpp_blocks(const std::string& markdown) {
  const std::string open = "\n```cpp\n";
  std::vector<std::string> blocks;
  for (std::size_t at = markdown.find(open); at != std::string::npos; at = markdown.find(open, at + 1)) {
    const std::size_t begin = at + open.size();
    blocks.push_back(markdown.substr(begin, markdown.find("\n```\n", begin) + 1 - begin));
  }
  return blocks;
}

std::string without_indentation(const std::string& text) {
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    out += line.substr(std::min(line.find_first_not_of(' '), line.size())) + "\n";
  }
  return out;
}

TEST(Readme, ShowsTheExamplesThatAreBuilt) {
  const auto blocks = cpp_blocks(read(OSDN_SOURCE_FOLDER "/README.md"));
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(blocks[0], read(OSDN_SOURCE_FOLDER "/examples/forward.cpp"));
  const std::string tuned = without_indentation(read(OSDN_SOURCE_FOLDER "/examples/tuned.cpp"));
  EXPECT_NE(tuned.find(without_indentation(blocks[1])), std::string::npos) << blocks[1];
}

/// The example's inputs, drawn as the example draws them, and the recurrence's answer to them.
std::vector<double> expected_output() {
  std::mt19937 random(1);
  const auto tensor = [&](std::size_t count) {
    std::vector<double> values(count);
    for (double& x : values) x = std::uniform_real_distribution<float>(0.0F, 0.2F)(random);
    return values;
  };
  const std::vector<double> q = tensor(51200);
  const std::vector<double> k = tensor(51200);
  const std::vector<double> v = tensor(51200);
  const std::vector<double> beta = tensor(800);
  osdn::reference::ForwardInputs inputs;
  inputs.problem.type = osdn::ElementType::fp32;
  inputs.problem.k = inputs.problem.v = 64;
  inputs.shape = {.b = 2, .t = 100, .h = 4, .hv = 4};
  inputs.numbers = osdn::reference::to_double(osdn::Hyperparameters{});
  inputs.q = q;
  inputs.k = k;
  inputs.v = v;
  inputs.beta = beta;
  return osdn::reference::forward(inputs).value_or_throw().o;
}

TEST(Example, PrintsTheRecurrencesAnswer) {
  const Finished example = run("'" OSDN_EXAMPLE "' '" OSDN_EMULATOR_LIBRARY "'");
  ASSERT_EQ(example.status, 0) << example.output;
  double first = NAN;
  double last = NAN;
  const std::size_t numbers = example.output.find(": o[0] = ");
  ASSERT_NE(numbers, std::string::npos) << example.output;
  ASSERT_EQ(std::sscanf(example.output.c_str() + numbers, ": o[0] = %lf, o[51199] = %lf", &first, &last), 2);
  const std::vector<double> expected = expected_output();
  double squares = 0;
  for (const double x : expected) squares += x * x;
  const double tolerance =
      1.5e-3 * std::sqrt(squares / static_cast<double>(expected.size())) + 1e-6;  // tf32; six digits
  EXPECT_NEAR(first, expected.front(), tolerance);
  EXPECT_NEAR(last, expected.back(), tolerance);
}

/// The decoding example's sequences from their first token to their last, and what its last step prints.
std::pair<double, double> expected_decoding() {
  constexpr std::size_t prompt = 40;
  constexpr std::size_t steps = 10;
  constexpr std::size_t heads = 4;
  constexpr std::size_t token = heads * 64;
  std::mt19937 random(1);
  const auto tensor = [&](std::size_t count) {
    std::vector<double> values(count);
    for (double& x : values) x = std::uniform_real_distribution<float>(0.0F, 0.2F)(random);
    return values;
  };
  std::array<std::vector<double>, 2> q;
  std::array<std::vector<double>, 2> k;
  std::array<std::vector<double>, 2> v;
  std::array<std::vector<double>, 2> beta;
  for (std::size_t n = 0; n < 2; ++n) {
    for (auto* to : {&q[n], &k[n], &v[n]}) *to = tensor(prompt * token);
    beta[n] = tensor(prompt * heads);
    tensor(prompt * token);  // what o is filled with
  }
  const auto append = [&](std::array<std::vector<double>, 2>& to, std::size_t width) {
    const std::vector<double> all = tensor(3 * width);  // the third is padding
    for (std::size_t n = 0; n < 2; ++n) {
      to[n].insert(to[n].end(), all.begin() + static_cast<std::ptrdiff_t>(n * width),
                   all.begin() + static_cast<std::ptrdiff_t>((n + 1) * width));
    }
  };
  for (std::size_t step = 0; step < steps; ++step) {
    for (auto* to : {&q, &k, &v}) append(*to, token);
    tensor(3 * token);
    append(beta, heads);
  }
  const auto last_row = [&](std::size_t n) {
    osdn::reference::ForwardInputs inputs;
    inputs.problem.type = osdn::ElementType::fp32;
    inputs.problem.k = inputs.problem.v = 64;
    inputs.shape = {.b = 1, .t = prompt + steps, .h = heads, .hv = heads};
    inputs.numbers = osdn::reference::to_double(osdn::Hyperparameters{});
    inputs.q = q[n];
    inputs.k = k[n];
    inputs.v = v[n];
    inputs.beta = beta[n];
    const std::vector<double> o = osdn::reference::forward(inputs).value_or_throw().o;
    return std::vector<double>(o.end() - static_cast<std::ptrdiff_t>(token), o.end());
  };
  return {last_row(0).front(), last_row(1).back()};
}

TEST(Example, DecodesOnFromThePrompt) {
  const Finished example = run("'" OSDN_DECODE_EXAMPLE "' '" OSDN_EMULATOR_LIBRARY "'");
  ASSERT_EQ(example.status, 0) << example.output;
  double first = NAN;
  double last = NAN;
  const std::size_t numbers = example.output.find(": o[0] = ");
  ASSERT_NE(numbers, std::string::npos) << example.output;
  ASSERT_EQ(std::sscanf(example.output.c_str() + numbers, ": o[0] = %lf, o[511] = %lf", &first, &last), 2);
  const auto expected = expected_decoding();
  EXPECT_NEAR(first, expected.first, 1.5e-3 * std::abs(expected.first) + 1e-6);
  EXPECT_NEAR(last, expected.second, 1.5e-3 * std::abs(expected.second) + 1e-6);
}

TEST(Example, SaysWhatIsWrongWhenThereIsNoDriver) {
  const Finished example = run("'" OSDN_EXAMPLE "' /nowhere/libcuda.so.1 2>&1");
  EXPECT_NE(example.status, 0);
  EXPECT_NE(example.output.find("/nowhere/libcuda.so.1"), std::string::npos) << example.output;
}

/// A tuning database of its own, for a while.
class TuningFolder {
 public:
  TuningFolder() { ::setenv("OSDN_TUNING_DIR", folder_.path().c_str(), 1); }
  ~TuningFolder() { ::unsetenv("OSDN_TUNING_DIR"); }
  TuningFolder(const TuningFolder&) = delete;
  TuningFolder& operator=(const TuningFolder&) = delete;

 private:
  osdn::test::TemporaryDirectory folder_;
};

TEST(Example, TunesOnceAndThenKnows) {
  const TuningFolder folder;
  const std::string command = "'" OSDN_TUNED_EXAMPLE "' '" OSDN_EMULATOR_LIBRARY "' 6";
  const Finished first = run(command);
  ASSERT_EQ(first.status, 0) << first.output;
  EXPECT_NE(first.output.find("tuned now"), std::string::npos) << first.output;
  const Finished second = run(command);
  ASSERT_EQ(second.status, 0) << second.output;
  EXPECT_TRUE(second.output.starts_with("exact: ")) << second.output;
  EXPECT_EQ(second.output.find("tuned now"), std::string::npos) << second.output;
  const auto config = [](const std::string& text) { return text.substr(text.find("\nchunk=")); };
  EXPECT_EQ(config(first.output), config(second.output));
}

}  // namespace
