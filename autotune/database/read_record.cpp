// Lines to records. Every field is checked for its type and its range before anything is built from it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "autotune/database/line.hpp"
#include "autotune/database/record.hpp"
#include "autotune/database/text_limits.hpp"

namespace osdn::autotune {
namespace {

using Json = nlohmann::json;

constexpr int deepest = 8;  // record, finalists, finalist, resources: half of it would do

bool hexadecimal(std::string_view text, std::size_t digits) {
  return text.size() == digits &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// The members of one object. The first that is missing or not what it must be is remembered; those after it read as
/// nothing.
class Fields {
 public:
  Fields(const Json& object, std::string& why) : object_(object), why_(why) {}

  std::string text(const char* name, std::size_t most) {
    const Json* found = find(name);
    const auto* value = found == nullptr ? nullptr : found->get_ptr<const std::string*>();
    if (value == nullptr || value->size() > most || std::any_of(value->begin(), value->end(), control_character)) {
      return refuse(name), std::string();
    }
    return *value;
  }

  std::string hash(const char* name, std::size_t digits) {
    std::string value = text(name, digits);
    if (!hexadecimal(value, digits)) refuse(name);
    return value;
  }

  template <class Integer>
  Integer integer(const char* name) {
    const Json* found = find(name);
    if (found != nullptr && found->is_number_unsigned()) {
      const auto value = found->get<std::uint64_t>();
      if (value <= static_cast<std::uint64_t>(std::numeric_limits<Integer>::max())) return static_cast<Integer>(value);
    }
    return refuse(name), Integer{};  // a negative number too: no record has one
  }

  double number(const char* name) {
    const Json* found = find(name);
    const double value = found != nullptr && found->is_number() ? found->get<double>() : -1;
    if (!std::isfinite(value) || value < 0) return refuse(name), 0;
    return value;
  }

  bool boolean(const char* name) {
    const Json* found = find(name);
    if (found == nullptr || !found->is_boolean()) return refuse(name), false;
    return found->get<bool>();
  }

  /// Through one of the library's own parsers.
  template <class T, class Parse>
  T parsed(const char* name, Parse parse) {
    auto value = parse(text(name, longest_field_text));
    if (!why_.empty()) return T{};
    if (!value) return refuse(name, value.error().message), T{};
    return *std::move(value);
  }
  Config config(const char* name) {
    return parsed<Config>(name, [](const std::string& text) { return parse_config(text); });
  }
  Shape shape(const char* name) {
    return parsed<Shape>(name, [](const std::string& text) { return parse_shape(text); });
  }

  /// A member that is an object; an empty one when it is not.
  Fields object(const char* name) {
    static const Json nothing = Json::object();
    const Json* found = find(name);
    if (found != nullptr && found->is_object()) return {*found, why_};
    refuse(name);
    return {nothing, why_};
  }

  /// A member that is an array of so many at most; null when it is not.
  const Json* array(const char* name, std::size_t least, std::size_t most) {
    const Json* found = find(name);
    if (found != nullptr && found->is_array() && found->size() >= least && found->size() <= most) return found;
    return refuse(name), nullptr;
  }

  void refuse(const char* name, std::string_view because = {}) {
    if (why_.empty())
      why_ = fmt::format("its member {} is missing or not what it must be{}{}", name, because.empty() ? "" : ": ",
                         because);
  }

 private:
  const Json* find(const char* name) const {
    const auto found = object_.find(name);
    return found == object_.end() ? nullptr : &*found;
  }

  const Json& object_;
  std::string& why_;
};

Resources read_resources(Fields fields) {
  Resources out;
  out.registers = fields.integer<int>("registers");
  out.spill_bytes = fields.integer<std::size_t>("spill_bytes");
  out.shared_bytes = fields.integer<std::size_t>("shared_bytes");
  out.threads = fields.integer<int>("threads");
  out.workspace_bytes = fields.integer<std::size_t>("workspace_bytes");
  out.compile_ms = fields.number("compile_ms");
  return out;
}

Circumstances read_circumstances(Fields fields) {
  Circumstances out;
  out.when = fields.integer<std::int64_t>("when");
  out.driver_version = fields.integer<int>("driver");
  out.nvrtc_version = fields.integer<int>("nvrtc");
  out.library_version = fields.text("library", as_read(longest_word));
  out.stopwatch = fields.text("stopwatch", as_read(longest_word));
  return out;
}

Finalist read_finalist(const Json& json, std::string& why) {
  Finalist out;
  if (!json.is_object()) return why = "a finalist is not an object", out;
  Fields fields(json, why);
  out.config = fields.config("config");
  out.sources = fields.hash("sources", 32);
  out.median_seconds = fields.number("median_seconds");
  out.spread = fields.number("spread");
  out.ratio = fields.number("ratio");
  out.ratio_low = fields.number("ratio_low");
  out.ratio_high = fields.number("ratio_high");
  out.resources = read_resources(fields.object("resources"));
  if (const Json* samples = fields.array("samples", 0, most_samples)) {
    for (const Json& sample : *samples) {
      const double value = sample.is_number() ? sample.get<double>() : -1;
      if (!std::isfinite(value) || value < 0) fields.refuse("samples");
      out.samples.push_back(value);
    }
  }
  return out;
}

Key read_key(Fields fields) {
  Key out;
  out.problem = fields.parsed<Problem>("problem", [](const std::string& text) -> expected<Problem> {
    auto problem = parse_problem(text);
    return problem ? canonical(*problem) : problem;
  });
  out.bucket = fields.parsed<Bucket>("bucket", [](const std::string& text) { return parse_bucket(text); });
  Fields gpu = fields.object("gpu");
  out.gpu.name = gpu.text("name", longest_name);
  out.gpu.multiprocessors = gpu.integer<int>("multiprocessors");
  out.gpu.arch = gpu.integer<int>("arch");
  out.gpu.memory_clock_mhz = gpu.integer<int>("memory_clock_mhz");
  out.gpu.emulated = gpu.boolean("emulated");
  return out;
}

Trial read_trial(Fields fields) {
  Trial out;
  out.config = fields.config("config");
  out.sources = fields.hash("sources", 32);
  out.shape = fields.shape("shape");
  const auto outcome = find_outcome(fields.text("outcome", longest_word));
  if (!outcome) fields.refuse("outcome");
  out.outcome = outcome.value_or(Outcome::refused);
  out.reason = fields.text("reason", as_read(longest_reason));
  out.median_seconds = fields.number("median_seconds");
  out.spread = fields.number("spread");
  out.samples = fields.integer<int>("samples");
  out.discarded = fields.integer<int>("discarded");
  out.ratio = fields.number("ratio");
  out.resources = read_resources(fields.object("resources"));
  out.circumstances = read_circumstances(fields.object("circumstances"));
  return out;
}

Choice read_choice(Fields fields, std::string& why) {
  Choice out;
  out.shape = fields.shape("shape");
  out.default_config = fields.config("default_config");
  out.strategy = fields.text("strategy", as_read(longest_word));
  out.seed = fields.integer<std::uint64_t>("seed");
  out.candidates = fields.integer<std::int64_t>("candidates");
  out.tried = fields.integer<std::int64_t>("tried");
  out.gated_out = fields.integer<std::int64_t>("gated_out");
  out.discarded = fields.integer<std::int64_t>("discarded");
  out.ended = fields.text("ended", as_read(longest_word));
  out.circumstances = read_circumstances(fields.object("circumstances"));
  if (const Json* finalists = fields.array("finalists", 1, most_finalists)) {
    for (const Json& finalist : *finalists) out.finalists.push_back(read_finalist(finalist, why));
  }
  return out;
}

/// Nothing: the kind is not known here.
std::optional<Record> read_kind(const std::string& kind, const Json& json, std::string& why) {
  Fields fields(json, why);
  if (kind == "key") return read_key(fields);
  if (kind == "trial") return read_trial(fields);
  if (kind == "choice") return read_choice(fields, why);
  if (kind == "pin") return Pin{fields.config("config"), fields.integer<std::int64_t>("when")};
  if (kind == "unpin") return Unpin{fields.integer<std::int64_t>("when")};
  return std::nullopt;
}

ReadLine damaged(std::string why) {
  ReadLine out;
  out.why = std::move(why);
  return out;
}

ReadLine read_object(const Json& json) {
  ReadLine out;
  Fields fields(json, out.why);
  const auto format = fields.integer<std::uint64_t>("format");
  if (out.why.empty() && format == 0) fields.refuse("format");
  const bool newer = format > record_format;
  const std::string kind = newer ? std::string() : fields.text("kind", longest_word);
  if (!out.why.empty()) return out;
  auto record = newer ? std::nullopt : read_kind(kind, json, out.why);
  if (!record) {
    out.state = ReadLine::State::foreign;
    return out;
  }
  out.id = fields.hash("key", 16);
  if (!out.why.empty()) return out;
  out.record = *std::move(record);
  const auto* key = std::get_if<Key>(&out.record);
  if (key != nullptr && out.id != key_id(*key)) return damaged("the id that it gives its key is another's");
  out.state = ReadLine::State::good;
  return out;
}

}  // namespace

std::optional<Outcome> find_outcome(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(Outcome::died); ++i) {
    if (text == name(static_cast<Outcome>(i))) return static_cast<Outcome>(i);
  }
  return std::nullopt;
}

ReadLine read_line(std::string_view line) {
  if (line.size() > longest_line) return damaged("it is longer than any of ours");
  const auto body = unsealed(line);
  if (!body) return damaged("its checksum is not that of what it says");
  bool deep = false;
  const auto watch = [&deep](int depth, Json::parse_event_t, Json&) {
    deep = deep || depth > deepest;
    return !deep;
  };
  const Json json = Json::parse(line.begin(), line.end(), watch, false);
  if (deep || json.is_discarded() || !json.is_object()) return damaged("it is not a JSON object of ours");
  return read_object(json);
}

}  // namespace osdn::autotune
