// Files: reading tensors on demand, writing them.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "reference/safetensors.hpp"
#include "reference/whole_file.hpp"

namespace osdn::safetensors {

struct Reader::Descriptor {
  explicit Descriptor(int fd_) : fd(fd_) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(fd); }
  int fd;
};

namespace {

Error io_error(const std::string& path, std::string_view what, int number) {
  return {ErrorCode::io, fmt::format("{}: {}: {}", path, what, std::strerror(number)), {}};
}

expected<void> read_at(int fd, const std::string& path, std::uint64_t offset, std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = ::pread(fd, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(path, "cannot read", errno);
    if (got == 0) return Error{ErrorCode::io, fmt::format("{}: the file became shorter while it was read", path), {}};
    done += static_cast<std::size_t>(got);
  }
  return {};
}

std::string header_text(const std::map<std::string, std::string>& metadata,
                        const std::map<std::string, Tensor>& tensors) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [tensor, value] : tensors) {
    const std::uint64_t end = offset + value.data.size();
    header[tensor] = {{"dtype", name(value.dtype)}, {"shape", value.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

expected<Reader> Reader::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not hang here
  if (fd < 0) return io_error(path, "cannot open", errno);
  Reader reader;
  reader.path_ = path;
  reader.file_ = std::make_shared<const Descriptor>(fd);

  struct stat status = {};
  if (::fstat(fd, &status) != 0) return io_error(path, "cannot read", errno);
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::io, fmt::format("{}: not a regular file; allowed: a safetensors file", path), {}};
  }
  const auto file_bytes = static_cast<std::uint64_t>(status.st_size);

  std::vector<std::byte> start(static_cast<std::size_t>(std::min<std::uint64_t>(file_bytes, 8)));
  if (auto ok = read_at(fd, path, 0, start); !ok) return ok.error();
  std::uint64_t length = 0;
  for (std::size_t i = start.size(); i-- > 0;) length = (length << 8) | std::to_integer<std::uint64_t>(start[i]);
  // Only what can be there is read: the length itself is checked by parse_header.
  const std::uint64_t wanted = std::min({length, max_header_bytes, file_bytes - start.size()});
  start.resize(start.size() + static_cast<std::size_t>(wanted));
  if (auto ok = read_at(fd, path, 0, start); !ok) return ok.error();

  auto header = parse_header(start, file_bytes);
  if (!header) {
    Error error = std::move(header).error();
    error.message = fmt::format("{}: {}", path, error.message);
    return error;
  }
  reader.header_ = *std::move(header);
  return reader;
}

const TensorInfo* Reader::find(std::string_view tensor) const {
  const auto found = header_.tensors.find(std::string(tensor));
  return found == header_.tensors.end() ? nullptr : &found->second;
}

expected<Tensor> Reader::load(std::string_view tensor) const {
  const TensorInfo* info = find(tensor);
  if (info == nullptr) {
    return Error{ErrorCode::invalid_argument, fmt::format("{}: there is no tensor {}", path_, tensor), {}};
  }
  Tensor out;
  out.dtype = info->dtype;
  out.shape = info->shape;
  out.data.resize(static_cast<std::size_t>(info->end - info->begin));
  if (auto ok = read_at(file_->fd, path_, header_.bytes + info->begin, out.data); !ok) return ok.error();
  return out;
}

expected<void> write(const std::string& path, const std::map<std::string, std::string>& metadata,
                     const std::map<std::string, Tensor>& tensors) {
  for (const auto& [tensor, value] : tensors) {
    if (value.data.size() == static_cast<std::size_t>(value.elements()) * size_of(value.dtype)) continue;
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} has {} bytes; allowed: those of {} {}", tensor, value.data.size(), name(value.dtype),
                             shape_text(value.shape)),
                 {}};
  }
  const std::string text = header_text(metadata, tensors);
  std::vector<std::byte> start;
  for (std::size_t i = 0; i < 8; ++i) start.push_back(static_cast<std::byte>(text.size() >> (8 * i)));
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  start.insert(start.end(), bytes, bytes + text.size());
  std::vector<std::span<const std::byte>> parts = {start};
  for (const auto& [tensor, value] : tensors) parts.emplace_back(value.data);
  return reference::write_whole_file(path, parts);
}

}  // namespace osdn::safetensors
