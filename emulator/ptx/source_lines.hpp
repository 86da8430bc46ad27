// From lines of PTX to lines of the source it came from: the .file and .loc directives (PTX ISA 11.5) that NVRTC and
// nvcc write with -lineinfo.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace emulator::ptx {

/// One .loc: the PTX lines behind it came from here, up to the next one or the end of the function.
struct SourceMark {
  int ptx_line = 0;
  int file = 0;  ///< number of its .file; 0: nowhere
  int line = 0;
  int column = 0;
  int parent = -1;  ///< mark of the place that the code was inlined at; -1: not inlined
};

class SourceLines {
 public:
  SourceLines() = default;
  /// `text`: the module's lines without white space around them.
  explicit SourceLines(const std::vector<std::string>& text);

  /// Index of the mark that a line of PTX belongs to; -1 when the PTX does not say.
  [[nodiscard]] int at(int ptx_line) const;
  [[nodiscard]] const SourceMark& mark(int index) const { return marks_[static_cast<std::size_t>(index)]; }
  /// The file's name as the PTX has it; empty when it has none.
  [[nodiscard]] std::string file(int number) const;

 private:
  void add_location(const std::string& directive, int ptx_line);
  void add_file(const std::string& directive);

  std::vector<SourceMark> marks_;  ///< by PTX line
  std::size_t function_ = 0;       ///< first mark of the function that is being read
  std::map<int, std::string> files_;
};

}  // namespace emulator::ptx
