// Records to lines.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "autotune/database/line.hpp"
#include "autotune/database/record.hpp"
#include "autotune/database/text_limits.hpp"

namespace osdn::autotune {
namespace {

using Json = nlohmann::ordered_json;

/// What the reader takes: short, on one line.
std::string fit(std::string_view text, std::size_t most) {
  constexpr std::string_view ellipsis = "...";
  std::string out(text);
  if (text.size() > most) {
    std::size_t end = most - ellipsis.size();
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // not within a character
    out = fmt::format("{}{}", text.substr(0, end), ellipsis);
  }
  for (char& c : out) {
    if (control_character(c)) c = ' ';
  }
  return out;
}

Json to_json(const Resources& r) {
  return {{"registers", r.registers}, {"spill_bytes", r.spill_bytes},         {"shared_bytes", r.shared_bytes},
          {"threads", r.threads},     {"workspace_bytes", r.workspace_bytes}, {"compile_ms", r.compile_ms}};
}

Json to_json(const Circumstances& c) {
  return {{"when", c.when},
          {"driver", c.driver_version},
          {"nvrtc", c.nvrtc_version},
          {"library", fit(c.library_version, longest_word)},
          {"stopwatch", fit(c.stopwatch, longest_word)}};
}

Json to_json(const Finalist& f) {
  return {{"config", to_string(f.config)},
          {"sources", f.sources},
          {"median_seconds", f.median_seconds},
          {"spread", f.spread},
          {"ratio", f.ratio},
          {"ratio_low", f.ratio_low},
          {"ratio_high", f.ratio_high},
          {"resources", to_json(f.resources)},
          {"samples", f.samples}};
}

void add(Json& out, const Key& key) {
  out["problem"] = to_string(key.problem);
  out["bucket"] = to_string(key.bucket);
  out["gpu"] = {{"name", key.gpu.name},
                {"multiprocessors", key.gpu.multiprocessors},
                {"arch", key.gpu.arch},
                {"memory_clock_mhz", key.gpu.memory_clock_mhz},
                {"emulated", key.gpu.emulated}};
}

void add(Json& out, const Trial& trial) {
  out["config"] = to_string(trial.config);
  out["sources"] = trial.sources;
  out["shape"] = to_string(trial.shape);
  out["outcome"] = name(trial.outcome);
  out["reason"] = fit(trial.reason, longest_reason);
  out["median_seconds"] = trial.median_seconds;
  out["spread"] = trial.spread;
  out["samples"] = trial.samples;
  out["discarded"] = trial.discarded;
  out["ratio"] = trial.ratio;
  out["resources"] = to_json(trial.resources);
  out["circumstances"] = to_json(trial.circumstances);
}

void add(Json& out, const Choice& choice) {
  out["shape"] = to_string(choice.shape);
  out["default_config"] = to_string(choice.default_config);
  out["strategy"] = fit(choice.strategy, longest_word);
  out["seed"] = choice.seed;
  out["candidates"] = choice.candidates;
  out["tried"] = choice.tried;
  out["gated_out"] = choice.gated_out;
  out["discarded"] = choice.discarded;
  out["ended"] = fit(choice.ended, longest_word);
  out["circumstances"] = to_json(choice.circumstances);
  Json& finalists = out["finalists"] = Json::array();
  for (const Finalist& finalist : choice.finalists) finalists.push_back(to_json(finalist));
}

void add(Json& out, const Pin& pin) {
  out["config"] = to_string(pin.config);
  out["when"] = pin.when;
}

void add(Json& out, const Unpin& unpin) {
  out["when"] = unpin.when;
}

constexpr const char* kinds[] = {"key", "trial", "choice", "pin", "unpin"};

}  // namespace

std::string key_id(const Key& key) {
  const GpuKey& gpu = key.gpu;
  return hash_text(fmt::format("{}\n{}\n{},{},{},{}\n{}", to_string(key.problem), to_string(key.bucket), gpu.arch,
                               gpu.multiprocessors, gpu.memory_clock_mhz, gpu.emulated ? 1 : 0, gpu.name));
}

std::string write_line(const std::string& id, const Record& record) {
  Json out;
  out["format"] = record_format;
  out["kind"] = kinds[record.index()];
  out["key"] = id;
  std::visit([&](const auto& value) { add(out, value); }, record);
  // ASCII only, so that no reader or editor can take the bytes for another encoding; what is not UTF-8 is replaced.
  std::string body = out.dump(-1, ' ', true, Json::error_handler_t::replace);
  body[0] = ',';
  return sealed(body);
}

}  // namespace osdn::autotune
