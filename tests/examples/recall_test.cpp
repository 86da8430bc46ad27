// The recall example against the float64 recurrence: what it prints is what was recalled.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "program.hpp"
#include "recall/text.hpp"
#include "recall/tokens.hpp"
#include "reference/forward.hpp"
#include "tests/temporary_directory.hpp"

namespace {

std::vector<double> doubled(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

/// What the recurrence answers to the example's tokens.
std::vector<float> answers(const recall::Tokens& tokens, osdn::Precondition precondition) {
  const auto q = doubled(tokens.q);
  const auto k = doubled(tokens.k);
  const auto v = doubled(tokens.v);
  const auto beta = doubled(tokens.beta);
  osdn::reference::ForwardInputs inputs;
  inputs.problem = {.type = osdn::ElementType::fp32, .k = 64, .v = 64, .precondition = precondition};
  inputs.shape = tokens.shape;
  inputs.numbers = osdn::reference::to_double(recall::hyperparameters);
  inputs.q = q, inputs.k = k, inputs.v = v, inputs.beta = beta;
  const auto o = osdn::reference::forward(inputs).value_or_throw().o;
  return {o.begin(), o.end()};
}

/// The numbers of a line that begins with `name`.
struct Printed {
  double first = -1;
  double last = -1;
  int first_right = -1;
  int last_right = -1;
};

Printed printed(const std::string& output, const std::string& name) {
  Printed numbers;
  const std::size_t at = output.find("\n" + name);
  if (at == std::string::npos) return numbers;
  const std::size_t residual = output.find("residual", at);
  std::sscanf(output.c_str() + residual, "residual %lf after 1 reading, %lf after 32; right: %d, %d", &numbers.first,
              &numbers.last, &numbers.first_right, &numbers.last_right);
  return numbers;
}

TEST(Recall, PrintsWhatTheRecurrenceRecalls) {
  const osdn::test::TemporaryDirectory folder;
  const std::string picture = folder.path().string() + "/residuals.svg";
  const osdn::test::Finished example = osdn::test::run("'" OSDN_RECALL_EXAMPLE "' '" OSDN_RECALL_PAIRS "' '" + picture +
                                                       "' '" OSDN_EMULATOR_LIBRARY "'");
  ASSERT_EQ(example.status, 0) << example.output;

  const auto pairs = recall::read_pairs(OSDN_RECALL_PAIRS);
  std::vector<std::vector<float>> values;
  for (const recall::Pair& pair : pairs) values.push_back(recall::signature(pair.value, recall::features));
  const recall::Tokens tokens = recall::make_tokens(pairs, values);
  for (const auto precondition : {osdn::Precondition::none, osdn::Precondition::osdn}) {
    const auto o = answers(tokens, precondition);
    for (std::size_t head = 0; head < recall::betas.size(); ++head) {
      const std::string name = std::string(precondition == osdn::Precondition::none ? "DeltaNet" : "OSDN") +
                               ", β = " + recall::short_text(recall::betas[head]);
      const Printed numbers = printed(example.output, name);
      const recall::Curve expected = recall::judge(o, values, head);
      EXPECT_NEAR(numbers.first, expected.residuals.front(), 1e-3) << name << "\n" << example.output;
      EXPECT_NEAR(numbers.last, expected.residuals.back(), 2e-4) << name << "\n" << example.output;
      EXPECT_NEAR(numbers.first_right, expected.right.front(), 1) << name;  // two values may be nearly equally near
      EXPECT_EQ(numbers.last_right, expected.right.back()) << name;
    }
  }
  // What the picture is there to show.
  EXPECT_LT(printed(example.output, "OSDN, β = 0.25").last, 0.6 * printed(example.output, "DeltaNet, β = 0.25").last);

  std::ifstream file(picture);
  const std::string svg{std::istreambuf_iterator<char>(file), {}};
  std::size_t curves = 0;
  for (std::size_t at = 0; (at = svg.find("<polyline", at)) != std::string::npos; ++at) ++curves;
  EXPECT_EQ(curves, 6U);
}

TEST(Recall, SaysWhatIsWrongWithItsFiles) {
  const osdn::test::TemporaryDirectory folder;
  const std::string program = "'" OSDN_RECALL_EXAMPLE "' ";
  const auto missing = osdn::test::run(program + "/nowhere/pairs.txt x.svg 2>&1");
  EXPECT_NE(missing.status, 0);
  EXPECT_NE(missing.output.find("/nowhere/pairs.txt"), std::string::npos) << missing.output;
  std::ofstream(folder.path().string() + "/pairs.txt") << "France Paris\n";
  const auto malformed = osdn::test::run(program + folder.path().string() + "/pairs.txt x.svg 2>&1");
  EXPECT_NE(malformed.status, 0);
  EXPECT_NE(malformed.output.find("France Paris"), std::string::npos) << malformed.output;
}

}  // namespace
