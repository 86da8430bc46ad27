// A tensor between guard zones: what is written outside of it shows.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "autotune/trial/gate_memory.hpp"

namespace osdn::autotune {

class GuardedBuffer {
 public:
  /// Bytes before and behind, at least.
  static constexpr std::size_t guard_bytes = 1024;

  /// The tensor begins `shift` bytes behind an address that is a multiple of 256.
  static expected<GuardedBuffer> make(GateMemory& memory, std::size_t bytes, std::size_t shift);
  ~GuardedBuffer();
  GuardedBuffer(GuardedBuffer&& other) noexcept;
  GuardedBuffer& operator=(GuardedBuffer&&) = delete;

  [[nodiscard]] DevicePointer address() const { return base_ + begin_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  /// Puts content (all of it) and fresh guards in place.
  expected<void> fill(std::span<const std::byte> content);
  /// Every bit set: a NaN in every element type.
  expected<void> poison();
  /// Looks at all of it.
  expected<void> read();

  /// As read() found it.
  [[nodiscard]] std::span<const std::byte> content() const;
  /// The first byte of a guard that is not as it was, counted from the tensor's first byte (negative: before it).
  [[nodiscard]] std::optional<std::ptrdiff_t> broken_guard() const;
  /// The first byte of the tensor that is not what was filled in.
  [[nodiscard]] std::optional<std::size_t> changed() const;

 private:
  GuardedBuffer(GateMemory& memory, DevicePointer base, std::size_t bytes, std::size_t shift);

  GateMemory* memory_;
  DevicePointer base_;
  std::size_t begin_;
  std::size_t bytes_;
  std::vector<std::byte> filled_;  // guards included
  std::vector<std::byte> found_;
};

}  // namespace osdn::autotune
