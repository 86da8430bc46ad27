#include "execute/bulk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "execute/block.hpp"
#include "execute/lanes/address.hpp"
#include "measure/meter.hpp"
#include "strict/strict.hpp"

namespace emulator {
namespace {

using namespace emulator::baseline;
using ptx::Type;

constexpr u64 kTileAlignment = 128;  // 9.7.9.25.5.2: of a box in shared memory
constexpr u64 kByteAlignment = 16;   // 9.7.9.25.4.1: of plain copies, and of their sizes
constexpr u64 kMapAlignment = 64;

/// Of CUtensorMapDataType.
constexpr Type kElementTypes[] = {Type::u8,  Type::u16, Type::u32,  Type::s32, Type::u64, Type::s64, Type::f16,
                                  Type::f32, Type::f64, Type::bf16, Type::f32, Type::f32, Type::f32};
constexpr u8 kFloat16 = 6, kFloat32Flushed = 10, kTf32 = 11, kTf32Flushed = 12;

u64 address_of(const Warp& warp, const Instruction& in, unsigned lane, unsigned which) {
  const RowOperand* words = in.list + 3 * which;
  const u64 offset = static_cast<u32>(words[1]) | static_cast<u64>(static_cast<u32>(words[2])) << 32;
  if (words[0] == 2) return offset;
  if (words[0] == 1) return row<u64>(warp, in.operand[which])[lane] + offset;
  return static_cast<u32>(row<u32>(warp, in.operand[which])[lane] + static_cast<u32>(offset));
}

TensorMap map_at(Warp& warp, const Instruction& in, unsigned lane, u64 address) {
  if (address % kMapAlignment != 0) raise_misaligned(warp, in, lane, address, kMapAlignment);
  std::array<std::byte, 128> bytes{};
  for (const std::size_t half : {std::size_t{0}, std::size_t{64}}) {
    std::memcpy(bytes.data() + half, locate_one(warp, in, lane, ptx::Space::generic, address + half, 64), 64);
  }
  TensorMap map;
  std::memcpy(static_cast<void*>(&map), bytes.data(), sizeof(map));
  if (map.magic != TensorMap::kMagic) {
    raise(warp, in, lane, Fault::Kind::tensor_map,
          "there is no tensor map at this address: cuTensorMapEncodeTiled never wrote it, or it was overwritten");
  }
  return map;
}

void check_map(const Warp& warp, const Instruction& in, unsigned lane, const TensorMap& map) {
  const auto refuse = [&](const std::string& message) {
    raise(warp, in, lane, Fault::Kind::tensor_map, message.c_str());
  };
  if (map.rank != in.size) {
    refuse(fmt::format("a copy of {} dimensions by a tensor map of {}", in.size, map.rank));
  }
  if (map.interleave != 0) refuse("a tensor map with interleaved channels: the emulator copies by plain ones only");
  const u32 row = box_extent(map, 0) * tensor_element_bytes(map.data_type);
  if (map.swizzle != 0 && row != 16u << map.swizzle) {
    refuse(
        fmt::format("a box of {} bytes in its innermost dimension with a swizzle of {}: the manual does not say where "
                    "its rows lie, so make it as wide as the swizzle",
                    row, 16u << map.swizzle));
  }
}

/// Elements on their way to shared memory (CUtensorMapDataType): what is not exactly copied.
u32 converted(u8 data_type, u32 value) {
  const bool flushes = data_type == kFloat32Flushed || data_type == kTf32Flushed;
  if (flushes && (value & 0x7F800000u) == 0) value &= 0x80000000u;
  const bool finite = (value & 0x7F800000u) != 0x7F800000u;
  // To the 10 bits of tf32, the nearest, ties away from zero: as cvt.rna.tf32.f32 rounds, for want of a statement.
  if (data_type >= kTf32 && finite) value = (value + 0x1000u) & ~0x1FFFu;
  return value;
}

void fill(u8* to, u32 bytes, const BulkCopy& copy) {
  if (!copy.fill_nan || copy.data_type < kFloat16) {
    std::memset(to, 0, bytes);
  } else {
    // The driver API calls it a special NaN without its bits.
    const u32 element = tensor_element_bytes(copy.data_type);
    for (u32 at = 0; at < bytes; at += element) {
      std::memset(to + at, 0xFF, element);
      to[at + element - 1] = 0x7F;
    }
  }
}

}  // namespace

void BulkCopies::reset() {
  copies_.clear();
  unawaited_.clear();
  unmoved_ = 0;
  commits_.assign(std::size_t{block_.warps()} * kLanes, 0);
}

std::uint32_t& BulkCopies::commits(unsigned thread) {
  return commits_[thread];
}

void BulkCopies::commit(unsigned thread) {
  ++commits(thread);
}

void BulkCopies::issue(Warp& warp, const Instruction& in, unsigned lane) {
  BulkCopy copy;
  copy.op = static_cast<BulkOp>(in.mode);
  copy.warp = &warp;
  copy.issued = &in;
  copy.lane = lane;
  copy.group = commits(copy.thread());
  if ((in.flags & kBulkMulticast) != 0 && row<u16>(warp, in.operand[5])[lane] != 1) {
    raise(warp, in, lane, Fault::Kind::out_of_bounds,
          "a bulk copy to blocks of a cluster other than that of rank 0, the only one");
  }
  const u64 target = address_of(warp, in, lane, 0), source = address_of(warp, in, lane, 1);
  if (copy.to_shared()) {
    copy.barrier = address_of(warp, in, lane, 2);
    block_.check_object(warp, in, lane, copy.barrier);
  }
  if (in.size != 0) {
    issue_tensor(copy, target, source);
  } else {
    issue_bytes(copy, target, source);
  }
  if (copy.op != BulkOp::prefetch) begin(copy);
}

void BulkCopies::issue_tensor(BulkCopy& copy, u64 target, u64 source) {
  Warp& warp = *copy.warp;
  const Instruction& in = *copy.issued;
  // Where there is no mbarrier, the tensor is the target.
  const bool loads = copy.op == BulkOp::load || copy.op == BulkOp::prefetch;
  const TensorMap map = map_at(warp, in, copy.lane, loads ? source : target);
  check_map(warp, in, copy.lane, map);
  std::array<std::int32_t, 5> coordinates{};
  for (unsigned i = 0; i < in.size; ++i) {
    coordinates[i] = row<s32>(warp, in.list[kBulkCoordinates + i])[copy.lane];
  }
  if (copy.op == BulkOp::prefetch) return;
  const u64 shared = loads ? target : source;
  if (shared % kTileAlignment != 0) raise_misaligned(warp, in, copy.lane, shared, kTileAlignment);
  copy.data_type = map.data_type;
  copy.fill_nan = map.fill_nan != 0;
  copy.bytes = static_cast<u32>(box_bytes(map));
  if (shared > warp.shared_bytes || copy.bytes > warp.shared_bytes - shared) {
    raise_bounds(warp, in, copy.lane, "shared memory", shared, copy.bytes, warp.shared_bytes);
  }
  copy.runs = box_runs(map, coordinates, static_cast<u32>(shared));
  if (!loads) {
    copy.runs.erase(
        std::remove_if(copy.runs.begin(), copy.runs.end(), [](const BulkRun& run) { return run.global == 0; }),
        copy.runs.end());
  }
}

void BulkCopies::issue_bytes(BulkCopy& copy, u64 target, u64 source) {
  Warp& warp = *copy.warp;
  const Instruction& in = *copy.issued;
  copy.bytes = row<u32>(warp, in.operand[3])[copy.lane];
  if (copy.bytes % kByteAlignment != 0) {
    const std::string message = fmt::format("a bulk copy of {} bytes, which is no multiple of 16", copy.bytes);
    raise(warp, in, copy.lane, Fault::Kind::misaligned, message.c_str());
  }
  for (const u64 address : {target, source}) {
    if (address % kByteAlignment != 0) raise_misaligned(warp, in, copy.lane, address, kByteAlignment);
  }
  if (copy.bytes == 0 || copy.op == BulkOp::prefetch) return;
  const bool loads = copy.to_shared(), within = copy.op == BulkOp::share || copy.op == BulkOp::share_reduce;
  const u64 shared = loads ? target : source;
  for (const u64 each : {shared, within ? source : shared}) {
    if (each > warp.shared_bytes || copy.bytes > warp.shared_bytes - each) {
      raise_bounds(warp, in, copy.lane, "shared memory", each, copy.bytes, warp.shared_bytes);
    }
  }
  if (within) copy.source = static_cast<u32>(source);
  copy.runs.push_back({within ? 0 : loads ? source : target, static_cast<u32>(shared), copy.bytes});
}

/// The addresses are right, or this raises; then the copy is on its way.
void BulkCopies::begin(BulkCopy& copy) {
  Warp& warp = *copy.warp;
  for (const BulkRun& run : copy.runs) {
    if (run.shared + run.bytes > warp.shared_bytes) {
      raise_bounds(warp, *copy.issued, copy.lane, "shared memory", run.shared, run.bytes, warp.shared_bytes);
    }
    if (run.global != 0) locate_bytes(warp, *copy.issued, copy.lane, run.global, run.bytes);
  }
  if (warp.strict != nullptr) {
    warp.strict->issued(copy);
    if (copy.to_shared()) {
      BulkCopy& latest = unawaited_[copy.barrier];
      latest.op = copy.op;
      latest.warp = copy.warp;
      latest.issued = copy.issued;
      latest.lane = copy.lane;
    }
  }
  if (warp.meter != nullptr) warp.meter->bulk(copy);
  // Whoever looks too early finds poison.
  if (copy.op == BulkOp::load || copy.op == BulkOp::share) {
    for (const BulkRun& run : copy.runs) std::memset(warp.shared + run.shared, 0xFF, run.bytes);
  }
  copies_.push_back(std::move(copy));
  ++unmoved_;
}

/// The bytes leave their source. What a load brings is read when it lands.
void BulkCopies::take(BulkCopy& copy) {
  if (copy.taken) return;
  copy.taken = true;
  const Warp& warp = *copy.warp;
  for (const BulkRun& run : copy.runs) {
    const auto* from = warp.shared + (copy.to_shared() ? copy.source : run.shared);
    copy.staged.insert(copy.staged.end(), from, from + run.bytes);
  }
}

void BulkCopies::land(BulkCopy& copy) {
  Warp& warp = *copy.warp;
  const auto type = static_cast<Type>(copy.issued->list[kBulkType]);
  const bool reduces = copy.op == BulkOp::reduce || copy.op == BulkOp::share_reduce;
  const std::byte* staged = copy.staged.data();
  for (const BulkRun& run : copy.runs) {
    auto* shared = reinterpret_cast<u8*>(warp.shared) + run.shared;
    if (copy.op == BulkOp::load) {
      if (run.global == 0) {
        fill(shared, run.bytes, copy);
        continue;
      }
      std::memcpy(shared, reinterpret_cast<const void*>(run.global), run.bytes);
      for (u32 at = 0; copy.data_type >= kFloat32Flushed && at < run.bytes; at += 4) {
        const u32 value = converted(copy.data_type, read<u32>(shared + at));
        std::memcpy(shared + at, &value, 4);
      }
      continue;
    }
    auto* to = copy.to_shared() ? shared : reinterpret_cast<u8*>(run.global);
    if (!reduces) {
      std::memcpy(to, staged, run.bytes);
    } else {
      const Type element = copy.issued->size != 0 ? kElementTypes[copy.data_type] : type;
      const auto combine = control::combine_element(element);
      const auto width = static_cast<u32>(ptx::size_of(element));
      for (u32 at = 0; at < run.bytes; at += width) {
        combine(static_cast<AtomicOp>(copy.issued->list[kBulkReduction]), to + at, staged + at);
      }
    }
    staged += run.bytes;
  }
  if (warp.strict != nullptr) warp.strict->landed(copy);
}

void BulkCopies::complete(BulkCopy& copy) {
  if (copy.moved) return;
  if (copy.op != BulkOp::load) take(copy);
  land(copy);
  copy.moved = true;
  copy.staged = {};
  --unmoved_;
  if (copy.to_shared()) {
    block_.complete_bytes(*copy.warp, *copy.issued, copy.lane, copy.barrier, copy.bytes);
  }
}

void BulkCopies::wait(unsigned thread, std::uint64_t keep, bool read) {
  for (BulkCopy& copy : copies_) {
    if (copy.to_shared() || copy.thread() != thread || copy.group + keep >= commits(thread)) continue;
    take(copy);
    Strict* strict = copy.warp->strict;
    if (strict != nullptr && !copy.freed) strict->source_free(copy);
    copy.freed = true;
    if (read) continue;
    complete(copy);
    if (strict != nullptr) strict->awaited(copy);
    copy.warp = nullptr;
  }
  const auto done = [](const BulkCopy& copy) { return copy.warp == nullptr; };
  copies_.erase(std::remove_if(copies_.begin(), copies_.end(), done), copies_.end());
  shorten();
}

/// A kernel may wait for no more than its sources, and store without end.
void BulkCopies::shorten() {
  constexpr std::size_t kKept = 256;
  if (copies_.size() < kKept) return;
  const auto forgotten = [](const BulkCopy& copy) {
    if (!copy.moved || !copy.freed) return false;
    if (copy.warp->strict != nullptr) copy.warp->strict->awaited(copy);
    return true;
  };
  copies_.erase(std::remove_if(copies_.begin(), copies_.end(), forgotten), copies_.end());
}

void BulkCopies::advance(Random& random) {
  std::size_t pick = random.below(unmoved_);
  std::size_t at = 0;
  for (;; ++at) {
    if (!copies_[at].moved && pick-- == 0) break;
  }
  BulkCopy& copy = copies_[at];
  // What comes from shared memory may be read long before it is written.
  if (copy.op != BulkOp::load && !copy.taken && random.below(2) == 0) return take(copy);
  complete(copy);
  if (copy.to_shared()) copies_.erase(copies_.begin() + static_cast<std::ptrdiff_t>(at));
}

void BulkCopies::finish() {
  for (BulkCopy& copy : copies_) {
    complete(copy);
    Strict* strict = copy.warp->strict;
    if (strict == nullptr || copy.to_shared()) continue;
    if (!copy.freed) strict->left_behind(copy);
    strict->awaited(copy);
  }
  for (const auto& [object, copy] : unawaited_) copy.warp->strict->left_behind(copy);
  copies_.clear();
}

namespace control {

void bulk_copy(Warp& warp, const Instruction& in, std::uint32_t mask) {
  for_lanes(mask, [&](unsigned lane) { warp.block->bulk().issue(warp, in, lane); });
}

void bulk_commit(Warp& warp, const Instruction&, std::uint32_t mask) {
  for_lanes(mask, [&](unsigned lane) { warp.block->bulk().commit(warp.index * unsigned{kLanes} + lane); });
}

/// immediate: groups that may go on; count: 1: it is enough that the sources have been read.
void bulk_wait(Warp& warp, const Instruction& in, std::uint32_t mask) {
  for_lanes(mask, [&](unsigned lane) {
    warp.block->bulk().wait(warp.index * unsigned{kLanes} + lane, static_cast<u64>(in.immediate), in.count != 0);
  });
}

}  // namespace control
}  // namespace emulator
