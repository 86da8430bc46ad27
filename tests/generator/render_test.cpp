// Rendering: what a kernel's source says, what it includes, and what it must not depend on.
#include "generator/render.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/generator/random_values.hpp"

namespace osdn::generator {
namespace {

using osdn::tests::fresh_seed;
using osdn::tests::Random;

TEST(Render, DeltaRuleIsAPrologueAnIncludeAndAnInstantiation) {
  const Problem problem{.k = 64, .v = 96, .apf = Apf::per_token, .qk_l2norm = true};
  const Config config{
      .chunk = 32, .warps = 8, .stages = 2, .value_split = 3, .inverse = InverseAlgorithm::substitution};
  EXPECT_EQ(
      render(delta_rule, problem, config),
      R"(// osdn delta_rule | osdn_forward:type=bf16,k=64,v=96,precondition=osdn,apf=per_token,qk_l2norm=1,beta_type=fp32 | chunk=32,warps=8,stages=2,value_split=3,inverse=substitution
#include "osdn/axes.hpp"
namespace osdn {
struct Traits {
  static constexpr ElementType type = ElementType::bf16;
  static constexpr Fp32Math math = Fp32Math::tf32;
  static constexpr int K = 64;
  static constexpr int V = 96;
  static constexpr Precondition precondition = Precondition::osdn;
  static constexpr Apf apf = Apf::per_token;
  static constexpr bool qk_l2norm = true;
  static constexpr BetaType beta_type = BetaType::fp32;
  static constexpr Decay decay = Decay::none;
  static constexpr Erase erase = Erase::beta;
  static constexpr ValueCoefficient value = ValueCoefficient::beta;
  static constexpr int micro_steps = 1;
  static constexpr int chunk = 32;
  static constexpr int warps = 8;
  static constexpr int stages = 2;
  static constexpr int value_split = 3;
  static constexpr InverseAlgorithm inverse = InverseAlgorithm::substitution;
  static constexpr bool segmented = false;
};
}  // namespace osdn
#include "delta_rule.cuh"
extern "C" __global__ void __launch_bounds__(256) osdn_delta_rule(const __grid_constant__ osdn::ForwardParameters p) {
  osdn::delta_rule<osdn::Traits>(p);
}
)");
}

TEST(Render, PreconditionerSeesItsOwnNumberOfWarps) {
  const Problem problem{.type = ElementType::fp16, .k = 256, .norm = Norm::one, .beta_type = BetaType::element};
  const Config config{.warps = 16, .preconditioner = PreconditionerAlgorithm::serial, .preconditioner_warps = 2};
  EXPECT_EQ(
      render(preconditioner, problem, config),
      R"(// osdn preconditioner | osdn_forward:type=fp16,k=256,precondition=osdn,apf=none,norm=one,beta_aware=1,qk_l2norm=0,beta_type=element | chunk=64,preconditioner=serial,preconditioner_warps=2
#include "osdn/axes.hpp"
namespace osdn {
struct Traits {
  static constexpr ElementType type = ElementType::fp16;
  static constexpr int K = 256;
  static constexpr Precondition precondition = Precondition::osdn;
  static constexpr Apf apf = Apf::none;
  static constexpr Norm norm = Norm::one;
  static constexpr bool beta_aware = true;
  static constexpr bool qk_l2norm = false;
  static constexpr BetaType beta_type = BetaType::element;
  static constexpr int chunk = 64;
  static constexpr PreconditionerAlgorithm preconditioner = PreconditionerAlgorithm::serial;
  static constexpr int preconditioner_warps = 2;
  static constexpr bool segmented = false;
};
}  // namespace osdn
#include "preconditioner.cuh"
extern "C" __global__ void __launch_bounds__(64) osdn_preconditioner(const __grid_constant__ osdn::ForwardParameters p) {
  osdn::preconditioner<osdn::Traits>(p);
}
)");
}

TEST(Render, DependsOnWhatThePhaseReadsAndOnNothingElse) {
  const unsigned seed = fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 500; ++i) {
    Problem problem = random.problem();
    problem.precondition = Precondition::osdn;
    problem = canonical(problem).value_or_throw();
    const Config config = random.config();
    for (const Phase& phase : {preconditioner, delta_rule}) {
      const std::string source = render(phase, problem, config);
      EXPECT_EQ(render(phase, problem, config), source) << "not deterministic";
      // Another value in one field of the problem, then of the configuration.
      for (const auto& row : problem_fields()) {
        Problem other = problem;
        const Problem donor = random.family_problem();
        ASSERT_TRUE(row.read(other, row.print(donor)));
        if (row.name == "precondition" || other == problem) continue;
        if (row.name == "math" && problem.type != ElementType::fp32) continue;  // not canonical
        EXPECT_EQ(render(phase, other, config) == source, (row.phases & phase.reader) == 0)
            << phase.name << " " << row.name;
      }
      for (const auto& row : config_fields()) {
        Config other = config;
        ASSERT_TRUE(row.read(other, row.print(random.config())));
        if (other == config) continue;
        EXPECT_EQ(render(phase, problem, other) == source, (row.phases & phase.reader) == 0)
            << phase.name << " " << row.name;
      }
    }
  }
}

TEST(Render, AFieldOfAnotherPhaseSharesTheKernel) {
  const Problem problem{.apf = Apf::constant};
  const Config config;
  Config other = config;
  other.warps = 8;
  other.stages = 3;
  other.value_split = 2;
  other.inverse = InverseAlgorithm::substitution;
  EXPECT_EQ(render(preconditioner, problem, config), render(preconditioner, problem, other));
  other = config;
  other.preconditioner = PreconditionerAlgorithm::serial;
  other.preconditioner_warps = 1;
  EXPECT_EQ(render(delta_rule, problem, config), render(delta_rule, problem, other));
  Problem wider = problem;
  wider.v = 256;
  EXPECT_EQ(render(preconditioner, problem, config), render(preconditioner, wider, config));
}

constexpr templates::Text texts[] = {
    {"a.cuh", "#include \"device/b.cuh\"\n  #  include \"c.cuh\" // why\n"},
    {"c.cuh", "#pragma once\n#include \"a.cuh\"\n"},
    {"device/b.cuh", "// #include \"unused.cuh\"\nint x; #include \"no.cuh\"\r\n#include \"c.cuh\""},
    {"lost.cuh", "#include \"nowhere.cuh\"\n"},
    {"unused.cuh", "#include \"lost.cuh\"\n"},
};

TEST(Closure, HoldsWhatIsReachedSortedByNameCyclesIncluded) {
  const auto closure = include_closure("// source\n#include \"a.cuh\"\n", texts).value_or_throw();
  ASSERT_EQ(closure.size(), 3u);
  EXPECT_EQ(closure[0].name, "a.cuh");
  EXPECT_EQ(closure[1].name, "c.cuh");
  EXPECT_EQ(closure[2].name, "device/b.cuh");
  EXPECT_EQ(closure[2].text.data(), texts[2].text.data());
  EXPECT_TRUE(include_closure("", texts).value_or_throw().empty());
}

TEST(Closure, NamesTheIncludeThatIsNotThere) {
  const auto closure = include_closure("#include \"unused.cuh\"\n", texts);
  ASSERT_FALSE(closure);
  EXPECT_EQ(closure.error().code, ErrorCode::internal);
  EXPECT_EQ(closure.error().message, "lost.cuh includes \"nowhere.cuh\", which is not among the 5 embedded templates");
}

TEST(Templates, AreEmbeddedAsTheyStand) {
  const auto all = templates::all();
  ASSERT_FALSE(all.empty());
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; }));
  for (const auto& [name, text] : all) {
    const std::string root = name.starts_with("osdn/") ? OSDN_TEMPLATES "/../include/" : OSDN_TEMPLATES "/";
    std::ifstream file(root + std::string(name), std::ios::binary);
    ASSERT_TRUE(file) << name;
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(text, content) << name;
  }
}

TEST(Templates, IncludeNothingButEachOther) {
  for (const auto& [name, text] : templates::all()) {
    EXPECT_EQ(text.find("#include <"), std::string_view::npos) << name;
    const auto closure = include_closure(text, templates::all());
    EXPECT_TRUE(closure) << name << ": " << (closure ? "" : closure.error().message);
  }
}

TEST(Render, TakesMicroseconds) {
  const Problem problem;
  const Config config;
  std::size_t bytes = 0;
  double best = 1e9;
  for (int i = 0; i < 200; ++i) {
    const auto start = std::chrono::steady_clock::now();
    bytes += render(preconditioner, problem, config).size() + render(delta_rule, problem, config).size();
    const std::chrono::duration<double, std::micro> elapsed = std::chrono::steady_clock::now() - start;
    best = std::min(best, elapsed.count());
  }
  std::printf("rendering both phases: %.1f µs, %zu bytes\n", best, bytes / 200);
#ifdef NDEBUG
  EXPECT_LT(best, 100.0);
#endif
}

}  // namespace
}  // namespace osdn::generator
