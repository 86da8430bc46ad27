// Whether the files of a database are sound, and how much of what they say is still true.
#include <fmt/format.h>

#include <map>
#include <string>

#include "autotune/database/entries.hpp"
#include "autotune/database/exchange.hpp"
#include "autotune/database/key_file.hpp"
#include "autotune/database/ladder.hpp"
#include "autotune/database/line.hpp"
#include "autotune/database/listing.hpp"
#include "autotune/database/record.hpp"

namespace osdn::autotune {
namespace {

/// Trials whose kernels are written differently now, or cannot be any more.
std::int64_t stale(const Entry& entry) {
  const auto architecture = generator::find_architecture(fmt::format("sm_{}", entry.key.gpu.arch));
  if (!architecture) return static_cast<std::int64_t>(entry.trials.size());
  std::map<std::string, std::string> hashes;
  std::int64_t out = 0;
  for (const Trial& trial : entry.trials) {
    const auto [found, first] = hashes.try_emplace(to_string(trial.config));
    if (first) found->second = current_hash(entry.key.problem, trial.config, *architecture);
    if (found->second != trial.sources) ++out;
  }
  return out;
}

/// `line 17: its checksum …` of the first damaged line.
std::string first_damage(std::string_view text) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    const ReadLine read = read_line(line);
    if (read.state == ReadLine::State::damaged) return fmt::format("line {}: {}", number, read.why);
  }
  return "a line whose key no line names, or two lines that name different keys alike";
}

}  // namespace

Verification verify_text(std::string_view text, const std::string& origin) {
  Verification out;
  out.file = origin;
  const Contents contents = read_contents(text, origin);
  out.damaged = contents.damaged;
  out.foreign = contents.foreign;
  for (const Entry& entry : contents.entries) {
    out.lines += entry.lines;
    out.stale += stale(entry);
  }
  if (out.damaged > 0) out.problem = fmt::format("{} damaged lines; {}", out.damaged, first_damage(text));
  return out;
}

std::vector<Verification> verify(const Database& database) {
  std::vector<Verification> all;
  if (!database.refusal().empty()) return all;
  for (const std::string& file : key_files(database.directory())) {
    const auto text = read_quiet_file(file);
    if (!text) {
      Verification& unreadable = all.emplace_back();
      unreadable.file = file;
      unreadable.problem = text.error().message;
      continue;
    }
    Verification& found = all.emplace_back(verify_text(*text, file));
    // An empty file is one that a process made and had no time to fill.
    if (found.problem.empty() && !text->empty() && found.foreign == 0 && !key_of_file(database.directory(), file)) {
      found.problem = "no line names the key that the file's name stands for, so it is not listed; move it away";
    }
  }
  return all;
}

}  // namespace osdn::autotune
