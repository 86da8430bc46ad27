// bench_device_check: the kernel family on a device against float64, and the same runs on the emulator beside it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <set>
#include <thread>

#include "autotune/trial/emulator_entries.hpp"
#include "bench/device/rows.hpp"
#include "bench/device/run.hpp"
#include "bench/device/supervise.hpp"
#include "bench/lines.hpp"
#include "cli/emulator.hpp"
#include "cli/report.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::bench {
namespace {

using cli::Json;

struct Options {
  std::string device = "auto";
  std::string arch;
  std::string out;
  std::string only;
  std::size_t rows = 0;
  std::uint64_t seed = 0;
  double seconds = 0;
  int patience = 60;
  bool no_emulator = false;
  bool list = false;
  bool child = false;
};

constexpr int lost_context = 77;  // of the child: the driver reported a fault, a new process goes on

EngineOptions engine_options(const std::string& driver) {
  EngineOptions out;
  out.driver_library = driver;
  out.log = [](LogLevel level, std::string_view text) {
    if (level == LogLevel::warning) cli::note(text);
  };
  return out;
}

expected<Engine> open_emulator(const std::string& arch) {
  ::setenv("OSDN_EMULATOR_STRICT", "0", 0);  // NOLINT(concurrency-mt-unsafe): the tests run it strictly
  const std::string library = cli::emulator_library();
  if (!arch.empty()) {
    auto entries = autotune::EmulatorEntries::open(library);
    if (!entries) return entries.error();
    if (auto done = entries->set_profile(arch); !done) return done.error();
  }
  return Engine::create(engine_options(library));
}

struct Machines {
  Engine device;
  std::optional<Engine> emulator;  ///< beside it
};

expected<Machines> open(const Options& options) {
  auto gpu = options.device == "emulator" ? expected<Engine>(Error{}) : Engine::create(engine_options({}));
  if (!gpu && options.device == "gpu") return gpu.error();
  if (!gpu) {
    auto emulator = open_emulator(options.arch);
    if (!emulator) return emulator.error();
    return Machines{*emulator, options.no_emulator ? std::optional<Engine>() : *emulator};
  }
  Machines out{*std::move(gpu), {}};
  if (options.no_emulator) return out;
  auto architecture = out.device.state()->architecture();
  if (!architecture) return architecture.error();
  auto emulator = open_emulator(generator::to_string(*architecture));
  if (!emulator) return emulator.error();
  out.emulator = *std::move(emulator);
  return out;
}

/// Keys of the rows that a file has results of, and whether all of those passed.
struct Known {
  std::set<std::string> keys;
  bool passed = true;
};
Known known_rows(const std::string& path) {
  Known out;
  for (const auto& record : records_of(path, "check")) {
    out.keys.insert(text_at(record, "key"));
    const auto passed = record.find("passed");
    out.passed = out.passed && passed != record.end() && *passed == true;
  }
  return out;
}

expected<std::vector<CheckRow>> chosen_rows(const Options& options, Engine& engine) {
  auto architecture = engine.state()->architecture();
  if (!architecture) return architecture.error();
  auto rows = check_rows(*architecture);
  if (!rows) return rows;
  std::erase_if(*rows, [&](const CheckRow& row) { return row.key.find(options.only) == std::string::npos; });
  if (options.rows > 0 && rows->size() > options.rows) {
    // Evenly out of all, so that few rows still are of every kind.
    std::vector<CheckRow> some;
    for (std::size_t i = 0; i < options.rows; ++i) some.push_back((*rows)[i * rows->size() / options.rows]);
    return some;
  }
  return rows;
}

/// Compiles rows ahead of the one that runs them.
class Ahead {
 public:
  Ahead(Engine engine, const std::vector<CheckRow>& rows) : engine_(std::move(engine)) {
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
      workers_.emplace_back([this, &rows](const std::stop_token& stop) {
        for (std::size_t at = next_++; at < rows.size() && !stop.stop_requested(); at = next_++) {
          // An error comes again where the row is run.
          static_cast<void>(engine_.prepare(rows[at].member.problem, rows[at].member.config).has_value());
        }
      });
    }
  }

 private:
  Engine engine_;
  std::atomic<std::size_t> next_{0};
  std::vector<std::jthread> workers_;
};

Json verdict_json(const std::vector<reference::Verdict>& verdicts) {
  Json out = Json::object();
  for (const auto& verdict : verdicts) {
    out[verdict.tensor] = {{"error", verdict.error}, {"tolerance", verdict.tolerance}, {"passed", verdict.passed}};
    if (!verdict.reason.empty()) out[verdict.tensor]["reason"] = verdict.reason;
  }
  return out;
}

Json comparison(const reference::Outputs& device, const reference::Outputs& emulated, bool emulator_right) {
  Json out = {{"passed", emulator_right}, {"difference", {{"o", relative_difference(device.o, emulated.o)}}}};
  bool same = device.o.data == emulated.o.data;
  if (!device.final_state.data.empty()) {
    out["difference"]["final_state"] = relative_difference(device.final_state, emulated.final_state);
    same = same && device.final_state.data == emulated.final_state.data;
  }
  if (device.final_d) {
    out["difference"]["final_d"] = relative_difference(*device.final_d, *emulated.final_d);
    same = same && device.final_d->data == emulated.final_d->data;
  }
  out["same_bits"] = same;
  return out;
}

expected<Json> check_row(Machines& machines, const CheckRow& row, std::uint64_t seed) {
  const tests::FamilyMember& member = row.member;
  reference::RandomOptions random = member.random;
  random.seed = seed;
  auto problem = reference::random_case(member.problem, member.shape, member.numbers, random);
  if (!problem) return problem.error();
  auto answers = reference::solve(*problem);
  if (!answers) return answers.error();
  auto operation = machines.device.prepare(member.problem, member.config);
  if (!operation) return operation.error();
  auto outputs = run(machines.device, *operation, *problem, member.states, member.index_type);
  if (!outputs) return outputs.error();
  const auto verdicts = judge(*problem, *answers, *outputs, member.states);
  Json out = {{"kind", "check"},
              {"key", row.key},
              {"passed", reference::all_passed(verdicts)},
              {"member", to_string(member)},
              {"seed", seed},
              {"tensors", verdict_json(verdicts)}};
  if (!machines.emulator) return out;
  auto twin = machines.emulator->prepare(member.problem, member.config);
  if (!twin) return twin.error();
  auto emulated = run(*machines.emulator, *twin, *problem, member.states, member.index_type);
  if (!emulated) return emulated.error();
  const bool right = reference::all_passed(judge(*problem, *answers, *emulated, member.states));
  out["emulator"] = comparison(*outputs, *emulated, right);
  return out;
}

void say(const Json& json) {
  std::cout << json.dump() + "\n" << std::flush;
}

Json failure(const std::string& key, const std::string& reason) {
  return {{"kind", "check"}, {"key", key}, {"passed", false}, {"reason", reason}};
}

int print_list(const Options& options) {
  auto machines = open(options);
  if (!machines) return cli::fail(machines.error(), false);
  auto rows = chosen_rows(options, machines->device);
  if (!rows) return cli::fail(rows.error(), false);
  for (const CheckRow& row : *rows) cli::print(fmt::format("{} | {}", row.key, to_string(row.member)));
  return cli::success;
}

/// Runs the rows that have no result yet; one line each on stdout.
int check_rows_here(const Options& options) {
  auto machines = open(options);
  if (!machines) return cli::fail(machines.error(), false);
  auto rows = chosen_rows(options, machines->device);
  if (!rows) return cli::fail(rows.error(), false);
  const Known known = known_rows(options.out);
  std::erase_if(*rows, [&](const CheckRow& row) { return known.keys.count(row.key) != 0; });
  cli::note(
      fmt::format("{}: {} rows, inputs from seed {}", machines->device.device().name, rows->size(), options.seed));
  const Ahead ahead(machines->device, *rows);
  const auto start = std::chrono::steady_clock::now();
  bool passed = true;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const CheckRow& row = (*rows)[i];
    if (options.seconds > 0 &&
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > options.seconds) {
      cli::note(fmt::format("{} rows were not run: --seconds {} are over", rows->size() - i, options.seconds));
      return cli::not_passed;
    }
    say({{"doing", row.key}});
    auto result = check_row(*machines, row, options.seed + i);
    if (!result) {
      passed = false;
      say(failure(row.key, std::string(name(result.error().code)) + ": " + result.error().message));
      if (result.error().code == ErrorCode::driver) std::_Exit(lost_context);  // nothing of it can be let go in order
      continue;
    }
    passed = passed && (*result)["passed"].get<bool>();
    say(*result);
  }
  return passed ? cli::success : cli::not_passed;
}

std::string own_program() {
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : std::string();
}

std::vector<std::string> child_command(const Options& options) {
  std::vector<std::string> out = {own_program(), "--child",
                                  "--device",    options.device,
                                  "--out",       options.out,
                                  "--seed",      std::to_string(options.seed),
                                  "--rows",      std::to_string(options.rows),
                                  "--seconds",   fmt::format("{}", options.seconds)};
  if (!options.arch.empty()) out.insert(out.end(), {"--arch", options.arch});
  if (!options.only.empty()) out.insert(out.end(), {"--only", options.only});
  if (options.no_emulator) out.emplace_back("--no-emulator");
  return out;
}

/// The child does the work; this process writes down what it says, and what became of it.
int check(Options options) {
  if (options.seed == 0) options.seed = std::random_device{}();
  std::ofstream file = append_to(options.out);
  const auto unwritable = [&] {
    return cli::fail(Error{ErrorCode::io, fmt::format("{} cannot be written", options.out), {}}, false);
  };
  if (!file) return unwritable();
  int rows = 0;
  const auto keep = [&](const std::string& line) {
    const Json record = Json::parse(line, nullptr, false);
    if (!record.is_object()) return;
    file << line << "\n" << std::flush;
    ++rows;
    if (!record.value("passed", false)) cli::note(fmt::format("WRONG {}", line));
  };
  Supervision supervision{child_command(options), options.patience, keep,
                          [&](const std::string& key, const std::string& why) { keep(failure(key, why).dump()); }};
  int status = lost_context;
  // Rows that are not kept would be run again and again, and a row that went wrong would count as right.
  while (status == lost_context && file) status = supervise(supervision);
  if (!file) return unwritable();
  const Known known = known_rows(options.out);
  cli::print(fmt::format("{} rows, {} of them in this run: {}", known.keys.size(), rows,
                         known.passed ? "all within tolerance" : "NOT all within tolerance"));
  return status == cli::success && !known.passed ? cli::not_passed : status;
}

}  // namespace
}  // namespace osdn::bench

int main(int argc, char** argv) {
  osdn::bench::Options options;
  CLI::App app("Runs the kernel family on a device against float64, and on the emulator beside it");
  app.add_option("--device", options.device, "auto (a GPU, else the emulator), gpu or emulator");
  app.add_option("--arch", options.arch, "architecture that the emulator plays: sm_80, sm_90, …");
  auto* const out =
      app.add_option("--out", options.out, "file to append to, one JSON object a row; rows in it are not run again");
  app.add_option("--only", options.only, "rows whose key contains this");
  app.add_option("--rows", options.rows, "run so many, evenly out of all; 0: all");
  app.add_option("--seed", options.seed, "of the inputs; 0: a fresh one");
  app.add_option("--seconds", options.seconds, "begin no further row after so long; 0: no limit");
  app.add_option("--patience", options.patience, "seconds without a result after which a row counts as hung (60)");
  app.add_flag("--no-emulator", options.no_emulator, "do not run the rows on the emulator, too");
  auto* const list = app.add_flag("--list", options.list, "only print the rows");
  out->excludes(list);
  app.add_flag("--child", options.child)->group("");
  CLI11_PARSE(app, argc, argv);
  if (options.list) return osdn::bench::print_list(options);
  if (options.out.empty())
    return osdn::cli::fail(osdn::Error{osdn::ErrorCode::invalid_argument, "name a file with --out", {}}, false);
  return options.child ? osdn::bench::check_rows_here(options) : osdn::bench::check(options);
}
