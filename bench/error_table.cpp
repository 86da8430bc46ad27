// bench_error_table: errors against float64 by input, arithmetic, chunk and inverse, as the tables of docs/accuracy.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench/device/run.hpp"
#include "cli/config_choice.hpp"
#include "cli/emulator.hpp"
#include "cli/report.hpp"
#include "runtime/engine_state.hpp"
#include "tests/kernels/extreme.hpp"

namespace osdn::bench {
namespace {

using reference::Case;
using reference::Expected;
using tests::Extreme;

struct Options {
  std::string device = "auto";
  std::string document;  ///< whose tables are replaced; empty: stdout
  std::int64_t tokens = 512;
  std::int64_t long_tokens = 65536;
  int features = 64;
};

struct Arithmetic {
  const char* name;
  const char* problem;
};
constexpr Arithmetic arithmetics[] = {{"bf16", "osdn_forward:type=bf16"},
                                      {"fp16", "osdn_forward:type=fp16"},
                                      {"fp32, tf32", "osdn_forward:type=fp32,math=tf32"},
                                      {"fp32, tf32x3", "osdn_forward:type=fp32,math=tf32x3"}};
constexpr int chunks[] = {16, 32, 64, 128};
constexpr const char* inverses[] = {"substitution", "blocked"};

constexpr const char* begin_mark = "<!-- bench_error_table writes from here … -->\n";
constexpr const char* end_mark = "<!-- … to here -->\n";

expected<Engine> open_engine(const std::string& device) {
  EngineOptions options;
  if (device != "emulator") {
    auto gpu = Engine::create(options);
    if (gpu || device == "gpu") return gpu;
  }
  ::setenv("OSDN_EMULATOR_STRICT", "0", 0);  // NOLINT(concurrency-mt-unsafe): no threads yet
  options.driver_library = cli::emulator_library();
  return Engine::create(options);
}

expected<Problem> problem_of(const Arithmetic& arithmetic, int features) {
  auto problem = parse_problem(arithmetic.problem);
  if (!problem) return problem;
  problem->k = features;
  problem->v = features;
  return problem;
}

/// The worst of o and final_state, as `2.1e-3`; why not, where there is no number.
std::string cell(Engine& engine, const Case& problem, const Expected& answers, const std::string& config_text) {
  auto architecture = engine.state()->architecture();
  if (!architecture) return "–";
  // Exactly these: another chunk would be another column's number.
  auto config = cli::choose_config(problem.problem, *architecture, config_text, {});
  if (!config) return "–";
  auto operation = engine.prepare(problem.problem, *config);
  if (!operation) return name(operation.error().code);
  auto outputs = run(engine, *operation, problem, tests::States::out, IndexType::int64);
  if (!outputs) return name(outputs.error().code);
  double error = 0;
  bool passed = true;
  for (const auto& verdict : judge(problem, answers, *outputs, tests::States::out)) {
    if (!std::isfinite(verdict.error) || !verdict.reason.empty()) return "not finite";
    passed = passed && verdict.passed;
    if (verdict.tensor != "final_d") error = std::max(error, verdict.error);
  }
  return fmt::format(fmt::runtime(passed ? "{:.1e}" : "**{:.1e}**"), error);
}

/// A tensor with its fp32 elements rounded to TF32's ten fraction bits.
void round_to_tf32(safetensors::Tensor& tensor) {
  for (std::size_t at = 0; at < tensor.data.size(); at += sizeof(std::uint32_t)) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, tensor.data.data() + at, sizeof bits);
    bits = (bits + 0x1000U) & ~0x1FFFU;
    std::memcpy(tensor.data.data() + at, &bits, sizeof bits);
  }
}

/// What the recurrence itself makes of q, k and v that are rounded as the products round them: no kernel of this
/// arithmetic can be sure to err less. Inputs of 16 bits are what they are.
expected<std::string> inherent(const Case& problem, const Expected& answers) {
  if (problem.problem.type != ElementType::fp32 || problem.problem.math != Fp32Math::tf32) return std::string("–");
  Case rounded = problem;
  for (safetensors::Tensor* tensor : {&rounded.q, &rounded.k, &rounded.v}) round_to_tf32(*tensor);
  auto other = reference::solve(rounded);
  if (!other) return other.error();
  const auto outputs = reference::to_outputs(problem, *other);
  double error = 0;
  for (const auto& verdict : judge(problem, answers, outputs, tests::States::out)) {
    if (verdict.tensor != "final_d") error = std::max(error, verdict.error);
  }
  return fmt::format("{:.1e}", error);
}

/// One row: an arithmetic at one input.
expected<std::string> row(Engine& engine, const Extreme& extreme, const Arithmetic& arithmetic,
                          const Options& options) {
  auto problem = problem_of(arithmetic, options.features);
  if (!problem) return problem.error();
  const Shape shape{.b = 1, .t = options.tokens, .h = 1, .hv = 2};
  auto made = tests::extreme_case(extreme, *problem, shape, 1);
  if (!made) return made.error();
  auto answers = reference::solve(*made);
  if (!answers) return answers.error();
  auto rounding = inherent(*made, *answers);
  if (!rounding) return rounding;
  std::string out = fmt::format("| {} | {} | {:.1e} | {} |", extreme.what, arithmetic.name,
                                reference::rms_tolerance(*made), *rounding);
  for (const char* inverse : inverses) {
    for (const int chunk : chunks) {
      out += fmt::format(" {} |", cell(engine, *made, *answers, fmt::format("chunk={},inverse={}", chunk, inverse)));
    }
  }
  return out + "\n";
}

expected<std::string> table(Engine& engine, const Options& options) {
  std::string out =
      fmt::format("{} tokens, K = V = {}, two value heads on one key head. Errors outside the tolerance are bold.\n\n",
                  options.tokens, options.features);
  out += "| input | arithmetic | tolerance | inputs rounded |";
  for (const char* inverse : inverses) {
    for (const int chunk : chunks) out += fmt::format(" {}, {} |", inverse, chunk);
  }
  out += "\n|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Extreme& extreme : tests::extremes()) {
    for (const Arithmetic& arithmetic : arithmetics) {
      cli::progress(fmt::format("{}, {}", extreme.name, arithmetic.name));
      auto line = row(engine, extreme, arithmetic, options);
      if (!line) return line;
      out += *line;
    }
  }
  cli::progress({});
  return out;
}

/// Errors of o over the length of one sequence, in eight parts: whether they grow.
expected<std::string> long_table(Engine& engine, const Options& options) {
  std::string out = fmt::format(
      "One sequence of {} tokens, K = V = 16, default configuration: error of o by eighths.\n\n", options.long_tokens);
  out +=
      "| arithmetic | tolerance | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | final_state "
      "|\n|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Arithmetic& arithmetic : arithmetics) {
    auto problem = problem_of(arithmetic, 16);
    if (!problem) return problem.error();
    auto made = tests::extreme_case(tests::extremes().front(), *problem, {.b = 1, .t = options.long_tokens}, 1);
    if (!made) return made.error();
    auto answers = reference::solve(*made);
    if (!answers) return answers.error();
    auto operation = engine.prepare(*problem);
    if (!operation) return operation.error();
    auto outputs = run(engine, *operation, *made, tests::States::out, IndexType::int64);
    if (!outputs) return outputs.error();
    out += fmt::format("| {} | {:.1e} |", arithmetic.name, reference::rms_tolerance(*made));
    for (const double error : part_errors(outputs->o, answers->o, 8)) out += fmt::format(" {:.1e} |", error);
    const auto verdicts = judge(*made, *answers, *outputs, tests::States::out);
    out += fmt::format(" {:.1e} |\n", verdicts.at(1).error);
  }
  return out;
}

expected<void> replace(const std::string& document, const std::string& tables) {
  std::ifstream in(document);
  std::stringstream content;
  content << in.rdbuf();
  std::string text = content.str();
  const auto begin = text.find(begin_mark);
  const auto end = text.find(end_mark);
  if (!in || begin == std::string::npos || end == std::string::npos) {
    return Error{ErrorCode::io, fmt::format("{} has no place for the tables: {}", document, begin_mark), {}};
  }
  const auto from = begin + std::string_view(begin_mark).size();
  text.replace(from, end - from, "\n" + tables + "\n");
  std::ofstream(document) << text;
  return {};
}

int write(const Options& options) {
  auto engine = open_engine(options.device);
  if (!engine) return cli::fail(engine.error(), false);
  auto errors = table(*engine, options);
  if (!errors) return cli::fail(errors.error(), false);
  auto of_length = long_table(*engine, options);
  if (!of_length) return cli::fail(of_length.error(), false);
  const std::string tables = fmt::format("On: {}.\n\n{}\n{}", engine->device().name, *errors, *of_length);
  if (options.document.empty()) {
    cli::print(tables);
    return cli::success;
  }
  auto done = replace(options.document, tables);
  return done ? cli::success : cli::fail(done.error(), false);
}

}  // namespace
}  // namespace osdn::bench

int main(int argc, char** argv) {
  osdn::bench::Options options;
  CLI::App app("Errors against float64 by input, arithmetic, chunk and inverse, as Markdown");
  app.add_option("--device", options.device, "auto (a GPU, else the emulator), gpu or emulator");
  app.add_option("--document", options.document, "file whose tables are replaced (docs/accuracy.md); else stdout");
  app.add_option("--tokens", options.tokens, "tokens of a case (512)");
  app.add_option("--long-tokens", options.long_tokens, "tokens of the long sequence (65536)");
  app.add_option("--features", options.features, "K and V (64)");
  CLI11_PARSE(app, argc, argv);
  return osdn::bench::write(options);
}
