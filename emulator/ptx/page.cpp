#include "ptx/page.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "ptx/decoder.hpp"

namespace emulator::ptx {
namespace {

/// Sections of the manual that hold instructions.
constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kChapters{{
    {"9.7.1", "Integer arithmetic"},
    {"9.7.2", "Extended-precision integer arithmetic"},
    {"9.7.3", "Floating point"},
    {"9.7.4", "Half precision floating point"},
    {"9.7.5", "Mixed precision floating point"},
    {"9.7.6", "Comparison and selection"},
    {"9.7.7", "Half precision comparison"},
    {"9.7.8", "Logic and shift"},
    {"9.7.9", "Data movement and conversion"},
    {"9.7.12", "Control flow"},
    {"9.7.13", "Synchronisation and communication"},
    {"9.7.14", "Matrices of a warp"},
}};

/// "9.7.13" of "9.7.13.15.9".
std::string_view chapter_of(std::string_view section) {
  std::size_t end = 0;
  for (int dots = 0; end < section.size(); ++end) {
    if (section[end] == '.' && ++dots == 3) break;
  }
  return section.substr(0, end);
}

std::string_view title_of(std::string_view chapter) {
  for (const auto& [number, title] : kChapters) {
    if (number == chapter) return title;
  }
  return chapter == "9.7.15"   ? "Matrices of a warpgroup"
         : chapter == "9.7.18" ? "Video"
         : chapter == "9.7.19" ? "Miscellaneous"
                               : "Others";
}

/// One group of modifiers: `.lo/.hi`, in brackets when it may be missing.
void add_group(std::string& line, const Grammar::Group& group) {
  line.append(group.optional ? " `[" : " `");
  const char* separator = ".";
  for (const std::string_view word : group.alternatives) {
    line.append(separator).append(word);
    separator = "/.";
  }
  line.append(group.optional ? "]`" : "`");
}

void add_row(std::string& page, const Row& row) {
  page.append("| `").append(row.opcode).append("`");
  const Grammar grammar(row.modifiers);
  for (const Grammar::Group& group : grammar.groups()) add_group(page, group);
  page.append(" | ").append(row.section).append(" |\n");
}

}  // namespace

std::string instruction_page(const std::string& command) {
  std::string page = "# Instructions that the emulator executes\n\n<!-- Written by: ";
  page.append(command).append(R"( -->

Generated from the decoder's own table, `emulator/ptx/table.cpp`: what fits no row is refused when a module is loaded, with
its line. The numbers are sections of the
[PTX ISA manual](https://docs.nvidia.com/cuda/parallel-thread-execution/), version 9.1. Modifiers stand in the order in
which PTX has them: one of those separated by a slash, or none where they are in brackets. A row does not say which of its
combinations PTX itself forbids.
)");
  std::string_view chapter;
  for (const Row& row : instruction_table()) {
    if (const std::string_view here = chapter_of(row.section); here != chapter) {
      chapter = here;
      page.append("\n## ").append(title_of(chapter)).append(" (").append(chapter).append(")\n\n");
      page += "| instruction | section |\n|---|---|\n";
    }
    add_row(page, row);
  }
  return page;
}

}  // namespace emulator::ptx
