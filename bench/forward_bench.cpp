// bench_forward: how long forward passes and decoding steps take at the shapes of the benchmark table, beside a copy of
// the same bytes.
// One JSON object a line. docs/performance.md says what is measured and how.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>

#include "autotune/trial/device_lock.hpp"
#include "autotune/trial/emulator_entries.hpp"
#include "bench/forward/trial.hpp"
#include "bench/lines.hpp"
#include "cli/emulator.hpp"
#include "cli/report.hpp"

namespace osdn::bench {
namespace {

struct Options {
  std::string device = "auto";
  std::string arch;
  std::string shapes = OSDN_SHAPES;
  std::string problem;
  std::string only;
  std::vector<std::string> variants = {"default"};
  std::string clock = "auto";
  std::string out;
  int rounds = 20;
  std::size_t launches = 8;
  double seconds = 0;
  bool quick = false;
  bool list = false;
  bool serve = false;
};

expected<Engine> open_engine(const Options& options) {
  EngineOptions engine;
  engine.log = [](LogLevel level, std::string_view text) {
    if (level == LogLevel::warning) cli::note(text);
  };
  if (options.device == "gpu" || options.device == "auto") {
    auto gpu = Engine::create(engine);
    if (gpu || options.device == "gpu") return gpu;
  } else if (options.device != "emulator") {
    return Error{
        ErrorCode::invalid_argument, fmt::format("--device is {}; allowed: auto, gpu or emulator", options.device), {}};
  }
  // Modelled times are the same without its checks, which the tests make; a real driver does not read this.
  ::setenv("OSDN_EMULATOR_STRICT", "0", 0);  // NOLINT(concurrency-mt-unsafe): no threads yet
  engine.driver_library = cli::emulator_library();
  if (!options.arch.empty()) {
    auto emulator = autotune::EmulatorEntries::open(engine.driver_library);
    if (!emulator) return emulator.error();
    if (auto done = emulator->set_profile(options.arch); !done) return done.error();
  }
  return Engine::create(engine);
}

expected<std::unique_ptr<Clock>> make_clock(const Engine& engine, const std::string& name) {
  if (name == "modelled" || (name == "auto" && engine.device().emulated)) return modelled_clock(engine);
  if (name == "auto" || name == "events") return events_clock(engine);
  return Error{ErrorCode::invalid_argument, fmt::format("--clock is {}; allowed: auto, events or modelled", name), {}};
}

/// Where records go: a file that grows line by line, or stdout.
class Records {
 public:
  explicit Records(const std::string& path) {
    if (path.empty()) return;
    for (const char* kind : {"forward", "decode"}) {
      for (const auto& record : records_of(path, kind)) known_.insert(text_at(record, "name"));
    }
    file_ = append_to(path);
  }
  [[nodiscard]] bool knows(const Work& work) const { return known_.count(work.name) != 0; }
  [[nodiscard]] bool good() const { return file_.good() && std::cout.good(); }
  void write(const Json& record) { (file_.is_open() ? file_ : std::cout) << record.dump() + "\n" << std::flush; }

 private:
  std::set<std::string> known_;
  std::ofstream file_;
};

expected<std::unique_ptr<Trial>> open_trial(Engine& engine, const Options& options, const Work& work) {
  std::vector<std::string> refused;
  auto variants = choose_variants(engine, work, options.variants, refused);
  if (!variants) return variants.error();
  for (const std::string& reason : refused) cli::note(fmt::format("{}: {}", work.name, reason));
  auto clock = make_clock(engine, options.clock);
  if (!clock) return clock.error();
  const std::size_t launches = engine.device().emulated ? 1 : options.launches;
  return Trial::open(engine, work, *std::move(variants), *std::move(clock), launches);
}

/// The last samples of a shape; whether all of its variants are right.
expected<bool> write_records(Trial& trial, Records& records) {
  auto all = trial.finish();
  if (!all) return all.error();
  bool passed = true;
  for (const Json& record : *all) {
    passed = passed && record["gate"]["passed"].get<bool>();
    records.write(record);
    cli::note(fmt::format("{} {}: {:.4f} ms, {:.3f} ns per token and head ({}){}", record["name"].get<std::string>(),
                          record["variant"].get<std::string>(), 1e3 * record["seconds"]["median"].get<double>(),
                          record["ns_per_token_head"].get<double>(), record["clock"].get<std::string>(),
                          record["gate"]["passed"].get<bool>() ? "" : "  WRONG"));
  }
  return passed;
}

expected<bool> measure(Engine& engine, const Options& options, const Work& work, Records& records) {
  auto trial = open_trial(engine, options, work);
  if (!trial) return trial.error();
  for (int round = 0; round < options.rounds; ++round) {
    if (auto done = (*trial)->sample(); !done) return done.error();
  }
  return write_records(**trial, records);
}

Json failure(const Work& work, const Error& error) {
  return {{"kind", "failure"},
          {"who", "osdn"},
          {"name", work.name},
          {"error", {{"code", name(error.code)}, {"message", error.message}}}};
}

int measure_all(Engine& engine, const Options& options, const std::vector<Work>& all) {
  const auto start = std::chrono::steady_clock::now();
  Records records(options.out);
  bool passed = true;
  for (const Work& work : all) {
    if (!records.good()) break;
    if (records.knows(work)) continue;
    const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (options.seconds > 0 && spent > options.seconds) {
      cli::note(fmt::format("{}: not measured, --seconds {} are over", work.name, options.seconds));
      passed = false;
      continue;
    }
    const auto right = measure(engine, options, work, records);
    if (!right) {
      records.write(failure(work, right.error()));
      cli::note(fmt::format("{}: {}", work.name, right.error().message));
      // A context that reported a fault runs nothing more.
      if (right.error().code == ErrorCode::driver) return cli::exit_code_of(right.error().code);
    }
    passed = passed && right && *right;
  }
  if (!records.good()) {
    return cli::fail(Error{ErrorCode::io, fmt::format("{} cannot be written", options.out), {}}, false);
  }
  return passed ? cli::success : cli::not_passed;
}

/// Requests and answers, one JSON object a line, for a program that times others in between: {"do":"open","name":…},
/// {"do":"sample"}, {"do":"finish"}. Ends with its stdin.
int serve(Engine& engine, const Options& options, const std::vector<Work>& all) {
  std::unique_ptr<Trial> trial;
  const auto answer = [](const Json& json) { std::cout << json.dump() + "\n" << std::flush; };
  const auto refuse = [&](const std::string& message) { answer({{"error", message}}); };
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = Json::parse(line, nullptr, false);
    const std::string what = request.is_object() ? request.value("do", "") : "";
    if (what == "open") {
      trial.reset();
      const std::string wanted = request.value("name", "");
      const auto work = std::find_if(all.begin(), all.end(), [&](const Work& one) { return one.name == wanted; });
      if (work == all.end()) {
        refuse(fmt::format("no shape is named '{}'", wanted));
        continue;
      }
      auto opened = open_trial(engine, options, *work);
      if (!opened) {
        refuse(opened.error().message);
        continue;
      }
      trial = *std::move(opened);
      answer({{"opened", wanted}});
    } else if (trial == nullptr) {
      refuse("nothing is open; open a shape first");
    } else if (what == "sample") {
      auto seconds = trial->sample();
      seconds ? answer({{"seconds", *seconds}}) : refuse(seconds.error().message);
    } else if (what == "finish") {
      auto records = trial->finish();
      trial.reset();
      records ? answer({{"records", *records}}) : refuse(records.error().message);
    } else {
      refuse(fmt::format("'{}' is not a request; allowed: open, sample, finish", line));
    }
  }
  return cli::success;
}

std::vector<Work> chosen(std::vector<Work> all, const std::string& only) {
  if (only.empty()) return all;
  std::erase_if(all, [&](const Work& work) { return work.name.find(only) == std::string::npos && work.group != only; });
  return all;
}

void print_list(const std::vector<Work>& all) {
  for (const Work& work : all) {
    cli::print(Json({{"name", work.name},
                     {"group", work.group},
                     {"problem", to_string(work.problem)},
                     {"b", work.shape.b},
                     {"t", work.shape.t},
                     {"h", work.shape.h},
                     {"hv", work.shape.hv},
                     {"k", work.problem.k},
                     {"v", work.problem.v},
                     {"lengths", work.lengths}})
                   .dump());
  }
}

int bench(const Options& options) {
  auto read = read_work(options.shapes, options.quick, options.problem);
  if (!read) return cli::fail(read.error(), false);
  const std::vector<Work> work = chosen(*std::move(read), options.only);
  if (options.list) {
    print_list(work);
    return cli::success;
  }
  auto engine = open_engine(options);
  if (!engine) return cli::fail(engine.error(), false);
  cli::note(fmt::format("{}: {}", engine->device().emulated ? "emulator" : "GPU", engine->device().name));
  const autotune::DeviceLock lock(autotune::device_lock_file({}, engine->device()),
                                  [] { cli::note("waiting for another process that times on this device"); });
  return options.serve ? serve(*engine, options, work) : measure_all(*engine, options, work);
}

}  // namespace
}  // namespace osdn::bench

int main(int argc, char** argv) {
  osdn::bench::Options options;
  CLI::App app("Times forward passes and decoding steps at the shapes of the benchmark table; one JSON object a line");
  app.add_option("--device", options.device, "auto (a GPU, else the emulator), gpu or emulator");
  app.add_option("--arch", options.arch, "architecture that the emulator plays: sm_80, sm_90, …");
  app.add_option("--shapes", options.shapes, "file of shapes (bench/data/shapes.json)");
  app.add_option("--problem", options.problem,
                 "what to compute, instead of the file's problem, at the shapes of its operation; K and V are theirs");
  app.add_option("--only", options.only, "shapes whose name contains this, or of the group of this name");
  app.add_option("--variants", options.variants, "default, tuned, a configuration's text, each:FIELD");
  app.add_option("--clock", options.clock, "auto, events (device events) or modelled (emulator)");
  app.add_option("--rounds", options.rounds, "samples of everything (20)")->check(CLI::Range(1, 10000));
  app.add_option("--launches", options.launches, "launches of one sample, at least (8; 1 on the emulator)");
  app.add_option("--seconds", options.seconds, "begin no further shape after so long; 0: no limit");
  app.add_option("--out", options.out, "file to append to; shapes that are in it are not measured again");
  app.add_flag("--quick", options.quick, "the file's small shapes, for the emulator");
  app.add_flag("--list", options.list, "only print the shapes");
  app.add_flag("--serve", options.serve, "measure on request: JSON lines on stdin and stdout");
  CLI11_PARSE(app, argc, argv);
  return osdn::bench::bench(options);
}
