// The server example serves all, compiles nothing while it does, and its answers are those of a whole pass.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "program.hpp"

namespace {

double metric(const std::string& output, const std::string& name) {
  double value = -1;
  const std::size_t at = output.find("\n" + name + " ");
  if (at != std::string::npos) std::sscanf(output.c_str() + at + name.size() + 2, "%lf", &value);
  return value;
}

TEST(Server, ServesAllWithoutCompiling) {
  const auto server = osdn::test::run("'" OSDN_SERVER_EXAMPLE "' '" OSDN_EMULATOR_LIBRARY "' 12 3 2>&1");
  ASSERT_EQ(server.status, 0) << server.output;
  EXPECT_EQ(metric(server.output, "requests_total"), 12) << server.output;
  EXPECT_EQ(metric(server.output, "kernels_compiled_while_serving"), 0) << server.output;
  EXPECT_GT(metric(server.output, "new_tokens_total"), 12) << server.output;
  const double difference = metric(server.output, "largest_difference_to_a_whole_pass");
  EXPECT_GT(difference, 0) << server.output;  // other kernels, other rounding
  EXPECT_LT(difference, 2e-3) << server.output;
}

TEST(Server, SaysWhatIsWrong) {
  const auto nothing = osdn::test::run("'" OSDN_SERVER_EXAMPLE "' '" OSDN_EMULATOR_LIBRARY "' 0 2>&1");
  EXPECT_NE(nothing.status, 0);
  EXPECT_NE(nothing.output.find("usage"), std::string::npos) << nothing.output;
  const auto no_driver = osdn::test::run("'" OSDN_SERVER_EXAMPLE "' /nowhere/libcuda.so.1 2>&1");
  EXPECT_NE(no_driver.status, 0);
  EXPECT_NE(no_driver.output.find("/nowhere/libcuda.so.1"), std::string::npos) << no_driver.output;
}

}  // namespace
