// cp.async (PTX ISA 9.7.9 asynchronous copies): the bytes are read now and land when they are waited for. Until then
// the destination holds poison.
#include "execute/lanes/address.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

constexpr unsigned kSourceSize = 1, kIgnoreSource = 2, kNegateIgnore = 4;  // mode

/// An address row of cp.async: register `operand` (wide by `wide`) plus an offset.
void async_addresses(const Warp& warp, RowOperand operand, unsigned kind, s32 offset, u64* out) {
  for (unsigned i = 0; i < kLanes; ++i) {
    const u64 base = kind == 2 ? 0 : kind == 1 ? row<u64>(warp, operand)[i] : row<u32>(warp, operand)[i];
    out[i] = base + static_cast<u64>(static_cast<s64>(offset));
  }
}

}  // namespace

/// operand: target, source, source size or ignore predicate. list: kind and offset of the target, then of the source.
void async_copy(Warp& warp, const Instruction& in, u32 mask) {
  u64 target[kLanes], source[kLanes];
  async_addresses(warp, in.operand[0], static_cast<unsigned>(in.list[0]), in.list[1], target);
  async_addresses(warp, in.operand[1], static_cast<unsigned>(in.list[2]), in.list[3], source);
  const u32 ignore = (in.mode & kIgnoreSource) != 0
                         ? mask_row(warp, in.operand[2]) ^ ((in.mode & kNegateIgnore) != 0 ? kAllLanes : 0)
                         : 0;
  const std::size_t size = in.size;
  PendingCopy& copy = pending_copy(warp);
  copy.issued = &in;
  copy.mask = mask;
  copy.size = in.size;
  copy.group = warp.commits;
  for_lanes(mask, [&](unsigned i) {
    u8* to = locate_one(warp, in, i, ptx::Space::shared, target[i], size);
    std::size_t wanted = size;
    if ((in.mode & kSourceSize) != 0) wanted = row<u32>(warp, in.operand[2])[i];
    if ((ignore >> i & 1u) != 0) wanted = 0;
    if (wanted > size) {
      raise(warp, in, i, Fault::Kind::out_of_bounds, "cp.async copies more bytes than its size");
    }
    copy.target[i] = static_cast<u32>(target[i]);
    copy.source[i] = source[i];
    copy.wanted[i] = static_cast<u8>(wanted);
    std::memset(copy.bytes[i].data(), 0, size);
    if (wanted != 0) {
      if ((source[i] & (size - 1)) != 0) raise_misaligned(warp, in, i, source[i], size);
      const u8* from = locate_bytes(warp, in, i, source[i], wanted);
      std::memcpy(copy.bytes[i].data(), from, wanted);
    }
    std::memset(to, 0xFF, size);
  });
}

}  // namespace emulator::EMULATOR_SET
