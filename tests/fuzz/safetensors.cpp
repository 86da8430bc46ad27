// Fuzz target: whatever the bytes, a header is read or refused; what is accepted keeps the format's promises, and a
// file of these bytes loads as a case or is refused.
#include "reference/safetensors.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "reference/case.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

/// Every accepted tensor lies within the file and has the bytes of its shape.
void check_header(std::span<const std::byte> file) {
  const auto header = osdn::safetensors::parse_header(file, file.size());
  if (!header) {
    require(!header.error().message.empty());
    return;
  }
  require(header->bytes >= 8 && header->bytes <= file.size());
  std::uint64_t total = 0;
  for (const auto& [name, info] : header->tensors) {
    require(info.begin <= info.end && info.end <= file.size() - header->bytes);
    require(static_cast<std::uint64_t>(info.elements()) * size_of(info.dtype) == info.end - info.begin);
    total += info.end - info.begin;
  }
  require(total == file.size() - header->bytes);
}

/// The same bytes as a file: the case that is in it, if one is.
void check_case(std::span<const std::byte> bytes) {
  static const int file = ::memfd_create("case", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  require(::ftruncate(file, 0) == 0);
  require(::pwrite(file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  const auto reader = osdn::safetensors::Reader::open(path);
  if (!reader) return;
  const auto loaded = osdn::reference::load_case(*reader);
  if (!loaded) {
    require(!loaded.error().message.empty());
    return;
  }
  (void)osdn::reference::load_expected(*reader, *loaded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes{reinterpret_cast<const std::byte*>(data), size};
  check_header(bytes);
  check_case(bytes);
  return 0;
}
