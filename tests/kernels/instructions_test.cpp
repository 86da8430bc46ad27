// The work of a launch, counted by the emulator: as many tensor instructions as the formulas need, not one more.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "reference/random_case.hpp"
#include "tests/kernels/session.hpp"

namespace osdn::tests {
namespace {

template <class Function>
Function emulator_entry(const char* name) {
  static void* const library = dlopen(OSDN_EMULATOR_LIBRARY, RTLD_NOW);
  return reinterpret_cast<Function>(dlsym(library, name));
}

std::int64_t counted_mma(const std::string& kernel) {
  const auto get = emulator_entry<std::size_t (*)(char*, std::size_t)>("osdn_emulator_statistics_json");
  std::string text(get(nullptr, 0) + 1, '\0');
  get(text.data(), text.size());
  const auto kernels = nlohmann::json::parse(text.c_str()).at("kernels");
  return kernels.at(kernel).at("warp_instructions_by_kind").value("mma.sync", std::int64_t{0});
}

/// mma.sync instructions of one 16×16×16 product.
std::int64_t per_product(const Problem& problem) {
  if (problem.type != ElementType::fp32) return 2;  // two m16n8k16
  return problem.math == Fp32Math::tf32 ? 4 : 12;   // four m16n8k8, three times over for tf32x3
}
constexpr std::int64_t per_fp32_product = 12;  // inverse and preconditioner work in tf32x3 whatever the element type

/// Products of 16×16 blocks of one chunk: MATH of the delta rule phase, block by block.
std::int64_t delta_rule_mma(const Problem& problem, const Config& config) {
  const std::int64_t n = config.chunk / 16;
  const std::int64_t features = problem.k / 16;
  const std::int64_t tiles = problem.v / config.value_split / 16;
  const std::int64_t lower = n * (n + 1) / 2;  // blocks on and below the diagonal
  const bool short_type = problem.type != ElementType::fp32;
  const std::int64_t inverse_parts = short_type ? 2 : 1;                 // (I + L)^{-1} with its remainder
  const std::int64_t u_parts = short_type && config.chunk > 64 ? 2 : 1;  // U with its remainder
  std::int64_t products = 2 * lower * features;                          // L and P
  products += tiles * 3 * n * features;                                  // K h, Q h and h += Wᵀ U
  products += tiles * lower * (inverse_parts + u_parts);                 // U = T X and P U
  std::int64_t merges = 0;
  if (config.inverse == InverseAlgorithm::blocked) {
    for (std::int64_t b = 1; b < n; b *= 2)
      merges += n / (2 * b) * b * b * (b + 1);  // −T₁ L T₀ for blocks of 16 b rows
  }
  return products * per_product(problem) + merges * per_fp32_product;
}

/// The chunked preconditioner's, of one chunk: the squared keys are sums of two bf16 numbers, or of three in fp32.
std::int64_t chunked_preconditioner_mma(const Problem& problem, const Config& config) {
  const std::int64_t n = std::min(config.chunk, 64) / 16;
  const std::int64_t features = problem.k / 16;
  const std::int64_t parts = problem.type == ElementType::fp32 ? 3 : 2;
  const std::int64_t gram = n * (n + 1) / 2 * features * parts * (parts + 1);
  const std::int64_t columns = 3 * n * features * parts;  // S 1, S d and Sᵀ (μ z), with one m16n8k16 each
  return gram + columns;
}

struct Work {
  const char* problem;
  const char* config;
};

void PrintTo(const Work& work, std::ostream* out) {
  *out << work.problem << " | " << work.config;
}

class Instructions : public testing::TestWithParam<Work> {};

TEST_P(Instructions, AsManyTensorProductsAsTheFormulasNeed) {
  const Problem problem = canonical(parse_problem(GetParam().problem).value_or_throw()).value_or_throw();
  const Config config = parse_config(GetParam().config).value_or_throw();
  const Shape shape{.b = 2, .t = 150, .h = 1, .hv = 2};
  reference::RandomOptions random;
  random.seed = input_seed();
  const auto inputs = reference::random_case(problem, shape, {}, random).value_or_throw();
  const PreparedOperation operation = prepare(problem, config);
  emulator_entry<void (*)()>("osdn_emulator_reset_statistics")();
  launch(operation, inputs);

  const std::int64_t heads = shape.b * shape.hv;
  const std::int64_t chunks = (shape.t + config.chunk - 1) / config.chunk;
  EXPECT_EQ(counted_mma("osdn_delta_rule"), heads * config.value_split * chunks * delta_rule_mma(problem, config));
  if (problem.precondition == Precondition::none) return;
  if (config.preconditioner == PreconditionerAlgorithm::chunked) {
    const std::int64_t solved = std::min(config.chunk, 64);
    EXPECT_EQ(counted_mma("osdn_preconditioner"),
              heads * ((shape.t + solved - 1) / solved) * chunked_preconditioner_mma(problem, config));
    return;
  }
  const bool gram = config.preconditioner == PreconditionerAlgorithm::parallel && problem.apf != Apf::per_channel;
  const std::int64_t group = 16 * config.preconditioner_warps;
  const std::int64_t solves = (shape.t + group - 1) / group * config.preconditioner_warps;
  EXPECT_EQ(counted_mma("osdn_preconditioner"), gram ? heads * solves * problem.k / 16 * per_fp32_product : 0);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, Instructions,
    testing::Values(Work{"osdn_forward:k=64,v=64,precondition=none", "chunk=64,warps=4,inverse=substitution"},
                    Work{"osdn_forward:k=64,v=64", "chunk=64,warps=4"},
                    Work{"osdn_forward:type=fp16,k=32,v=96,apf=per_token", "chunk=32,warps=2,value_split=3"},
                    Work{"osdn_forward:type=fp32,k=48,v=32,apf=per_channel", "chunk=16,warps=1,preconditioner_warps=2"},
                    Work{"osdn_forward:type=fp32,math=tf32x3,k=16,v=16,apf=constant", "chunk=64,warps=2"},
                    Work{"osdn_forward:k=48,v=64", "chunk=64,warps=4,preconditioner=chunked"},
                    Work{"osdn_forward:type=fp16,k=64,v=16,apf=per_token",
                         "chunk=128,preconditioner=chunked,preconditioner_warps=8"},
                    Work{"osdn_forward:type=fp32,k=32,v=16", "chunk=16,warps=2,preconditioner=chunked"},
                    Work{"osdn_forward:k=32,v=16", "chunk=128,warps=2,preconditioner=serial"}));

}  // namespace
}  // namespace osdn::tests
