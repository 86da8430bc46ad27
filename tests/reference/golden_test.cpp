// The golden files: float64 answers of independent implementations, which the reference must meet.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "reference/case.hpp"

namespace osdn::reference {
namespace {

double relative_difference(const std::vector<double>& is, const std::vector<double>& should) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < is.size(); ++i) {
    difference += (is[i] - should[i]) * (is[i] - should[i]);
    size += should[i] * should[i];
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

std::vector<std::string> golden_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(OSDN_TEST_DATA "/golden")) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST(Golden, ThereAreSixteen) {
  EXPECT_EQ(golden_files().size(), 16U);
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, ReferenceMeetsItTo1em12) {
  const auto file = safetensors::Reader::open(GetParam());
  ASSERT_TRUE(file) << file.error().message;
  const auto problem = load_case(*file);
  ASSERT_TRUE(problem) << problem.error().message;
  EXPECT_TRUE(problem->unknown.empty());
  const auto answers = load_expected(*file, *problem);
  ASSERT_TRUE(answers && *answers) << "no expected.*";
  const auto solved = solve(*problem);
  ASSERT_TRUE(solved) << solved.error().message;

  const Expected& should = **answers;
  ASSERT_EQ(solved->o.size(), should.o.size());
  ASSERT_EQ(solved->final_state.size(), should.final_state.size());
  EXPECT_LE(relative_difference(solved->o, should.o), 1e-12);
  EXPECT_LE(relative_difference(solved->final_state, should.final_state), 1e-12);
  if (problem->problem.precondition == Precondition::none) return;
  ASSERT_EQ(solved->final_d.size(), should.final_d.size());
  EXPECT_LE(relative_difference(solved->final_d, should.final_d), 1e-12);
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, testing::ValuesIn(golden_files()),
                         [](const auto& test) { return std::filesystem::path(test.param).stem().string(); });

}  // namespace
}  // namespace osdn::reference
