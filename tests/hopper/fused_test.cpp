// One launch that holds the preconditioner and the chains: every kind of batch, few CTAs and many, the same workspace
// again and again, and the order between CTAs.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "generator/plan.hpp"
#include "runtime/engine_state.hpp"
#include "tests/kernels/extreme.hpp"
#include "tests/kernels/session.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Keys;
using reference::Outputs;

// Before the emulator is loaded.
const int played = setenv("OSDN_EMULATOR_ARCH", "sm_90", 1);

Problem problem_of(const char* text) {
  return parse_problem(std::string("osdn_forward:") + text).value_or_throw();
}
Config config_of(const char* text) {
  return parse_config(std::string("schedule=hopper_fused,preconditioner=chunked,") + text).value_or_throw();
}

/// As on a GPU of so many multiprocessors: the grid is no larger.
PreparedOperation prepared_for(int multiprocessors, const Problem& problem, const Config& config) {
  generator::Architecture few = generator::find_architecture("sm_90").value_or_throw();
  few.multiprocessors = multiprocessors;
  return engine().state()->prepare_plan(generator::plan(problem, config, few).value_or_throw()).value_or_throw();
}

struct FusedCase {
  const char* problem;
  const char* config;
  Shape shape;
  std::vector<std::int64_t> lengths = {};
  Keys keys = Keys::unit;
  States states = States::in_and_out;
};

void PrintTo(const FusedCase& c, std::ostream* out) {
  *out << c.problem << " | " << c.config << " | " << to_string(c.shape);
}

class FusedForward : public testing::TestWithParam<FusedCase> {};

TEST_P(FusedForward, IsTheRecurrence) {
  ASSERT_EQ(played, 0);
  const FusedCase& c = GetParam();
  reference::RandomOptions random;
  random.seed = input_seed() + 21;
  random.keys = c.keys;
  random.lengths = c.lengths;
  random.initial_d = random.initial_state = c.states != States::none && c.states != States::out;
  set_emulator_seed(input_seed() + 22);
  run(config_of(c.config), reference::random_case(problem_of(c.problem), c.shape, {}, random).value_or_throw(),
      {.states = c.states});
}

// Few different kernels: most of the time of these tests goes into compiling them.
constexpr const char* small = "k=64,v=64";
constexpr const char* small_config = "warps=4,stages=2,preconditioner_warps=4";
constexpr const char* wide = "k=64,v=128,apf=constant,beta_aware=0,norm=one,qk_l2norm=1";
constexpr const char* wide_config = "warps=8,stages=3,preconditioner_warps=8";

INSTANTIATE_TEST_SUITE_P(
    Hopper, FusedForward,
    testing::Values(FusedCase{"k=128,v=128,qk_l2norm=1,apf=per_token",
                              "warps=8,stages=2,preconditioner_warps=8",
                              {.b = 1, .t = 150, .h = 1, .hv = 2}},
                    FusedCase{
                        wide, wide_config, {.b = 2, .t = 65, .h = 1, .hv = 1}, {}, Keys::nearly_equal, States::none},
                    FusedCase{"k=128,v=192,apf=per_head,norm=add,type=fp16",
                              "warps=4,value_split=3,stages=1,preconditioner_warps=4",
                              {.b = 1, .t = 258, .h = 1, .hv = 3, .n = 5},
                              {0, 129, 1, 64, 64},
                              Keys::unit,
                              States::aliased},
                    FusedCase{small, small_config, {.b = 1, .t = 70, .h = 1, .hv = 1}, {}, Keys::zero, States::out},
                    FusedCase{small, small_config, {.b = 2, .t = 0, .h = 1, .hv = 2}}));

// Teams and chains take one pair after another, of different lengths, and all agree where the others are: with a CTA of
// each kind, with few, and with as many as there is work. The same bits however it is shared out and in whatever order
// blocks and warps run.
TEST(FusedGrid, IsSharedOutAmongFewOrMany) {
  const struct {
    const char* problem;
    const char* config;
    std::vector<int> multiprocessors;
  } cases[] = {{wide, wide_config, {2, 5, 132}}, {small, small_config, {2, 132}}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.config);
    const Problem problem = problem_of(c.problem);
    const Shape shape{.b = 1, .t = 261, .h = 1, .hv = 2, .n = 6};
    reference::RandomOptions random;
    random.seed = input_seed() + 23;
    random.lengths = {65, 0, 3, 128, 64, 1};
    const Case given = reference::random_case(problem, shape, {}, random).value_or_throw();
    Outputs first;
    for (const int multiprocessors : c.multiprocessors) {
      SCOPED_TRACE(multiprocessors);
      const PreparedOperation operation = prepared_for(multiprocessors, problem, config_of(c.config));
      set_emulator_seed(input_seed() + 24 + static_cast<std::uint64_t>(multiprocessors));
      const Outputs outputs = launch(operation, given);
      if (first.o.data.empty()) {
        expect_right(given, outputs, States::in_and_out);
        first = outputs;
      }
      expect_same_bits(first, outputs);
    }
  }
}

// What a launch leaves behind in the workspace must not be taken for news by the next one; a replayed graph clears it,
// too.
TEST(FusedGrid, FindsItsWordsClearedEveryTime) {
  const Problem problem = problem_of(small);
  const PreparedOperation operation = prepared_for(3, problem, config_of(small_config));
  reference::RandomOptions random;
  random.seed = input_seed() + 25;
  const Case given = reference::random_case(problem, {.b = 2, .t = 130, .h = 1, .hv = 2}, {}, random).value_or_throw();
  set_emulator_seed(input_seed() + 26);
  const Outputs once = launch(operation, given);
  expect_right(given, once, States::in_and_out);
  expect_same_bits(once, launch(operation, given, {.times = 3}));
  expect_same_bits(once, launch(operation, given, {.times = 3, .recorded = true}));
}

TEST(FusedGrid, TakesInputsAtTheEnds) {
  const Problem problem = problem_of(small);
  const PreparedOperation operation = prepare(problem, config_of(small_config));
  const PreparedOperation separate = prepare(
      problem, parse_config(std::string("schedule=hopper,preconditioner=chunked,") + small_config).value_or_throw());
  for (const Extreme& extreme : extremes()) {
    SCOPED_TRACE(extreme.name);
    const Case given =
        extreme_case(extreme, problem, {.b = 1, .t = 70, .h = 1, .hv = 1}, input_seed() + 27).value_or_throw();
    expect_same_bits(launch(separate, given), launch(operation, given));
  }
}

// ---- the order between CTAs: a bug planted in a template must be found
// -----------------------------------------------

/// The plan with a word of a template replaced by another.
generator::Plan altered(generator::Plan plan, std::string_view header, const std::string& word,
                        const std::string& other) {
  static std::vector<std::string> texts;
  texts.reserve(64);
  for (generator::Header& h : plan.kernels[0].headers) {
    if (h.name != header) continue;
    std::string text(h.text);
    const std::size_t at = text.find(word);
    EXPECT_NE(at, std::string::npos) << word;
    text.replace(at, word.size(), other);
    h.text = texts.emplace_back(std::move(text));
  }
  return plan;
}

struct Planted {
  const char* name;
  const char* header;
  const char* word;
  const char* other;
};

void PrintTo(const Planted& p, std::ostream* out) {
  *out << p.name;
}

std::string name_of_bug(const testing::TestParamInfo<Planted>& info) {
  return info.param.name;
}

class FusedOrder : public testing::TestWithParam<Planted> {};

TEST_P(FusedOrder, IsMissedWhereItIsBroken) {
  const Problem problem = problem_of(small);
  const generator::Architecture sm_90 = generator::find_architecture("sm_90").value_or_throw();
  const generator::Plan right = generator::plan(problem, config_of(small_config), sm_90).value_or_throw();
  const Planted& bug = GetParam();
  end_engine();
  EngineOptions options;
  options.driver_library = OSDN_EMULATOR_LIBRARY;
  options.disk_cache = false;
  Engine own = Engine::create(options).value_or_throw();
  const PreparedOperation operation =
      own.state()->prepare_plan(altered(right, bug.header, bug.word, bug.other)).value_or_throw();
  ForwardArguments a;
  a.shape = {.b = 1, .t = 256, .h = 1, .hv = 2};
  std::vector<DeviceBuffer> buffers;
  const auto filled = [&](std::size_t bytes) {
    buffers.push_back(own.allocate(bytes).value_or_throw());
    const std::vector<std::byte> zeros(bytes);
    buffers.back().upload(zeros.data()).value_or_throw();
    return buffers.back().address();
  };
  a.q = filled(256 * 64 * 2);
  a.k = filled(256 * 64 * 2);
  a.v = filled(256 * 2 * 64 * 2);
  a.beta = filled(256 * 2 * 4);
  a.o = filled(256 * 2 * 64 * 2);
  a.workspace_bytes = operation.workspace_bytes(a.shape);
  a.workspace = filled(a.workspace_bytes);
  bool found = false;
  for (std::uint64_t seed = 1; seed <= 20 && !found; ++seed) {
    set_emulator_seed(seed);
    const auto launched = operation.launch(a);
    const auto done = launched ? own.synchronize() : launched;
    found = !done;
  }
  EXPECT_TRUE(found);
}

INSTANTIATE_TEST_SUITE_P(
    Hopper, FusedOrder,
    testing::Values(Planted{"PublishedWithoutRelease", "hopper/progress.cuh", "st.release.gpu", "st.relaxed.gpu"},
                    Planted{"NobodyWaits", "hopper/progress.cuh", "while (known < chunks)", "if (known > chunks)"}),
    name_of_bug);

}  // namespace
}  // namespace osdn::tests
