// Lines over a stream socket: what the crew and its workers say to each other is one JSON object a line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace osdn::autotune {

/// A longer line is nonsense: it is not waited for.
inline constexpr std::size_t longest_line = std::size_t{8} << 20;

/// Cuts what arrives into lines.
class LineBuffer {
 public:
  void append(std::string_view bytes) { bytes_.append(bytes); }
  /// The next whole line, without its end.
  std::optional<std::string> next();
  /// More than a line may have has come, and no end of it.
  [[nodiscard]] bool overlong() const { return bytes_.size() - begin_ > longest_line; }

 private:
  std::string bytes_;
  std::size_t begin_ = 0;      // of the line that is coming
  std::size_t looked_at_ = 0;  // no end before this
};

/// Writes all of it; false when the other side is gone. Never raises SIGPIPE.
bool send_line(int socket, std::string line);

/// Blocks for the next line; nothing when the other side is gone or says too much.
std::optional<std::string> receive_line(int socket, LineBuffer& buffer);

}  // namespace osdn::autotune
