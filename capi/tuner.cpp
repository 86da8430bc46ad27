// Tuners and preparing ahead.
#include "osdn/tuner.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "capi/handles.hpp"
#include "capi/problem.hpp"
#include "capi/structs.hpp"

namespace osdn::capi {
namespace {

template <class Enum>
constexpr bool same(Enum ours, int theirs) {
  return static_cast<int>(ours) == theirs;
}
static_assert(same(TuningMode::off, OSDN_TUNING_OFF) && same(TuningMode::cache, OSDN_TUNING_CACHE) &&
              same(TuningMode::tune, OSDN_TUNING_TUNE) && same(TuningMode::deterministic, OSDN_TUNING_DETERMINISTIC));
static_assert(same(TuningSource::pinned, OSDN_SOURCE_PINNED) && same(TuningSource::exact, OSDN_SOURCE_EXACT) &&
              same(TuningSource::nearest_bucket, OSDN_SOURCE_NEAREST_BUCKET) &&
              same(TuningSource::arch_family, OSDN_SOURCE_ARCH_FAMILY) &&
              same(TuningSource::shipped, OSDN_SOURCE_SHIPPED) && same(TuningSource::heuristic, OSDN_SOURCE_HEURISTIC));

osdn_tuner_options default_options() {
  const TunerOptions defaults;
  osdn_tuner_options out{};
  out.struct_size = sizeof(out);
  out.mode = static_cast<int32_t>(defaults.mode);
  out.budget_seconds = defaults.budget.seconds;
  out.budget_trials = defaults.budget.trials;
  out.seed = defaults.seed;
  return out;
}

/// What the host's agree() answers with: where the text goes.
void take_answer(void* sink, const char* text) {
  silently([&] { *static_cast<std::string*>(sink) = text == nullptr ? "" : text; });
}

std::function<std::string(std::string_view, std::string_view)> agreement(const osdn_tuner_options& given) {
  if (given.agree == nullptr) return {};
  return [agree = given.agree, user = given.user](std::string_view key, std::string_view proposal) {
    std::string answer;
    agree(user, std::string(key).c_str(), std::string(proposal).c_str(), &take_answer, &answer);
    return answer;
  };
}

std::function<void(const TuningProgress&)> progress_of(const osdn_tuner_options& given) {
  if (given.progress == nullptr) return {};
  return [progress = given.progress, user = given.user](const TuningProgress& at) {
    silently([&] {
      const std::string problem = to_string(at.problem);
      const osdn_tuning_progress out{.struct_size = sizeof(osdn_tuning_progress),
                                     .problem = problem.c_str(),
                                     .b = at.shape.b,
                                     .t = at.shape.t,
                                     .h = at.shape.h,
                                     .hv = at.shape.hv,
                                     .n = at.shape.n,
                                     .done = at.done,
                                     .total = at.total,
                                     .seconds_left = at.seconds_left,
                                     .default_seconds = at.default_seconds,
                                     .best_seconds = at.best_seconds,
                                     .phase = at.phase.c_str()};
      progress(user, &out);
    });
  };
}

expected<TunerOptions> options_of(const osdn_tuner_options* options) {
  TunerOptions out;
  if (options == nullptr) return out;
  const auto given = read("options", options, default_options());
  if (!given) return given.error();
  if (given->mode < OSDN_TUNING_OFF || given->mode > OSDN_TUNING_DETERMINISTIC) {
    return invalid(fmt::format("options->mode was {}; allowed: OSDN_TUNING_OFF (0) to OSDN_TUNING_DETERMINISTIC (3)",
                               given->mode));
  }
  if (!(given->budget_seconds >= 0) || given->budget_trials < 0) {
    return invalid(fmt::format("options->budget_seconds was {} and budget_trials {}; allowed: 0 (no limit) or more",
                               given->budget_seconds, given->budget_trials));
  }
  if (given->read_only == nullptr && given->read_only_count != 0) {
    return invalid("options->read_only is NULL, but read_only_count is not 0");
  }
  out.mode = static_cast<TuningMode>(given->mode);
  if (given->directory != nullptr) out.directory = given->directory;
  for (std::uint64_t i = 0; i < given->read_only_count; ++i) {
    if (given->read_only[i] == nullptr) return invalid(fmt::format("options->read_only[{}] is NULL", i));
    out.read_only.emplace_back(given->read_only[i]);
  }
  out.budget = {.seconds = given->budget_seconds, .trials = given->budget_trials};
  out.seed = given->seed;
  if (given->worker != nullptr) out.worker = given->worker;
  if (given->trace_file != nullptr) out.trace = given->trace_file;
  out.agree = agreement(*given);
  out.progress = progress_of(*given);
  return out;
}

osdn_warm_up_options default_warm_up() {
  osdn_warm_up_options out{};
  out.struct_size = sizeof(out);
  return out;
}

osdn_warm_up_item default_item() {
  osdn_warm_up_item out{};
  out.struct_size = sizeof(out);
  out.b = 1;
  out.h = 1;
  return out;
}

expected<WarmUpItem> item_of(const osdn_warm_up_item* item) {
  const auto given = read("items", item, default_item());
  if (!given) return given.error();
  if ((given->problem == nullptr) == (given->problem_text == nullptr)) {
    return invalid("give an item either its problem or its problem_text");
  }
  const auto problem = given->problem != nullptr ? from_c(given->problem) : parse_problem(given->problem_text);
  if (!problem) return problem.error();
  osdn_shape shape = default_shape();
  shape.b = given->b;
  shape.t = given->t;
  shape.h = given->h;
  shape.hv = given->hv;
  shape.n = given->n;
  const auto exact = from_c(&shape);
  if (!exact) return exact.error();
  return WarmUpItem{*problem, {*exact}};
}

expected<std::vector<WarmUpItem>> items_of(const osdn_warm_up_item* items, std::uint64_t count) {
  std::vector<WarmUpItem> out;
  if (count == 0) return out;
  if (items == nullptr) return invalid("items is NULL, but count is not 0");
  const std::size_t step = items->struct_size;
  for (std::uint64_t i = 0; i < count; ++i) {
    const char* const at = reinterpret_cast<const char*>(items) + i * step;
    auto item = item_of(reinterpret_cast<const osdn_warm_up_item*>(at));
    if (!item) {
      Error error = std::move(item).error();
      error.message = fmt::format("items[{}]: {}", i, error.message);
      return error;
    }
    out.push_back(*std::move(item));
  }
  return out;
}

expected<void> warm_up(const osdn_tuner& tuner, const std::vector<WarmUpItem>& items, const osdn_warm_up_options& given,
                       osdn_warm_up_report* report) {
  WarmUpOptions options;
  options.threads = given.threads;
  if (given.progress != nullptr) {
    options.progress = [&](std::size_t done, std::size_t total) {
      silently([&] { given.progress(given.user, done, total); });
    };
  }
  if (given.cancelled != nullptr) {
    options.cancelled = [&] {
      bool stop = true;
      silently([&] { stop = given.cancelled(given.user) != 0; });
      return stop;
    };
  }
  const auto done = tuner.tuner.warm_up(items, options);
  if (!done) return done.error();
  for (const std::string& failure : done->failures) {
    if (given.failed != nullptr) given.failed(given.user, failure.c_str());
  }
  if (report == nullptr) return {};
  const osdn_warm_up_report out{sizeof(osdn_warm_up_report), done->prepared, done->failures.size(), done->skipped};
  return write("report", out, report);
}

}  // namespace
}  // namespace osdn::capi

using namespace osdn;
using namespace osdn::capi;

osdn_status osdn_tuner_options_init(osdn_tuner_options* options, size_t struct_size) {
  return guarded([&] { return write("options", default_options(), options, struct_size); });
}

osdn_status osdn_warm_up_item_init(osdn_warm_up_item* item, size_t struct_size) {
  return guarded([&] { return write("item", default_item(), item, struct_size); });
}

osdn_status osdn_warm_up_options_init(osdn_warm_up_options* options, size_t struct_size) {
  return guarded([&] { return write("options", default_warm_up(), options, struct_size); });
}

osdn_status osdn_tuner_create(const osdn_engine* engine, const osdn_tuner_options* options, osdn_tuner** tuner) {
  return guarded([&]() -> expected<void> {
    if (auto good = check_out("tuner", tuner); !good) return good;
    *tuner = nullptr;
    if (auto good = check(engine); !good) return good;
    const auto given = options_of(options);
    if (!given) return given.error();
    auto made = Tuner::create(engine->engine, *given);
    if (!made) return made.error();
    *tuner = new osdn_tuner{.tuner = *std::move(made), .books = engine->books};
    return {};
  });
}

void osdn_tuner_destroy(osdn_tuner* tuner) {
  silently([&] { destroy(tuner, Kind::tuner); });
}

osdn_status osdn_tuner_prepare(const osdn_tuner* tuner, const osdn_problem* problem, const osdn_shape* shape,
                               void* stream, osdn_operation** operation) {
  return guarded([&]() -> expected<void> {
    if (auto good = check_out("operation", operation); !good) return good;
    *operation = nullptr;
    if (auto good = check(tuner); !good) return good;
    const auto what = from_c(problem);
    if (!what) return what.error();
    const auto size = from_c(shape);
    if (!size) return size.error();
    auto tuned = tuner->tuner.prepare(*what, *size, stream);
    if (!tuned) return tuned.error();
    return hand_out(tuned->operation, tuned->provenance, tuner->books, operation);
  });
}

osdn_status osdn_operation_provenance(const osdn_operation* operation, osdn_provenance* provenance) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(operation); !good) return good;
    const TuningProvenance* const from = operation->provenance.get();
    if (from == nullptr) return invalid("operation was not prepared by a tuner: nobody chose its configuration");
    const osdn_provenance out{.struct_size = sizeof(osdn_provenance),
                              .source = static_cast<int32_t>(from->source),
                              .reserved = 0,
                              .source_name = name(from->source),
                              .explanation = from->explanation.c_str()};
    return write("provenance", out, provenance);
  });
}

osdn_status osdn_tuner_warm_up(const osdn_tuner* tuner, const osdn_warm_up_item* items, uint64_t count,
                               const osdn_warm_up_options* options, osdn_warm_up_report* report) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(tuner); !good) return good;
    const auto many = items_of(items, count);
    if (!many) return many.error();
    osdn_warm_up_options exact = default_warm_up();
    if (options != nullptr) {
      const auto given = read("options", options, exact);
      if (!given) return given.error();
      if (given->threads < 0) {
        return invalid(fmt::format("options->threads was {}; allowed: 0 (one per core) or more", given->threads));
      }
      exact = *given;
    }
    return warm_up(*tuner, *many, exact, report);
  });
}
