#include "autotune/trial/messages.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

#include "generator/text.hpp"

namespace osdn::autotune {
namespace {

constexpr std::array<Outcome, 9> outcomes = {Outcome::passed,     Outcome::refused,        Outcome::wrong,
                                             Outcome::not_finite, Outcome::not_repeatable, Outcome::out_of_bounds,
                                             Outcome::faulted,    Outcome::hung,           Outcome::died};
constexpr std::array<std::string_view, 3> roles = {"compile", "gate", "time"};

/// Reads fields of an object until one is not what it should be.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {
    if (!json.is_object()) fail("the message", "is not an object");
  }

  template <class T>
  void operator()(const char* name, T& value) {
    if (!result_) return;
    const auto found = json_.find(name);
    if (found == json_.end()) return fail(name, "is missing");
    if (!right_type<T>(*found)) return fail(name, "has the wrong type");
    value = found->template get<T>();
  }
  /// A field that is read by a function of ours from its text.
  template <class T, class Parse>
  void parsed(const char* name, T& value, Parse parse) {
    std::string text;
    (*this)(name, text);
    if (!result_) return;
    auto read = parse(text);
    if (!read) return fail(name, read.error().message);
    value = *std::move(read);
  }
  void fail(std::string_view name, std::string_view why) {
    if (result_) result_ = Error{ErrorCode::corrupt, fmt::format("{} {}", name, why), {}};
  }
  [[nodiscard]] const expected<void>& result() const { return result_; }
  [[nodiscard]] const Json& json() const { return json_; }

 private:
  template <class T>
  static bool right_type(const Json& value) {
    if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
    if constexpr (std::is_same_v<T, std::string>) return value.is_string();
    if constexpr (std::is_integral_v<T>) return value.is_number_integer();
    if constexpr (std::is_floating_point_v<T>) return value.is_number();
    return false;
  }
  const Json& json_;
  expected<void> result_;
};

Json to_json(const generator::Architecture& architecture) {
  return {{"number", architecture.number},
          {"shared_per_block", architecture.shared_per_block},
          {"shared_per_multiprocessor", architecture.shared_per_multiprocessor},
          {"multiprocessors", architecture.multiprocessors}};
}

void read(Fields& outer, generator::Architecture& architecture) {
  const auto found = outer.json().find("architecture");
  if (found == outer.json().end()) return outer.fail("architecture", "is missing");
  Fields fields(*found);
  fields("number", architecture.number);
  fields("shared_per_block", architecture.shared_per_block);
  fields("shared_per_multiprocessor", architecture.shared_per_multiprocessor);
  fields("multiprocessors", architecture.multiprocessors);
  if (!fields.result()) outer.fail("architecture:", fields.result().error().message);
}

}  // namespace

std::string one_line(std::string_view text) {
  std::string out(text.substr(0, text.find('\n')));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return out;
}

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Setup& setup) {
  return {{"role", roles[static_cast<std::size_t>(setup.role)]},
          {"problem", to_string(setup.problem)},
          {"shape", to_string(setup.shape)},
          {"device", setup.engine.device},
          {"driver_library", setup.engine.driver_library},
          {"nvrtc_library", setup.engine.nvrtc_library},
          {"cache_directory", setup.engine.cache_directory},
          {"disk_cache", setup.engine.disk_cache},
          {"validate", setup.engine.validate},
          {"compile_threads", setup.engine.compile_threads},
          {"arch", setup.arch},
          {"modelled", setup.modelled},
          {"seed", setup.seed},
          {"lock_directory", setup.lock_directory},
          {"architecture", to_json(setup.architecture)},
          {"driver_version", setup.driver_version}};
}

expected<Setup> read_setup(const Json& json) {
  Setup setup;
  Fields fields(json);
  fields.parsed("role", setup.role, [](const std::string& text) -> expected<Role> {
    for (std::size_t i = 0; i < roles.size(); ++i) {
      if (roles[i] == text) return static_cast<Role>(i);
    }
    return Error{ErrorCode::corrupt, "is " + generator::quoted(text) + "; allowed: compile, gate or time", {}};
  });
  fields.parsed("problem", setup.problem, parse_problem);
  fields.parsed("shape", setup.shape, parse_shape);
  fields("device", setup.engine.device);
  fields("driver_library", setup.engine.driver_library);
  fields("nvrtc_library", setup.engine.nvrtc_library);
  fields("cache_directory", setup.engine.cache_directory);
  fields("disk_cache", setup.engine.disk_cache);
  fields("validate", setup.engine.validate);
  fields("compile_threads", setup.engine.compile_threads);
  fields("arch", setup.arch);
  fields("modelled", setup.modelled);
  fields("seed", setup.seed);
  fields("lock_directory", setup.lock_directory);
  read(fields, setup.architecture);
  fields("driver_version", setup.driver_version);
  if (!fields.result()) return fields.result().error();
  return setup;
}

Json to_json(const Ready& ready) {
  const DeviceDescription& device = ready.device;
  return {{"name", device.name},
          {"emulated", device.emulated},
          {"arch", device.arch},
          {"pci_bus_id", device.pci_bus_id},
          {"driver_version", device.driver_version},
          {"nvrtc_version", device.nvrtc_version},
          {"architecture", to_json(ready.architecture)}};
}

expected<Ready> read_ready(const Json& json) {
  Ready ready;
  Fields fields(json);
  fields("name", ready.device.name);
  fields("emulated", ready.device.emulated);
  fields("arch", ready.device.arch);
  fields("pci_bus_id", ready.device.pci_bus_id);
  fields("driver_version", ready.device.driver_version);
  fields("nvrtc_version", ready.device.nvrtc_version);
  read(fields, ready.architecture);
  if (!fields.result()) return fields.result().error();
  return ready;
}

Json to_json(const Verdict& verdict) {
  return {{"outcome", name(verdict.outcome)}, {"reason", verdict.reason}, {"laboratory_lost", verdict.laboratory_lost}};
}

expected<Verdict> read_verdict(const Json& json) {
  Verdict verdict;
  Fields fields(json);
  fields.parsed("outcome", verdict.outcome, [](const std::string& text) -> expected<Outcome> {
    for (const Outcome outcome : outcomes) {
      if (text == name(outcome)) return outcome;
    }
    return Error{ErrorCode::corrupt, "is " + generator::quoted(text), {}};
  });
  fields("reason", verdict.reason);
  fields("laboratory_lost", verdict.laboratory_lost);
  if (!fields.result()) return fields.result().error();
  verdict.reason = one_line(verdict.reason);
  return verdict;
}

Json to_json(const Resources& resources) {
  return {{"registers", resources.registers},
          {"spill_bytes", resources.spill_bytes},
          {"shared_bytes", resources.shared_bytes},
          {"threads", resources.threads},
          {"workspace_bytes", resources.workspace_bytes},
          {"compile_ms", resources.compile_ms}};
}

expected<Resources> read_resources(const Json& json) {
  Resources resources;
  Fields fields(json);
  fields("registers", resources.registers);
  fields("spill_bytes", resources.spill_bytes);
  fields("shared_bytes", resources.shared_bytes);
  fields("threads", resources.threads);
  fields("workspace_bytes", resources.workspace_bytes);
  fields("compile_ms", resources.compile_ms);
  if (!fields.result()) return fields.result().error();
  return resources;
}

Json to_json(const Measurement& measurement) {
  Json json = {{"rounds", measurement.rounds}};
  if (measurement.broken) {
    json["broken"] = {{"index", measurement.broken->index}, {"verdict", to_json(measurement.broken->verdict)}};
  }
  return json;
}

expected<Measurement> read_measurement(const Json& json, std::size_t configs) {
  const auto wrong = [](std::string_view why) { return Error{ErrorCode::corrupt, std::string(why), {}}; };
  Measurement measurement;
  const auto rounds = json.is_object() ? json.find("rounds") : json.end();
  if (rounds == json.end() || !rounds->is_array()) return wrong("rounds is not an array");
  for (const Json& round : *rounds) {
    if (!round.is_array() || round.size() != configs)
      return wrong("a round is not an array of one time per configuration");
    std::vector<double> seconds;
    for (const Json& sample : round) {
      if (!sample.is_number()) return wrong("a sample is not a number");
      seconds.push_back(sample.get<double>());
      if (!(seconds.back() > 0) || !std::isfinite(seconds.back())) return wrong("a sample is not above 0");
    }
    measurement.rounds.push_back(std::move(seconds));
  }
  if (const auto broken = json.find("broken"); broken != json.end()) {
    Measurement::Breakage breakage;
    Fields fields(*broken);
    fields("index", breakage.index);
    if (!fields.result()) return fields.result().error();
    if (breakage.index >= configs) return wrong("broken has an index that was not asked for");
    const auto how = broken->find("verdict");
    auto verdict = read_verdict(how != broken->end() ? *how : Json());
    if (!verdict) return verdict.error();
    breakage.verdict = *std::move(verdict);
    measurement.broken = std::move(breakage);
  }
  return measurement;
}

}  // namespace osdn::autotune
