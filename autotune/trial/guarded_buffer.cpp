#include "autotune/trial/guarded_buffer.hpp"

#include <algorithm>
#include <utility>

namespace osdn::autotune {
namespace {

constexpr std::size_t alignment = 256;

/// 16-bit words from 0x7F81 to 0x7FFD: NaN as bf16, as fp16 and, two together, as fp32, so that who reads a guard
/// taints what it computes; other than the NaNs that conversions and operations make (0x7FFF, 0x7FC0, 0xFFFF).
std::byte guard_byte(std::size_t position) {
  constexpr std::size_t period = 61;
  if (position % 2 == 1) return std::byte{0x7F};
  return static_cast<std::byte>(0x81 + position / 2 % period);
}

}  // namespace

expected<GuardedBuffer> GuardedBuffer::make(GateMemory& memory, std::size_t bytes, std::size_t shift) {
  auto base = memory.allocate(guard_bytes + shift + bytes + guard_bytes);
  if (!base) return base.error();
  return GuardedBuffer(memory, *base, bytes, shift);
}

GuardedBuffer::GuardedBuffer(GateMemory& memory, DevicePointer base, std::size_t bytes, std::size_t shift)
    : memory_(&memory), base_(base), begin_(guard_bytes + shift), bytes_(bytes) {
  static_assert(guard_bytes % alignment == 0);
  filled_.resize(begin_ + bytes_ + guard_bytes);
  for (std::size_t i = 0; i < filled_.size(); ++i) filled_[i] = guard_byte(i);
  found_ = filled_;
}

GuardedBuffer::~GuardedBuffer() {
  if (memory_ != nullptr) memory_->free(base_);
}

GuardedBuffer::GuardedBuffer(GuardedBuffer&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      base_(other.base_),
      begin_(other.begin_),
      bytes_(other.bytes_),
      filled_(std::move(other.filled_)),
      found_(std::move(other.found_)) {}

expected<void> GuardedBuffer::fill(std::span<const std::byte> content) {
  std::copy_n(content.begin(), std::min(bytes_, content.size()), filled_.begin() + static_cast<std::ptrdiff_t>(begin_));
  return memory_->upload(base_, filled_.data(), filled_.size());
}

expected<void> GuardedBuffer::poison() {
  std::fill_n(filled_.begin() + static_cast<std::ptrdiff_t>(begin_), bytes_, std::byte{0xFF});
  return memory_->upload(base_, filled_.data(), filled_.size());
}

expected<void> GuardedBuffer::read() {
  return memory_->download(found_.data(), base_, found_.size());
}

std::span<const std::byte> GuardedBuffer::content() const {
  return std::span(found_).subspan(begin_, bytes_);
}

std::optional<std::ptrdiff_t> GuardedBuffer::broken_guard() const {
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (i == begin_) i += bytes_;
    if (i < found_.size() && found_[i] != filled_[i]) {
      return static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(begin_);
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> GuardedBuffer::changed() const {
  const auto before = std::span(filled_).subspan(begin_, bytes_);
  const auto now = content();
  const auto [at, ignored] = std::mismatch(now.begin(), now.end(), before.begin());
  if (at == now.end()) return std::nullopt;
  return static_cast<std::size_t>(at - now.begin());
}

}  // namespace osdn::autotune
