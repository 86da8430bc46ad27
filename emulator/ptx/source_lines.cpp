#include "ptx/source_lines.hpp"

#include <algorithm>
#include <cstdio>

namespace emulator::ptx {
namespace {

bool begins_function(const std::string& line) {
  if (line.empty() || line[0] != '.') return false;
  for (const char* word : {".entry", ".func"}) {
    const std::size_t at = line.find(word);
    if (at == std::string::npos) continue;
    const std::size_t end = at + std::string_view(word).size();
    if (end == line.size() || line[end] == ' ' || line[end] == '(') return true;
  }
  return false;
}

}  // namespace

SourceLines::SourceLines(const std::vector<std::string>& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string& line = text[i];
    const int number = static_cast<int>(i) + 1;
    if (line.starts_with(".loc ")) {
      add_location(line, number);
    } else if (line.starts_with(".file ")) {
      add_file(line);
    } else if (begins_function(line)) {
      function_ = marks_.size();
      marks_.push_back({number, 0, 0, 0, -1});  // a function's lines are nowhere until its first .loc
    }
  }
}

/// .loc FILE LINE COLUMN[, function_name LABEL, inlined_at FILE LINE COLUMN]
void SourceLines::add_location(const std::string& directive, int ptx_line) {
  SourceMark mark;
  mark.ptx_line = ptx_line;
  if (std::sscanf(directive.c_str(), ".loc %d %d %d", &mark.file, &mark.line, &mark.column) < 2) return;
  if (mark.line <= 0) mark.file = 0;
  const std::size_t inlined = directive.find("inlined_at ");
  SourceMark site;
  if (inlined != std::string::npos &&
      std::sscanf(directive.c_str() + inlined, "inlined_at %d %d %d", &site.file, &site.line, &site.column) == 3) {
    // The place may itself be inlined; then a .loc of it stands before this one.
    for (std::size_t i = marks_.size(); i > function_ && mark.parent < 0; --i) {
      const SourceMark& other = marks_[i - 1];
      if (other.file == site.file && other.line == site.line && other.column == site.column) {
        mark.parent = static_cast<int>(i - 1);
      }
    }
    if (mark.parent < 0) {
      site.ptx_line = ptx_line;
      marks_.push_back(site);
      mark.parent = static_cast<int>(marks_.size() - 1);
    }
  }
  marks_.push_back(mark);
}

/// .file NUMBER "NAME"[, TIME, SIZE]
void SourceLines::add_file(const std::string& directive) {
  int number = 0;
  if (std::sscanf(directive.c_str(), ".file %d", &number) != 1) return;
  const std::size_t open = directive.find('"');
  const std::size_t close = directive.rfind('"');
  if (open == std::string::npos || close <= open) return;
  files_[number] = directive.substr(open + 1, close - open - 1);
}

int SourceLines::at(int ptx_line) const {
  const auto behind = std::upper_bound(marks_.begin(), marks_.end(), ptx_line,
                                       [](int line, const SourceMark& mark) { return line < mark.ptx_line; });
  if (behind == marks_.begin()) return -1;
  const auto index = static_cast<int>(behind - marks_.begin()) - 1;
  return mark(index).file == 0 ? -1 : index;
}

std::string SourceLines::file(int number) const {
  const auto found = files_.find(number);
  return found == files_.end() ? std::string() : found->second;
}

}  // namespace emulator::ptx
