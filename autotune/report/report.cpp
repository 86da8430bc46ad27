#include "autotune/report/report.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "autotune/report/data.hpp"
#include "autotune/report/page/page.hpp"
#include "generator/architecture.hpp"
#include "generator/plan.hpp"

namespace osdn::autotune {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// For readers without a script: a table of what was chosen.
std::string summary(const std::vector<const Entry*>& entries) {
  if (entries.empty()) return "<p>The tuning database holds no entries.</p>";
  std::string rows;
  for (const Entry* entry : entries) {
    std::string winner = "nothing chosen yet";
    std::string ratio;
    if (entry->choice && !entry->choice->finalists.empty()) {
      const Finalist& best = entry->choice->finalists.front();
      winner = to_string(best.config);
      ratio = fmt::format("{:.3f}", best.ratio);
    }
    rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                        escaped(to_string(entry->key.problem)), escaped(to_string(entry->key.bucket)),
                        escaped(to_string(entry->key.gpu)), escaped(winner), ratio, report::caveat(*entry));
  }
  return fmt::format(
      "<p>This page draws with a script. Without one, what was chosen:</p>\n<table>\n<tr><th>problem</th>"
      "<th>bucket</th><th>GPU</th><th>chosen</th><th>time / default's</th><th>note</th></tr>\n{}</table>\n",
      rows);
}

std::string_view text_of(std::string_view name) {
  for (const page::Text& file : page::all()) {
    if (file.name == name) return file.text;
  }
  return {};
}

/// The frame with its holes filled by the file of that name, or by what was made: what is filled in is never looked at
/// again.
std::string filled(std::string_view frame, const std::string& summary, const std::string& data) {
  std::string out;
  while (!frame.empty()) {
    const std::size_t begin = frame.find("{{");
    out += frame.substr(0, begin);
    if (begin == std::string_view::npos) break;
    const std::size_t end = frame.find("}}", begin);
    const std::string_view name = frame.substr(begin + 2, end - begin - 2);
    out += name == "summary" ? summary : name == "data" ? data : text_of(name);
    frame.remove_prefix(end + 2);
  }
  return out;
}

}  // namespace

std::string render_report(const std::vector<Entry>& entries, const ReportOptions& options) {
  const auto ordered = report::in_order(entries);
  return filled(text_of("page.html"), summary(ordered), report::script_text(report::describe(ordered, options)));
}

std::function<std::string(const Key&, const Config&)> generated_sources() {
  struct Known {
    std::mutex mutex;
    std::map<std::string, std::string> hashes;
  };
  return [known = std::make_shared<Known>()](const Key& key, const Config& config) {
    const std::string name = fmt::format("{}/{}/{}", to_string(key.problem), key.gpu.arch, to_string(config));
    const std::lock_guard lock(known->mutex);
    const auto [found, added] = known->hashes.try_emplace(name);
    if (!added) return found->second;
    const auto architecture = generator::find_architecture(fmt::format("sm_{}", key.gpu.arch));
    if (!architecture) return found->second;
    const auto plan = generator::plan(key.problem, config, *architecture);
    if (plan) found->second = source_hash(*plan);
    return found->second;
  };
}

}  // namespace osdn::autotune
