// Device memory as the program reports it: by formula, and small beside the tensors at the shapes of the benchmark
// table.
#include <gtest/gtest.h>

#include <fstream>

#include "bench/forward/work.hpp"
#include "osdn/config.hpp"
#include "tests/cli/program.hpp"

namespace osdn::test {
namespace {

using Json = nlohmann::json;

std::vector<bench::Work> table(Operation operation = Operation::osdn_forward) {
  auto all = bench::read_work(OSDN_SHAPES, false, "").value_or_throw();
  std::erase_if(all, [&](const bench::Work& work) { return work.problem.operation != operation; });
  return all;
}

Json plan_of(const bench::Work& work, const std::string& arch, const std::string& config) {
  std::vector<std::string> command = {"list",   "--json", "--problem", to_string(work.problem),
                                      "--arch", arch,     "--plan",    to_string(work.shape)};
  if (!config.empty()) command.insert(command.end(), {"--config", config});
  return osdn(command).json();
}

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + 255) / 256 * 256;
}

/// A gain per token and head, and d at the begin of every chunk; a sequence may begin one that it does not fill.
std::int64_t formula(const bench::Work& work, int chunk) {
  const Shape& s = work.shape;
  const std::int64_t tokens = s.b * s.t;
  const std::int64_t chunks = tokens / chunk + (s.n > 0 ? s.n : s.b);
  return aligned(4 * s.hv * tokens) + aligned(4 * s.hv * chunks * work.problem.k);
}

class Memory : public Program {};

TEST_F(Memory, OfTheTablesShapesIsTheFormulasAndSmallBesideTheTensors) {
  double worst = 0;
  for (const bench::Work& work : table()) {
    SCOPED_TRACE(work.name);
    const Json plan = plan_of(work, "sm_80", "");
    const Json& bytes = plan["device_bytes"];
    const std::int64_t tensors =
        2 * work.shape.b * work.shape.t * 2 * (work.shape.h * work.problem.k + work.shape.hv * work.problem.v);
    EXPECT_EQ(bytes["tensors"].get<std::int64_t>(), tensors);
    worst = std::max(worst, bytes["workspace_of_tensors"].get<double>());
    const auto config = parse_config(plan["config"].get<std::string>()).value_or_throw();
    EXPECT_LE(bytes["workspace_of_tensors"].get<double>(), 0.15);
    if (config.cut == Cut::never && config.schedule == Schedule::portable) {
      EXPECT_EQ(bytes["workspace"].get<std::int64_t>(), formula(work, config.chunk));
    }
    // β in fp32; the states of every sequence in and out, d likewise.
    const std::int64_t sequences = work.shape.n > 0 ? work.shape.n : work.shape.b;
    const std::int64_t others = 4 * work.shape.b * work.shape.t * work.shape.hv + 8 * (work.shape.n > 0) +
                                8 * work.shape.n +
                                2 * 4 * sequences * work.shape.hv * work.problem.k * (work.problem.v + 1);
    EXPECT_EQ(bytes["call"].get<std::int64_t>(), tensors + others + bytes["workspace"].get<std::int64_t>());
  }
  std::printf("the default's workspace is at most %.1f %% of q, k, v and o\n", 100 * worst);
}

// Cut sequences keep a state and an operator per segment: segments are long enough for that.
TEST_F(Memory, OfCutSequencesStaysSmall) {
  double worst = 0;
  for (const bench::Work& work : table()) {
    for (const char* arch : {"sm_80", "sm_90"}) {
      SCOPED_TRACE(work.name + " on " + arch);
      const double share = plan_of(work, arch, "cut=automatic")["device_bytes"]["workspace_of_tensors"].get<double>();
      EXPECT_LE(share, 0.15);
      worst = std::max(worst, share);
    }
  }
  std::printf("cut, it is at most %.1f %%\n", 100 * worst);
}

TEST_F(Memory, OfAStepIsItsTensorsAndStates) {
  const auto steps = table(Operation::osdn_decode);
  EXPECT_FALSE(steps.empty());
  for (const bench::Work& work : steps) {
    SCOPED_TRACE(work.name);
    const Shape& s = work.shape;
    const Problem& p = work.problem;
    const Json bytes = plan_of(work, "sm_80", "")["device_bytes"];
    EXPECT_EQ(bytes["workspace"], 0);
    const std::int64_t state = p.state_type == StateType::bf16 ? 2 : 4;
    const std::int64_t tensors = 2 * s.b * s.t * 2 * (s.h * p.k + s.hv * p.v);
    // In place: each state and d once. β in fp32.
    EXPECT_EQ(bytes["call"].get<std::int64_t>(),
              tensors + 4 * s.b * s.t * s.hv + s.sequences() * s.hv * p.k * (state * p.v + 4));
  }
}

TEST_F(Memory, OfARunIsWhatThePlanSays) {
  const Json ran = osdn({"run", "--device", "emulator", "--json", "--input", golden("osdn_varlen"), "--output",
                         path("out.safetensors")})
                       .json();
  const Json planned = osdn({"list", "--json", "--problem", ran["problem"].get<std::string>(), "--plan",
                             ran["shape"].get<std::string>(), "--config", ran["config"].get<std::string>()})
                           .json();
  EXPECT_EQ(ran["workspace_bytes"], planned["device_bytes"]["workspace"]);
  EXPECT_EQ(ran["device_bytes"], planned["device_bytes"]["call"]);
}

}  // namespace
}  // namespace osdn::test
