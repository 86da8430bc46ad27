// Global memory: blocks of one launch run in any order and at the same time, so only atomics and fences order them.
#include "execute/block.hpp"
#include "strict/race_lane.hpp"

namespace emulator {
namespace {

Extent extent_of(Warp& warp, const Instruction& in, std::uint64_t address, std::size_t bytes) {
  const Extent& hint = warp.hints[&in - warp.code];
  return hint.holds(address, bytes) ? hint : warp.block->memory().find(address);
}

}  // namespace

bool Races::ordered(const GlobalTouch& before) const {
  if (before.epoch == 0 || before.block == index_) return true;
  const auto known = known_.find(before.block);
  return known != known_.end() && before.epoch <= known->second;
}

void Races::global(const Lane& origin, LaunchRaces::Guard& guard) {
  using Scope = InstructionNote::Scope;
  Lane lane = origin;
  if (lane.writes()) check_copies(lane);
  // Strong within a smaller scope is no more than weak between blocks.
  lane.strong = lane.strong && lane.note.scope != Scope::cta && lane.note.scope != Scope::cluster;
  const Extent extent = extent_of(lane.warp, lane.in, lane.address, lane.bytes);
  if (extent.traces == nullptr || !extent.holds(lane.address, lane.bytes)) return;
  if (lane.kind == Access::Kind::store && !lane.asynchronous && lane.note.register_bytes != 0) lane.fetch_value();
  auto* cells = reinterpret_cast<GlobalCell*>(extent.traces);
  const std::uint64_t end = lane.address + lane.bytes;
  for (std::uint64_t at = lane.address; at < end;) {
    const std::uint64_t word = (at - extent.begin) / 4;
    const std::uint64_t behind = std::min(end, extent.begin + word * 4 + 4);
    const auto bytes = static_cast<unsigned>(((1u << (behind - at)) - 1) << ((at - extent.begin) % 4));
    guard.enter(at);
    global_word(lane, cells[word], at, bytes);
    at = behind;
  }
  // A plain store lands before other host threads may look at its trace: who writes the same value compares with it.
  // The handler stores the same once more, which nobody can tell who does not race with it.
  if (lane.has_value && !lane.strong) {
    std::memcpy(reinterpret_cast<std::byte*>(lane.address), lane.value.data(), lane.bytes);
  }
  if (lane.strong) order_global(lane);
}

void Races::bulk_global(const BulkCopy& copy, Access::Kind kind) {
  Warp& warp = *copy.warp;
  const auto code = static_cast<std::uint32_t>(copy.issued - warp.code);
  LaunchRaces::Guard guard(launch_);
  for (const BulkRun& run : copy.runs) {
    if (run.global == 0) continue;
    const Extent extent = extent_of(warp, *copy.issued, run.global, run.bytes);
    if (extent.traces == nullptr || !extent.holds(run.global, run.bytes)) continue;
    const Lane lane{warp,
                    *copy.issued,
                    block_.program().notes[code],
                    code,
                    copy.lane,
                    kind,
                    kind == Access::Kind::atomic,  // its elements are relaxed operations of the device's scope
                    true,
                    false,
                    run.global,
                    run.bytes,
                    {}};
    auto* cells = reinterpret_cast<GlobalCell*>(extent.traces);
    for (std::uint64_t at = run.global; at < run.global + run.bytes;) {
      const std::uint64_t word = (at - extent.begin) / 4;
      const std::uint64_t behind = std::min(run.global + run.bytes, extent.begin + word * 4 + 4);
      guard.enter(at);
      global_word(lane, cells[word], at,
                  static_cast<unsigned>(((1u << (behind - at)) - 1) << ((at - extent.begin) % 4)));
      at = behind;
    }
  }
}

void Races::global_word(const Lane& lane, GlobalCell& cell, std::uint64_t at, unsigned bytes) {
  if (cell.launch != launch_.launch()) {
    cell = {};
    cell.launch = launch_.launch();
  }
  const char* mine = lane.kind == Access::Kind::load    ? "a read"
                     : lane.kind == Access::Kind::store ? "a write"
                                                        : "an atomic operation";
  const auto collides = [&](const GlobalTouch& other) { return (other.bytes & bytes) != 0 && !ordered(other); };
  const auto same = [&] {
    const auto count = static_cast<std::size_t>(__builtin_popcount(bytes));
    return lane.has_value &&
           std::memcmp(reinterpret_cast<const std::byte*>(at), lane.value.data() + (at - lane.address), count) == 0;
  };
  // Strong accesses do not race among themselves. Nor do a plain read and an atomic write of another block here: there
  // is no telling which is meant to come first, loops around atom.cas begin so, and what is read is whole.
  if (collides(cell.weak) && !same()) raise_global(lane, at, cell.weak, cell.weak_thread, mine, "a write");
  if (!lane.strong && lane.writes() && collides(cell.write) && !same()) {
    raise_global(lane, at, cell.write, cell.write_thread, mine, "a write");
  }
  GlobalTouch now;
  now.block = index_;
  now.epoch = epoch_;
  now.code = lane.code & 0xFFFFFFu;
  now.bytes = bytes & 15u;
  now.strong = lane.strong ? 1u : 0u;
  const auto thread = static_cast<std::uint16_t>(lane.thread());
  if (!lane.writes()) {
    const bool fresh = cell.read.epoch == 0 || ordered(cell.read);
    if (fresh) {
      if (cell.read.epoch != 0 && cell.read.block == index_) {
        now.bytes |= cell.read.bytes;
        now.several = cell.read.several;
        now.strong &= cell.read.strong;
      }
      cell.read = now;
      cell.read_thread = thread;
    } else {
      cell.read.bytes |= now.bytes;
      cell.read.strong &= now.strong;
      cell.read.several = 1;
    }
    return;
  }
  if (!lane.strong && collides(cell.read)) raise_global(lane, at, cell.read, cell.read_thread, mine, "a read");
  // Other readers than the one on record are known only by their number: where nothing at all orders blocks, it is
  // enough.
  const bool crowd = cell.read.several != 0 && cell.read.block == index_ && (cell.read.bytes & bytes) != 0;
  if (crowd && known_.empty() && !lane.strong) {
    GlobalTouch unknown = cell.read;
    unknown.epoch = 0;
    raise_global(lane, at, unknown, 0, mine, "a read");
  }
  if (cell.write.epoch != 0 && cell.write.block == index_) now.bytes |= cell.write.bytes;
  cell.write = now;
  cell.write_thread = thread;
  if (lane.strong) return;
  if (cell.weak.epoch != 0 && cell.weak.block == index_) now.bytes |= cell.weak.bytes;
  cell.weak = now;
  cell.weak_thread = thread;
}

void Races::order_global(const Lane& lane) {
  using Order = InstructionNote::Order;
  const bool releases = lane.note.order == Order::release || lane.note.order == Order::acq_rel;
  if (lane.reads()) looked_at_.push_back(lane.address);
  if (!lane.writes()) return;
  block_.give_way(lane.warp);
  if (releases) {
    launch_.release(lane.address, known_, index_, epoch_++);
  } else if (fenced_ != 0) {
    launch_.release(lane.address, known_, index_, fenced_);
  }
}

/// Other blocks release while this one reads: what belongs to the value that was read is there only after the read.
void Races::acquire_global(const InstructionNote& note) {
  using Order = InstructionNote::Order;
  const bool acquires = note.order == Order::acquire || note.order == Order::acq_rel;
  for (const std::uint64_t address : looked_at_) launch_.acquire(address, acquires ? known_ : pending_);
  looked_at_.clear();
}

/// A copy's source must not change until the copy was waited for.
void Races::check_copies(const Lane& lane) {
  for (unsigned w = 0; w < block_.warps(); ++w) {
    const Warp& warp = block_.warp(w);
    for (const PendingCopy& copy : warp.copies) {
      for (std::uint32_t left = copy.mask; left != 0; left &= left - 1) {
        const auto i = static_cast<unsigned>(__builtin_ctz(left));
        if (copy.wanted[i] == 0) continue;
        if (lane.address >= copy.source[i] + copy.wanted[i] || copy.source[i] >= lane.address + lane.bytes) continue;
        const Touch touch{
            0, static_cast<std::uint32_t>(copy.issued - warp.code), 1u << i, static_cast<std::uint8_t>(w), false, true};
        raise_in_flight(lane, touch, "writes the source of a copy in flight");
      }
    }
  }
}

}  // namespace emulator
