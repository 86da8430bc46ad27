#include "autotune/tuner_state.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>

#include "autotune/database/exchange.hpp"
#include "autotune/sweep/tune.hpp"
#include "autotune/trace.hpp"
#include "autotune/trial/crew.hpp"
#include "runtime/cache_directory.hpp"
#include "runtime/engine_state.hpp"
#include "runtime/trace.hpp"

namespace osdn {
namespace {

namespace cuda = runtime::cuda;

constexpr cuda::Result error_stream_capture_implicit = 906;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string absolute(const std::string& path) {
  std::error_code failed;
  const auto whole = std::filesystem::absolute(path, failed);
  return path.empty() || failed ? path : whole.string();
}

}  // namespace

expected<std::shared_ptr<TunerState>> TunerState::create(const Engine& engine, const TunerOptions& options) {
  TunerOptions exact = options;
  if (exact.trace.empty()) exact.trace = variable("OSDN_TUNING_TRACE");
  // A host may change its directory later.
  if (!exact.trace.empty()) exact.trace = absolute(exact.trace);
  if (exact.mode == TuningMode::tune) {
    auto worker = autotune::find_worker(exact.worker);
    if (!worker) return worker.error();
    exact.worker = *std::move(worker);
  }
  auto architecture = engine.state()->architecture();
  if (!architecture) return architecture.error();
  autotune::DatabaseOptions where;
  const EngineOptions& its = engine.state()->options();
  if (exact.mode != TuningMode::off) {
    where.directory =
        absolute(autotune::Database::directory(exact.directory, runtime::cache_directory(its.cache_directory)));
    where.read_only = exact.read_only;
    where.packs = autotune::exports_in(engine.state()->compiler().shelf(), runtime::Log(its.log));
  }
  where.log = runtime::Log(its.log);
  auto database = autotune::Database::open(std::move(where));
  if (!database) return database.error();
  return std::shared_ptr<TunerState>(new TunerState(engine, exact, *std::move(database), *architecture));
}

TunerState::TunerState(const Engine& engine, const TunerOptions& options, autotune::Database database,
                       const generator::Architecture& architecture)
    : engine_(engine),
      options_(options),
      database_(std::move(database)),
      gpu_(autotune::gpu_of(engine.device())),
      architecture_(architecture),
      log_(engine.state()->options().log) {}

expected<TunedOperation> TunerState::prepare(const Problem& problem, const Shape& shape, Stream stream) {
  const TableKey at{problem, autotune::bucket_of(shape)};
  if (const auto* found = table_.find(at)) return **found;
  const auto key = autotune::key_of(problem, shape, engine_.device());
  if (!key) return key.error();
  const expected<bool> captured = capturing(stream);
  if (!captured) return captured.error();
  if (*captured) {
    return Error{ErrorCode::not_prepared,
                 fmt::format("{} at {} is not prepared, and the stream is capturing a graph: prepare it before the "
                             "capture begins",
                             to_string(key->problem), to_string(shape)),
                 {}};
  }
  const std::string name = to_string(key->problem) + ' ' + to_string(key->bucket);
  auto answer = flights_.get(name, [&]() -> expected<std::shared_ptr<const TunedOperation>> {
    try {
      return make(*key, shape);
    } catch (const std::exception&) {
      throw;         // becomes an error in the flight
    } catch (...) {  // else all who ask for this key would hear of a broken promise, for ever
      return Error{ErrorCode::internal, "a callback of the Tuner threw what is no std::exception", {}};
    }
  });
  if (!answer.result) return std::move(answer.result).error();
  table_.insert(at, *answer.result);
  return **answer.result;
}

expected<bool> TunerState::capturing(Stream stream) const {
  const runtime::DeviceContext& device = engine_.state()->device();
  const runtime::ContextScope scope(device);
  if (scope.result() != cuda::success) return false;  // whoever compiles next says why
  int status = cuda::capture_status_none;
  const auto result = device.driver().stream_is_capturing(static_cast<cuda::Stream>(stream), &status);
  // The legacy stream answers with an error while another stream of its context captures. Any other error is one of the
  // stream or the context (a fault of an earlier kernel), which no waiting for an end of a capture would mend.
  if (result == error_stream_capture_implicit) return true;
  if (result != cuda::success) return device.driver().error(result, "asking whether the stream is capturing");
  return status != cuda::capture_status_none;
}

expected<std::shared_ptr<const TunedOperation>> TunerState::make(const autotune::Key& key, const Shape& shape) {
  trace(key, shape);
  const TraceCallback& listener = engine_.state()->options().trace;
  const runtime::Span choosing(listener, TraceEvent::Kind::choose);
  auto chosen = choose(key, shape);
  if (choosing.heard()) {
    choosing.ended(to_string(key.problem) + " at " + to_string(key.bucket),
                   chosen ? to_string(chosen->config) : chosen.error().message, !chosen);
  }
  if (chosen) chosen = agree(key, *std::move(chosen));
  if (!chosen) return std::move(chosen).error();
  auto operation = engine_.prepare(key.problem, chosen->config);
  if (!operation && operation.error().code == ErrorCode::library_not_found && !options_.agree) {
    operation = without_compiler(key, *chosen, std::move(operation).error());
  }
  if (!operation) return std::move(operation).error();
  return std::make_shared<const TunedOperation>(
      TunedOperation{*std::move(operation), std::make_shared<const TuningProvenance>(std::move(chosen->provenance))});
}

expected<PreparedOperation> TunerState::without_compiler(const autotune::Key& key, Chosen& chosen, Error error) {
  auto usual = generator::default_config(key.problem, architecture_, autotune::typical_shape(key.bucket));
  if (!usual || *usual == chosen.config) return error;
  auto operation = engine_.prepare(key.problem, *usual);
  if (!operation) return error;
  chosen = {*usual,
            {TuningSource::heuristic, fmt::format("the default configuration: no pack serves {}, and nothing "
                                                  "can be compiled ({})",
                                                  to_string(chosen.config), chosen.provenance.explanation)}};
  return operation;
}

expected<TunerState::Chosen> TunerState::choose(const autotune::Key& key, const Shape& shape) {
  auto known = look_up(key, shape);
  if (!known || options_.mode != TuningMode::tune || shape.t == 0) return known;
  if (settled(*known)) return known;
  auto found = sweep(key, shape);
  if (found) return found;
  // Another process may have found it meanwhile.
  if (auto by_another = look_up(key, shape); by_another && settled(*by_another)) return by_another;
  const std::string& trouble = found.error().message;
  log_.warning(fmt::format("{} at {} was not tuned: {}", to_string(key.problem), to_string(shape), trouble));
  known->provenance.explanation += fmt::format(" (tuning it failed: {})", trouble);
  return known;
}

bool TunerState::settled(const Chosen& chosen) {
  const TuningSource source = chosen.provenance.source;
  return source == TuningSource::pinned || source == TuningSource::exact;
}

expected<TunerState::Chosen> TunerState::look_up(const autotune::Key& key, const Shape& shape) const {
  if (options_.mode == TuningMode::off) {
    auto usual = generator::default_config(key.problem, architecture_, autotune::typical_shape(key.bucket));
    if (!usual) return usual.error();
    return Chosen{*usual, {TuningSource::heuristic, "the default configuration: tuning is off"}};
  }
  auto found =
      autotune::look_up(database_, key.problem, shape, gpu_, architecture_, options_.mode == TuningMode::deterministic);
  if (!found) return found.error();
  return Chosen{found->config, {found->source, std::move(found->explanation)}};
}

expected<TunerState::Chosen> TunerState::sweep(const autotune::Key& key, const Shape& shape) {
  autotune::TuneOptions options;
  options.budget = options_.budget;
  options.seed = options_.seed;
  options.worker = options_.worker;
  options.progress = options_.progress;
  options.log = log_;
  options.found_by_another = [&] {
    const auto now = look_up(key, shape);
    return now && settled(*now);
  };
  const runtime::Span tuning(engine_.state()->options().trace, TraceEvent::Kind::tune);
  const auto done = autotune::tune(engine_, database_, key.problem, shape, options);
  if (tuning.heard()) {
    tuning.ended(to_string(key.problem) + " at " + to_string(key.bucket),
                 done ? to_string(done->choice.finalists.front().config) : done.error().message, !done);
  }
  if (!done) return done.error();
  if (done->unrecorded) log_.warning(done->unrecorded->message);
  const autotune::Finalist& winner = done->choice.finalists.front();
  return Chosen{winner.config,
                {TuningSource::exact, fmt::format("tuned now: {:.3f} of the default's time ({} candidates tried, {})",
                                                  winner.ratio, done->choice.tried, done->choice.ended)}};
}

expected<TunerState::Chosen> TunerState::agree(const autotune::Key& key, Chosen mine) {
  if (!options_.agree) return mine;
  const std::string proposal = to_string(mine.config);
  const std::string name = to_string(key.problem) + ' ' + to_string(key.bucket);
  const std::lock_guard lock(agreeing_);
  // Once for each key, also when what follows fails and is tried again: else this rank would be out of step.
  auto known = agreed_.find(name);
  if (known == agreed_.end()) known = agreed_.emplace(name, options_.agree(name, proposal)).first;
  const std::string& agreed = known->second;
  if (agreed == proposal) return mine;
  auto config = parse_config(agreed, mine.config);
  if (!config) return config.error();
  mine.config = *config;
  mine.provenance.explanation = fmt::format("agreed with other ranks; this one had: {}", mine.provenance.explanation);
  return mine;
}

void TunerState::trace(const autotune::Key& key, const Shape& shape) {
  // A call without tokens launches nothing: there is nothing to tune for.
  if (options_.trace.empty() || shape.t == 0 || !validate(shape)) return;
  if (auto written = autotune::append_trace(options_.trace, {key.problem, shape}); !written) {
    log_.warning(written.error().message);
  }
}

}  // namespace osdn
