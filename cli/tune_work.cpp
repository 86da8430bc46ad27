#include "cli/tune_work.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "autotune/key.hpp"
#include "cli/report.hpp"
#include "generator/text.hpp"
#include "reference/whole_file.hpp"

namespace osdn::cli {
namespace {

constexpr std::size_t most_trace_bytes = std::size_t{64} << 20;

}  // namespace

expected<TuningBudget> parse_budget(const std::string& text) {
  TuningBudget budget{0, 0};
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    double number = 0;
    const auto [stop, error] = std::from_chars(item.data(), item.data() + item.size(), number);
    const std::string_view unit(stop, static_cast<std::size_t>(item.data() + item.size() - stop));
    const bool trials = unit.empty();
    const bool whole = std::abs(number) <= 1e9 && number == static_cast<double>(static_cast<std::int64_t>(number));
    if (error != std::errc() || !(number > 0) || number > 1e9 || (!trials && unit != "s" && unit != "m") ||
        (trials && !whole) || (trials ? budget.trials > 0 : budget.seconds > 0) || comma == rest.size() - 1) {
      return generator::bad_value("option", "--budget", text, "trials (200), seconds (90s), minutes (5m), or 200,90s");
    }
    if (trials)
      budget.trials = static_cast<std::int64_t>(number);
    else
      budget.seconds = unit == "m" ? 60 * number : number;
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return budget;
}

expected<autotune::StopwatchKind> parse_stopwatch(const std::string& text) {
  if (text == "auto") return autotune::StopwatchKind::automatic;
  if (text == "events") return autotune::StopwatchKind::events;
  if (text == "modelled") return autotune::StopwatchKind::modelled;
  return generator::bad_value("option", "--stopwatch", text, "auto, events or modelled");
}

expected<TuneWork> read_work(const SubjectOptions& subject, const std::vector<std::string>& shapes,
                             const std::string& from_trace) {
  if (!from_trace.empty()) {
    if (!shapes.empty() || !subject.problem.empty() || !subject.preset.empty()) {
      return Error{ErrorCode::invalid_argument,
                   "--from-trace is given with --problem, --preset or --shapes; allowed: one or the other",
                   {}};
    }
    auto text = reference::read_whole_file(from_trace, most_trace_bytes);
    if (!text) return text.error();
    auto work = autotune::parse_trace(*text);
    if (!work) {
      Error error = work.error();
      error.message = fmt::format("{}: {}", from_trace, error.message);
      return error;
    }
    // A host may have met an empty batch; it costs nothing, and shall not cost the others their sweep.
    const std::size_t empty = std::erase_if(*work, [](const autotune::TraceLine& line) { return line.shape.t == 0; });
    if (empty > 0) note(fmt::format("osdn: {} shapes of {} have no tokens and are passed over", empty, from_trace));
    if (work->empty()) {
      return Error{ErrorCode::invalid_argument, fmt::format("{} names no problem", from_trace), {}};
    }
    return work;
  }
  if (shapes.empty()) {
    return Error{
        ErrorCode::invalid_argument,
        "no shape is given; allowed: --shapes b=4,t=8192,h=32 (several, apart by spaces), or --from-trace FILE",
        {}};
  }
  auto problem = find_problem({}, subject);
  if (!problem) return problem.error();
  TuneWork work;
  for (const std::string& text : shapes) {
    auto shape = parse_shape(text);
    if (!shape) return shape.error();
    if (auto good = validate(*shape); !good) return good.error();
    work.push_back({*problem, *shape});
  }
  return work;
}

TuneWork without_repeats(const TuneWork& work) {
  TuneWork out;
  struct Sharing {
    std::string first;
    std::size_t count = 0;
  };
  std::vector<Sharing> sharing;  // of each in `out`
  for (const auto& line : work) {
    std::size_t at = 0;
    while (at < out.size() &&
           (out[at].problem != line.problem || autotune::bucket_of(out[at].shape) != autotune::bucket_of(line.shape))) {
      ++at;
    }
    if (at == out.size()) {
      out.push_back(line);
      sharing.emplace_back();
    } else if (out[at].shape != line.shape && ++sharing[at].count == 1) {
      sharing[at].first = to_string(line.shape);
    }
  }
  for (std::size_t at = 0; at < out.size(); ++at) {
    const auto& [first, count] = sharing[at];
    const std::string probed = to_string(out[at].shape);
    if (count == 1) note(fmt::format("osdn: {} shares its entry with {}: probed as that", first, probed));
    if (count > 1) {
      note(fmt::format("osdn: {} and {} more shapes share their entry with {}: probed as that", first, count - 1,
                       probed));
    }
  }
  return out;
}

}  // namespace osdn::cli
