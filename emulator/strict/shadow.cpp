#include "strict/shadow.hpp"

#include <cstring>

namespace emulator {

// Whoever copies a row need not know how wide it is: the last one has room behind it.
RegisterShadows::RegisterShadows(std::size_t register_bytes, std::size_t warps)
    : register_bytes_(register_bytes),
      warps_(warps),
      bits_(new std::byte[register_bytes * warps + 256]()),
      dirty_(new std::uint8_t[register_bytes * warps / 128 + 2]()),
      origins_(new OriginId[register_bytes * warps / 4 + 64]),
      predicate_origins_(new OriginId[register_bytes * warps / 4 + 64]) {}

void RegisterShadows::reset() {
  std::memset(dirty_.get(), 0, register_bytes_ * warps_ / 128);
}

MemoryShadow::MemoryShadow(std::size_t bytes)
    : bytes_(bytes), bits_(new std::uint8_t[bytes + 1]), origins_(new OriginId[bytes / 4 + 1]) {}

void MemoryShadow::reset() {
  std::memset(bits_.get(), 0xFF, bytes_);
  std::memset(origins_.get(), 0, (bytes_ / 4 + 1) * sizeof(OriginId));
}

void MemoryShadow::undefine(std::size_t at, std::size_t bytes, OriginId origin) {
  std::memset(bits(at), 0xFF, bytes);
  for (std::size_t k = at / 4; k <= (at + bytes - 1) / 4; ++k) origins_[k] = origin;
}

}  // namespace emulator
