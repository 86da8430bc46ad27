#include "autotune/trial/lines.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace osdn::autotune {

std::optional<std::string> LineBuffer::next() {
  const std::size_t end = bytes_.find('\n', looked_at_);
  if (end == std::string::npos) {
    bytes_.erase(0, begin_);
    begin_ = 0;
    looked_at_ = bytes_.size();
    return std::nullopt;
  }
  std::string line = bytes_.substr(begin_, end - begin_);
  begin_ = looked_at_ = end + 1;
  return line;
}

bool send_line(int socket, std::string line) {
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t put = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

std::optional<std::string> receive_line(int socket, LineBuffer& buffer) {
  for (;;) {
    if (auto line = buffer.next()) return line;
    if (buffer.overlong()) return std::nullopt;
    std::array<char, 65536> bytes;
    const ssize_t got = ::recv(socket, bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    buffer.append({bytes.data(), static_cast<std::size_t>(got)});
  }
}

}  // namespace osdn::autotune
