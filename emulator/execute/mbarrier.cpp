// mbarrier (PTX ISA 9.7.13.15). The object is opaque: here its eight bytes hold the expected and the pending count, the
// bytes still to come, the phase, and a tag that tells it from memory where none was initialised.
#include <algorithm>
#include <cstring>
#include <string>

#include "execute/block.hpp"
#include "execute/lanes/address.hpp"
#include "measure/meter.hpp"
#include "strict/strict.hpp"

namespace emulator {
namespace {

using namespace emulator::baseline;

constexpr u64 kMaxCount = (u64{1} << 20) - 1;  // 9.7.13.15.2
constexpr u64 kTag = 2;

struct Object {
  u64 expected = 0, pending = 0;
  s64 bytes = 0;
  u64 phase = 0;

  static bool read(u64 word, Object& object) {
    if (word >> 62 != kTag) return false;
    object.expected = word & kMaxCount;
    object.pending = word >> 20 & kMaxCount;
    object.bytes = static_cast<s64>(word >> 40 & ((u64{1} << 21) - 1)) - (s64{1} << 20);
    object.phase = word >> 61 & 1;
    return true;
  }
  [[nodiscard]] u64 word() const {
    return kTag << 62 | phase << 61 | static_cast<u64>(bytes + (s64{1} << 20)) << 40 | pending << 20 | expected;
  }
};

/// One lane's business with an object.
class Visit {
 public:
  Visit(Warp& warp, const Instruction& in, unsigned lane, u64 address)
      : Visit(warp, in, lane, address, static_cast<ptx::Space>(in.size),
              static_cast<MbarrierOp>(in.mode) == MbarrierOp::init) {}
  /// `settled`: what an instruction asked for happens now, behind it.
  Visit(Warp& warp, const Instruction& in, unsigned lane, u64 address, ptx::Space space, bool fresh,
        bool settled = false)
      : warp_(warp), in_(in), lane_(lane), settled_(settled) {
    if (space == ptx::Space::generic) {
      if ((address & kWindowMask) != kSharedWindow)
        fail("an mbarrier object lies in shared memory, this address does not");
      address &= ~kWindowMask;
    }
    at_ = locate_one(warp, in, lane, ptx::Space::shared, address, 8);
    offset_ = address;
    const bool known = Object::read(baseline::read<u64>(at_), object);
    if (!known && !fresh) {
      fail("there is no mbarrier object here: it was never initialised, or invalidated, or overwritten");
    }
  }
  [[noreturn]] void fail(const char* message) const { raise(warp_, in_, lane_, Fault::Kind::mbarrier, message); }
  [[nodiscard]] u64 offset() const { return offset_; }
  void store() const {
    const u64 word = object.word();
    std::memcpy(at_, &word, 8);
    if (warp_.strict != nullptr) warp_.strict->definedness.initialised(offset_, 8);
  }
  void poison() const { std::memset(at_, 0xFF, 8); }

  void expect(s64 bytes) {
    object.bytes += bytes;
    if (object.bytes > static_cast<s64>(kMaxCount) || object.bytes < -static_cast<s64>(kMaxCount)) {
      fail("more bytes are expected of an mbarrier than it can count");
    }
  }

  void arrive(u64 count, bool drops, bool may_complete) {
    if (count == 0 || count > object.pending) {
      fail(object.pending == 0
               ? "an arrival at an mbarrier whose arrivals of this phase are complete: it waits for bytes"
               : "more arrivals at an mbarrier than its phase still waits for");
    }
    if (drops) object.expected -= std::min(count, object.expected);
    object.pending -= count;
    if (warp_.meter != nullptr && !settled_) warp_.meter->adds_to(offset_);
    const bool ordered = note().order != InstructionNote::Order::relaxed;
    if (warp_.strict != nullptr && ordered) warp_.strict->races.object_arrived(warp_, 1u << lane_, offset_);
    if (!may_complete && object.pending == 0) fail("an arrival with .noComplete completes the phase");
    complete();
  }

  /// The phase ends when nobody and nothing is missing.
  void complete() {
    if (object.pending != 0 || object.bytes != 0) return;
    object.phase ^= 1;
    object.pending = object.expected;
    warp_.block->made_progress();
    if (warp_.strict != nullptr) warp_.strict->races.object_completed(offset_);
    if (warp_.meter != nullptr) warp_.meter->phase_completed(offset_);
  }

  [[nodiscard]] bool wait(bool complete, bool may_fail) {
    if (complete && may_fail && warp_.block->random().below(8) == 0) return false;  // as when its time is up
    if (warp_.meter != nullptr) warp_.meter->awaited(warp_, offset_, complete);
    if (!complete) warp_.block->poll_failed(warp_, in_, lane_, wanting());
    const bool ordered = note().order != InstructionNote::Order::relaxed;
    if (complete && ordered && warp_.strict != nullptr) {
      warp_.strict->races.object_awaited(warp_, 1u << lane_, offset_);
    }
    if (complete) warp_.block->bulk().awaited(offset_);
    return complete;
  }

  /// What the phase still waits for, in words.
  [[nodiscard]] std::string wanting() const {
    return "the object at offset " + std::to_string(offset_) + " of shared memory still waits for " +
           std::to_string(object.pending) + (object.pending == 1 ? " arrival and " : " arrivals and ") +
           (object.bytes >= 0 ? std::to_string(object.bytes) + " bytes"
                              : std::to_string(-object.bytes) + " bytes fewer than have come");
  }

  Object object;

 private:
  [[nodiscard]] const InstructionNote& note() const {
    return warp_.program->notes[static_cast<std::size_t>(&in_ - warp_.code)];
  }
  Warp& warp_;
  const Instruction& in_;
  unsigned lane_;
  const bool settled_;
  u8* at_ = nullptr;
  u64 offset_ = 0;
};

/// Only init races with what others do to the object. inval does not: libcu++'s pipelines end theirs when one lane of
/// each warp has said that the warp is done, which orders no other lane's last look.
Access::Kind touch_of(MbarrierOp op) {
  switch (op) {
    case MbarrierOp::init:
      return Access::Kind::store;
    case MbarrierOp::wait_state:
    case MbarrierOp::wait_parity:
      return Access::Kind::load;
    default:
      return Access::Kind::atomic;
  }
}

void initialise(Visit& visit, u64 count) {
  if (count == 0 || count > kMaxCount) visit.fail("an mbarrier expects 1 to 1048575 arrivals");
  visit.object = {count, count, 0, 0};
  visit.store();
}

}  // namespace

namespace control {

/// operand: result, address, count or bytes or state or parity. mode: MbarrierOp. size: the space. count: whether the
/// result is wanted; for a wait, whether it may fail for no reason.
void mbarrier(Warp& warp, const Instruction& in, std::uint32_t mask) {
  u64 address[kLanes];
  addresses(warp, in, 1, address);
  const auto op = static_cast<MbarrierOp>(in.mode);
  const bool by_state = op == MbarrierOp::wait_state;
  for_lanes(mask, [&](unsigned lane) {
    Visit visit(warp, in, lane, address[lane]);
    if (warp.strict != nullptr) warp.strict->races.object_touched(warp, in, lane, visit.offset(), touch_of(op));
    const bool operand = op != MbarrierOp::inval;
    const u64 value = !operand   ? 0
                      : by_state ? row<u64>(warp, in.operand[2])[lane]
                                 : row<u32>(warp, in.operand[2])[lane];
    const u64 state = visit.object.word();
    switch (op) {
      case MbarrierOp::init:
        if (warp.strict != nullptr)
          warp.strict->objects.initialised(warp.index * unsigned{kLanes} + lane, visit.offset());
        return initialise(visit, value);
      case MbarrierOp::inval:
        return visit.poison();
      case MbarrierOp::expect_tx:
        visit.expect(static_cast<s64>(value));
        break;
      case MbarrierOp::complete_tx:
        visit.expect(-static_cast<s64>(value));
        visit.complete();
        break;
      case MbarrierOp::arrive:
      case MbarrierOp::drop:
        visit.arrive(value, op == MbarrierOp::drop, true);
        break;
      case MbarrierOp::arrive_quietly:
      case MbarrierOp::drop_quietly:
        visit.arrive(value, op == MbarrierOp::drop_quietly, false);
        break;
      case MbarrierOp::arrive_expect:
      case MbarrierOp::drop_expect:
        visit.expect(static_cast<s64>(value));
        visit.arrive(1, op == MbarrierOp::drop_expect, true);
        break;
      case MbarrierOp::wait_state:
      case MbarrierOp::wait_parity: {
        Object before;
        if (by_state && !Object::read(value, before)) visit.fail("a state that no arrival at an mbarrier returned");
        const u64 phase = by_state ? before.phase : value & 1;
        const bool done = visit.wait(visit.object.phase != phase, in.count != 0);
        return commit_mask(mask_row(warp, in.operand[0]), done ? kAllLanes : 0, 1u << lane);
      }
      case MbarrierOp::copies:
        if (++visit.object.pending > kMaxCount) visit.fail("more arrivals than an mbarrier can count");
        [[fallthrough]];
      case MbarrierOp::copies_counted:
        warp.block->arrive_after_copies(warp, in, lane, visit.offset());
        if (warp.meter != nullptr) warp.meter->adds_to(visit.offset());
        break;
    }
    visit.store();
    if (in.count != 0) row<u64>(warp, in.operand[0])[lane] = state;
  });
}

/// mbarrier.pending_count d, state.
void mbarrier_pending(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const u64* states = row<u64>(warp, in.operand[2]);
  u32* d = row<u32>(warp, in.operand[0]);
  for_lanes(mask, [&](unsigned lane) {
    Object object;
    if (!Object::read(states[lane], object)) {
      raise(warp, in, lane, Fault::Kind::mbarrier, "a state that no arrival at an mbarrier returned");
    }
    d[lane] = static_cast<u32>(object.pending);
  });
}

}  // namespace control

void Block::arrive_after_copies(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t object) {
  arrivals_.push_back({&warp, &in, lane, object, warp.copies_begun});
}

/// In the order in which they were asked for: the copies land, then the arrival happens.
void Block::settle_arrivals(std::size_t count) {
  for (; count > 0; --count) {
    const Arrival next = arrivals_.front();
    arrivals_.pop_front();
    land_before(*next.warp, next.lane, next.serial);
    Visit visit(*next.warp, *next.in, next.lane, next.object, ptx::Space::shared, false, true);
    visit.arrive(1, false, true);
    visit.store();
  }
}

void Block::check_object(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t object) {
  const Visit visit(warp, in, lane, object, ptx::Space::shared, false);
}

void Block::complete_bytes(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t object,
                           std::uint32_t bytes) {
  Visit visit(warp, in, lane, object, ptx::Space::shared, false);
  visit.expect(-static_cast<s64>(bytes));
  visit.complete();
  visit.store();
}

void Block::poll_failed(Warp& warp, const Instruction& in, unsigned lane, const std::string& wanting) {
  constexpr std::uint32_t kPatience = 1 << 15;
  // Others have to do something first.
  turn_over_ = true;
  warp.stop = warp.ip;
  std::uint32_t& polls = polls_[warp.index];
  if (++polls % kPatience != 0 || !arrivals_.empty() || bulk_.any()) return;
  for (const Warp& other : warps_) {
    const auto running = static_cast<std::size_t>(std::count_if(
        other.paths.begin(), other.paths.end(), [](const Path& p) { return p.state == Path::State::ready; }));
    if (running > 1 || (running == 1 && polls_[other.index] < kPatience)) return;
  }
  const std::string message =
      "every thread of the block waits, here for an mbarrier phase that nobody is left to complete: " + wanting;
  raise(warp, in, lane, Fault::Kind::deadlock, message.c_str());
}

}  // namespace emulator
