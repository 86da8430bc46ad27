#include "execute/access.hpp"

#include "execute/block.hpp"
#include "execute/lanes/address.hpp"

namespace emulator {
namespace {

using namespace emulator::baseline;
using ptx::Space;

/// Bytes at `address` of a space that may be generic: true, and space and address made concrete, when they are there.
bool settle(Warp& warp, const Instruction& in, Space& space, u64& address, std::size_t bytes) {
  if (space == Space::generic) {
    const u64 window = address & kWindowMask;
    space = window == kSharedWindow      ? Space::shared
            : window == kLocalWindow     ? Space::local
            : window == kParameterWindow ? Space::parameter
                                         : Space::global;
    if (space != Space::global) address &= ~kWindowMask;
  }
  const auto fits = [&](u64 limit) { return address <= limit && bytes <= limit - address; };
  switch (space) {
    case Space::shared:
      return fits(warp.shared_bytes);
    case Space::local:
      return fits(warp.local_bytes);
    case Space::parameter:
      return fits(warp.parameter_bytes);
    default:
      space = Space::global;
      return warp.hints[&in - warp.code].holds(address, bytes) ||
             warp.block->memory().find(address).holds(address, bytes);
  }
}

void fill(Warp& warp, const Instruction& in, std::uint32_t mask, Space space, const u64* address, Access& access) {
  const u64 frame = space == Space::local ? frame_offset(warp, in) : 0;
  access.mask = 0;
  for_lanes(mask, [&](unsigned i) {
    access.space[i] = space;
    access.address[i] = address[i] + frame;
    const std::size_t bytes = access.used[i];
    if (bytes == 0 || !settle(warp, in, access.space[i], access.address[i], bytes)) return;
    access.mask |= 1u << i;
  });
}

void aligned_only(Access& access) {
  for_lanes(access.mask, [&](unsigned i) {
    if ((access.address[i] & (access.bytes - 1u)) != 0) access.mask &= ~(1u << i);
  });
}

/// Operands as copy_async() in lanes/async.cpp reads them.
unsigned copy_accesses(Warp& warp, const Instruction& in, std::uint32_t mask, std::array<Access, 2>& accesses) {
  constexpr unsigned kSourceSize = 1, kIgnoreSource = 2, kNegateIgnore = 4;
  u64 address[2][kLanes];
  for (unsigned k = 0; k < 2; ++k) {
    const s64 offset = in.list[2 * k + 1];
    for (unsigned i = 0; i < kLanes; ++i) {
      const u64 base = in.list[2 * k] == 2   ? 0
                       : in.list[2 * k] == 1 ? row<u64>(warp, in.operand[k])[i]
                                             : row<u32>(warp, in.operand[k])[i];
      address[k][i] = base + static_cast<u64>(offset);
    }
  }
  const u32 ignored = (in.mode & kIgnoreSource) == 0
                          ? 0
                          : mask_row(warp, in.operand[2]) ^ ((in.mode & kNegateIgnore) != 0 ? kAllLanes : 0);
  Access& source = accesses[0];
  Access& target = accesses[1];
  for (Access& each : accesses) {
    each = {};
    each.asynchronous = true;
    each.bytes = in.size;
    each.used.fill(in.size);
  }
  target.kind = Access::Kind::store;
  for (unsigned i = 0; i < kLanes; ++i) {
    if ((in.mode & kSourceSize) != 0) {
      source.used[i] = static_cast<std::uint8_t>(std::min<u32>(row<u32>(warp, in.operand[2])[i], in.size));
    }
    if ((ignored >> i & 1u) != 0) source.used[i] = 0;
  }
  fill(warp, in, mask, Space::global, address[1], source);
  fill(warp, in, mask, Space::shared, address[0], target);
  return 2;
}

}  // namespace

unsigned accesses_of(Warp& warp, const Instruction& in, std::uint32_t mask, std::array<Access, 2>& accesses) {
  using Traffic = InstructionNote::Traffic;
  const InstructionNote& note = warp.program->notes[static_cast<std::size_t>(&in - warp.code)];
  if (note.traffic == Traffic::none) return 0;
  // Of the whole warp: with lanes missing it parks, and comes again when all are here.
  if (note.matrix && mask != kAllLanes) return 0;
  if (note.traffic == Traffic::async_copy) return copy_accesses(warp, in, mask, accesses);
  Access& access = accesses[0];
  access = {};
  access.kind = note.traffic == Traffic::load    ? Access::Kind::load
                : note.traffic == Traffic::store ? Access::Kind::store
                                                 : Access::Kind::atomic;
  access.bytes = static_cast<std::uint8_t>(note.matrix ? 16 : note.bytes);
  access.used.fill(access.bytes);
  Space space = note.space;
  if (note.matrix) {
    mask &= in.count == 4 ? kAllLanes : (1u << 8 * in.count) - 1;
    space = static_cast<Space>(in.size);
  }
  u64 address[kLanes];
  addresses(warp, in, 1, address);
  fill(warp, in, mask, space, address, access);
  aligned_only(access);
  return 1;
}

std::byte* bytes_of(const Warp& warp, const Access& access, unsigned lane) {
  if ((access.mask >> lane & 1u) == 0) return nullptr;
  const u64 at = access.address[lane];
  switch (access.space[lane]) {
    case Space::shared:
      return warp.shared + at;
    case Space::local:
      return warp.local + lane * warp.local_bytes + at;
    case Space::parameter:
      return const_cast<std::byte*>(warp.parameters) + at;
    default:
      return reinterpret_cast<std::byte*>(at);
  }
}

}  // namespace emulator
