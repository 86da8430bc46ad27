// Calls and returns (PTX ISA 9.7.12.5, 9.7.12.6). Local variables lie in a frame behind the caller's; registers have
// their place by function and level of recursion, since lanes may be in different functions at the same time. Frames
// form a tree, so that lanes with the same history share one and can join again.
#include <algorithm>

#include "execute/block.hpp"
#include "execute/lanes/row.hpp"
#include "execute/operations.hpp"
#include "strict/strict.hpp"

namespace emulator::control {
namespace {

using namespace emulator::baseline;

constexpr std::size_t kFramesKept = 256;

unsigned first_lane(std::uint32_t mask) {
  return static_cast<unsigned>(__builtin_ctz(mask));
}

void copy_argument(Warp& warp, std::uint32_t mask, std::uint32_t from, std::uint32_t to, std::uint32_t bytes) {
  if (warp.strict != nullptr) warp.strict->definedness.argument(warp, mask, from, to, bytes);
  for (; mask != 0; mask &= mask - 1) {
    std::byte* local = warp.local + first_lane(mask) * warp.local_bytes;
    std::copy(local + from, local + from + bytes, local + to);
  }
}

/// Drops the frames that no path will return through: recursion makes a new history with every call.
void drop_unused_frames(Warp& warp) {
  std::vector<int> moved(warp.frames.size(), -1);
  const auto mark = [&](int frame) {
    for (; frame >= 0 && moved[static_cast<std::size_t>(frame)] < 0;
         frame = warp.frames[static_cast<std::size_t>(frame)].parent) {
      moved[static_cast<std::size_t>(frame)] = 0;
    }
  };
  mark(0);
  for (const Path& path : warp.paths) mark(path.frame);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < moved.size(); ++i) {
    if (moved[i] < 0) continue;
    moved[i] = static_cast<int>(kept);
    warp.frames[kept++] = warp.frames[i];
  }
  warp.frames.resize(kept);
  // A parent lies before its children, so its new place is known.
  for (Frame& frame : warp.frames) frame.parent = frame.parent < 0 ? -1 : moved[static_cast<std::size_t>(frame.parent)];
  for (Path& path : warp.paths) path.frame = moved[static_cast<std::size_t>(path.frame)];
}

/// The callee's frame for lanes that call from `in` in the frame of the running path, which may be renumbered.
int find_frame(Warp& warp, std::uint32_t site, std::uint32_t function, const Instruction& in, std::uint32_t mask) {
  if (warp.frames.size() >= kFramesKept && warp.frames.size() >= 2 * warp.frames_kept) {
    drop_unused_frames(warp);
    warp.frames_kept = warp.frames.size();
  }
  const int parent = warp.paths[warp.current].frame;
  for (std::size_t i = warp.frames.size(); i-- > 1;) {
    const Frame& frame = warp.frames[i];
    if (frame.parent == parent && frame.return_to == &in + 1 && frame.function == function) return static_cast<int>(i);
  }
  const Frame& caller = warp.frames[static_cast<std::size_t>(parent)];
  const FunctionFrame& size = warp.program->functions[caller.function];
  const FunctionFrame& callee = warp.program->functions[function];
  const std::uint32_t from_level = caller.registers - size.registers_at;
  const std::uint32_t level = callee.order > size.order ? from_level : from_level + warp.program->level_bytes;
  Frame frame{parent, site, &in + 1, callee.registers_at + level, caller.local + size.local_bytes, function};
  if (frame.registers + callee.register_bytes > warp.program->register_bytes ||
      frame.local + callee.local_bytes > warp.program->local_bytes) {
    raise(warp, in, first_lane(mask), Fault::Kind::out_of_bounds, "the stack of calls is too deep");
  }
  warp.frames.push_back(frame);
  return static_cast<int>(warp.frames.size() - 1);
}

/// Hands the arguments of the lanes over and returns the frame they go on in.
int enter(Warp& warp, const Instruction& in, std::uint32_t mask, std::uint32_t function) {
  const auto site = static_cast<std::uint32_t>(in.immediate);
  const int index = find_frame(warp, site, function, in, mask);
  const Frame& frame = warp.frames[static_cast<std::size_t>(index)];
  if (warp.strict != nullptr) warp.strict->definedness.called(warp, mask, frame);
  for (const Argument& argument : warp.program->calls[site].arguments) {
    copy_argument(warp, mask, warp.frame_local + argument.caller, frame.local + argument.callee, argument.bytes);
  }
  return index;
}

/// The function that a lane's pointer names.
std::uint32_t function_at(const Warp& warp, const Instruction& in, unsigned lane, std::uint64_t address) {
  const CallSite& site = warp.program->calls[static_cast<std::size_t>(in.immediate)];
  const auto& functions = warp.program->functions;
  for (std::uint32_t number = 1; number < functions.size(); ++number) {
    if (functions[number].address != address) continue;
    if (functions[number].signature != site.signature) {
      raise(warp, in, lane, Fault::Kind::trap, "a call of a function whose parameters are not those of the prototype");
    }
    return number;
  }
  raise(warp, in, lane, Fault::Kind::out_of_bounds, "a call of an address where no function begins");
}

}  // namespace

void call(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const std::uint32_t function = warp.program->calls[static_cast<std::size_t>(in.immediate)].function;
  split(warp, mask, warp.code + warp.program->functions[function].code, &in + 1);
  const int index = enter(warp, in, mask, function);
  const Frame& frame = warp.frames[static_cast<std::size_t>(index)];
  warp.paths[warp.current].frame = index;
  warp.base[0] = warp.registers + frame.registers;
  warp.frame_local = frame.local;
  warp.stop = warp.paths.size() > 1 ? warp.code : warp.stop;
}

/// operand[0]: the pointers. Lanes with different ones part.
void call_indirect(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const u64* pointers = row<u64>(warp, in.operand[0]);
  const u32 skipped = warp.active & ~mask;
  warp.stop = warp.code;
  if (skipped != 0) warp.paths.push_back({&in + 1, skipped, 0, warp.paths[warp.current].frame, Path::State::ready});
  for (u32 left = mask; left != 0;) {
    const unsigned lane = first_lane(left);
    const std::uint64_t address = pointers[lane];
    const std::uint32_t function = function_at(warp, in, lane, address);
    u32 same = 0;
    for_lanes(left, [&](unsigned i) { same |= pointers[i] == address ? 1u << i : 0u; });
    left &= ~same;
    const int index = enter(warp, in, same, function);
    warp.paths.push_back({warp.code + warp.program->functions[function].code, same, 0, index, Path::State::ready});
  }
  warp.active = 0;
}

void ret(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const int index = warp.paths[warp.current].frame;
  if (index == 0) return exit(warp, in, mask);
  const Frame frame = warp.frames[static_cast<std::size_t>(index)];
  const Frame caller = warp.frames[static_cast<std::size_t>(frame.parent)];
  const CallSite& site = warp.program->calls[frame.site];
  for (const Argument& result : site.results) {
    copy_argument(warp, mask, frame.local + result.callee, caller.local + result.caller, result.bytes);
  }
  split(warp, mask, frame.return_to, &in + 1);
  warp.paths[warp.current].frame = frame.parent;
  warp.base[0] = warp.registers + caller.registers;
  warp.frame_local = caller.local;
  warp.stop = warp.paths.size() > 1 ? warp.code : warp.stop;
}

}  // namespace emulator::control
