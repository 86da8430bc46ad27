#include "autotune/trace.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "generator/text.hpp"

namespace osdn::autotune {
namespace {

using Json = nlohmann::json;

// The texts of a line have a few hundred bytes; a longer line is not one of a trace.
constexpr std::size_t longest_line = 16384;

Error corrupt(std::size_t number, std::string_view line, std::string_view why) {
  return {ErrorCode::corrupt,
          fmt::format("line {} was {}: {}; allowed: {{\"problem\": \"osdn_forward:…\", \"shape\": \"b=1,t=…\"}}",
                      number, generator::quoted(line), why),
          {}};
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r";
  const std::size_t begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

/// The string members of one flat object; anything deeper is thrown away while it is read.
expected<TraceLine> parse_line(std::string_view line) {
  const auto wrong = [](std::string why) { return Error{ErrorCode::corrupt, std::move(why), {}}; };
  if (line.size() > longest_line) return wrong("it is too long");
  const auto flat = [](int depth, Json::parse_event_t, Json&) { return depth <= 1; };
  const Json json = Json::parse(line.begin(), line.end(), flat, false);
  if (!json.is_object()) return wrong("it is not a JSON object");
  const auto text = [&json](const char* name) -> const std::string* {
    const auto found = json.find(name);
    return found == json.end() ? nullptr : found->get_ptr<const std::string*>();
  };
  const std::string* problem = text("problem");
  const std::string* shape = text("shape");
  if (problem == nullptr || shape == nullptr) return wrong("it has no problem or no shape that is a string");
  auto parsed = parse_problem(*problem);
  if (parsed) parsed = canonical(*parsed);
  if (!parsed) return parsed.error();
  auto sizes = parse_shape(*shape);
  if (!sizes) return sizes.error();
  return TraceLine{*parsed, *sizes};
}

}  // namespace

expected<std::vector<TraceLine>> parse_trace(std::string_view text) {
  std::vector<TraceLine> out;
  std::set<std::string> seen;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    const bool torn = end == std::string_view::npos;
    text.remove_prefix(torn ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    auto parsed = parse_line(line);
    if (!parsed && torn && !line.ends_with('}')) break;  // the application is about to write the rest of it
    if (!parsed) return corrupt(number, line, parsed.error().message);
    if (seen.insert(to_text(*parsed)).second) out.push_back(*parsed);
  }
  return out;
}

std::string to_text(const TraceLine& line) {
  nlohmann::ordered_json json;
  json["problem"] = to_string(line.problem);
  json["shape"] = to_string(line.shape);
  return json.dump() + '\n';
}

expected<void> append_trace(const std::string& path, const TraceLine& line) {
  const auto failed = [&path](const char* what, int number) {
    return Error{ErrorCode::io,
                 fmt::format("{}: the trace cannot be {}: {}; name a file that can be written", path, what,
                             std::strerror(number)),
                 {}};
  };
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
  if (file < 0) return failed("opened", errno);
  const std::string text = to_text(line);
  ssize_t put = 0;
  do {
    put = ::write(file, text.data(), text.size());
  } while (put < 0 && errno == EINTR);
  const int number = put < 0 ? errno : ENOSPC;
  ::close(file);
  if (put == static_cast<ssize_t>(text.size())) return {};
  return failed("written", number);
}

}  // namespace osdn::autotune
