// Divergence: the paths of a warp, how they part, wait for each other and join again.
#include <algorithm>

#include "execute/block.hpp"
#include "execute/operations.hpp"
#include "measure/meter.hpp"
#include "strict/strict.hpp"

namespace emulator {
namespace {

bool same_place(const Path& a, const Path& b) {
  return a.ip == b.ip && a.frame == b.frame;
}

/// Collectives of one kind may meet although they stand at different instructions.
bool same_kind(const Path& a, const Path& b) {
  return a.state == b.state && a.members == b.members && a.ip->handler == b.ip->handler && a.ip->mode == b.ip->mode;
}

std::uint32_t popcount(std::uint32_t mask) {
  return static_cast<std::uint32_t>(__builtin_popcount(mask));
}

/// All paths of `group` stand at one place: they become one path that executes the instruction anew.
void unite(Warp& warp, const std::vector<std::size_t>& group) {
  Path& first = warp.paths[group[0]];
  for (std::size_t k = 1; k < group.size(); ++k) {
    first.mask |= warp.paths[group[k]].mask;
    warp.paths[group[k]].mask = 0;
  }
  first.state = Path::State::ready;
}

/// What run_watched shows the checks of one instruction, for collectives whose lanes stand at several.
void look_before(Warp& warp, const std::vector<std::size_t>& group) {
  for (const std::size_t index : group) {
    enter_path(warp, index);
    warp.strict->definedness.meet(warp, *warp.ip, warp.active);
  }
  for (const std::size_t index : group) {
    enter_path(warp, index);
    warp.strict->before(warp, *warp.ip, warp.active, warp.active);
  }
}

void look_after(Warp& warp, const std::vector<std::size_t>& group, std::uint32_t lanes_here) {
  for (const std::size_t index : group) {
    enter_path(warp, index);
    warp.strict->after(warp, *warp.ip, warp.active);
  }
  warp.strict->definedness.met(warp);
  if (warp.ip->handler == control::warp_barrier) warp.strict->races.warp_synchronised(warp, lanes_here);
}

/// The paths of `group` stand at different instructions of one collective.
void exchange(Warp& warp, const std::vector<std::size_t>& group, std::uint32_t lanes_here) {
  warp.exchange_lanes = lanes_here;
  if (warp.strict != nullptr) look_before(warp, group);
  const auto measure = [&](const Instruction& in) {
    if (warp.meter == nullptr) return;
    warp.meter->before(warp, in, warp.active, warp.active);
    warp.meter->after(warp, in, warp.active);
  };
  for (const auto phase : {Warp::Exchange::deposit, Warp::Exchange::collect}) {
    warp.exchange_phase = phase;
    for (const std::size_t index : group) {
      enter_path(warp, index);
      const Instruction& in = *warp.ip;
      if (phase == Warp::Exchange::deposit) measure(in);
      in.handler(warp, in, warp.active);
    }
  }
  warp.exchange_phase = Warp::Exchange::none;
  if (warp.strict != nullptr) look_after(warp, group, lanes_here);
  for (const std::size_t index : group) {
    Path& path = warp.paths[index];
    Count& count = warp.counts[path.ip - warp.code];
    count.warps += 1;
    count.threads += popcount(path.mask);
    path.ip += 1;
    path.state = Path::State::ready;
  }
}

}  // namespace

void park(Warp& warp, const Instruction& in, std::uint32_t lanes_here, Path::State state, std::uint32_t members) {
  const Path& current = warp.paths[warp.current];
  const int frame = current.frame;
  if (state != Path::State::barrier) {  // it will be executed, and counted, again
    Count& count = warp.counts[&in - warp.code];
    count.threads -= popcount(lanes_here);
    count.warps -= (warp.active & ~lanes_here) == 0 ? 1 : 0;
    warp.parked |= lanes_here;
  }
  warp.active &= ~lanes_here;
  warp.stop = warp.code;
  warp.paths.push_back({&in, lanes_here, members, frame, state});
}

void split(Warp& warp, std::uint32_t mask, const Instruction* target, const Instruction* otherwise) {
  const std::uint32_t others = warp.active & ~mask;
  if (others == 0) {
    warp.ip = target;
    return;
  }
  const int frame = warp.paths[warp.current].frame;
  warp.active = mask;
  warp.ip = target;
  warp.stop = warp.code;
  warp.paths.push_back({otherwise, others, 0, frame, Path::State::ready});
}

void enter_path(Warp& warp, std::size_t index) {
  const Path& path = warp.paths[index];
  const Frame& frame = warp.frames[static_cast<std::size_t>(path.frame)];
  warp.current = index;
  warp.ip = path.ip;
  warp.active = path.mask;
  warp.base[0] = warp.registers + frame.registers;
  warp.frame_local = frame.local;
}

void join_paths(Warp& warp) {
  auto& paths = warp.paths;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (paths[i].mask == 0 || paths[i].state != Path::State::ready) continue;
    for (std::size_t j = i + 1; j < paths.size(); ++j) {
      if (paths[j].state == Path::State::ready && same_place(paths[i], paths[j])) {
        paths[i].mask |= paths[j].mask;
        paths[j].mask = 0;
      }
    }
  }
  paths.erase(std::remove_if(paths.begin(), paths.end(), [](const Path& p) { return p.mask == 0; }), paths.end());
}

bool resolve_collectives(Warp& warp) {
  bool progress = false;
  const std::uint32_t live = warp.present & ~warp.exited;
  for (std::size_t i = 0; i < warp.paths.size(); ++i) {
    const Path path = warp.paths[i];
    if (path.mask == 0 || (path.state != Path::State::collective && path.state != Path::State::aligned)) continue;
    std::vector<std::size_t> group;
    std::uint32_t lanes_here = 0;
    bool one_place = true;
    for (std::size_t j = i; j < warp.paths.size(); ++j) {
      const Path& other = warp.paths[j];
      if (other.mask == 0 || !same_kind(path, other)) continue;
      if (path.state == Path::State::aligned && !same_place(path, other)) continue;
      group.push_back(j);
      lanes_here |= other.mask;
      one_place = one_place && same_place(path, other);
    }
    if ((path.members & live & ~lanes_here) != 0) continue;
    if (warp.strict != nullptr && path.state == Path::State::collective && (path.members & warp.exited) != 0) {
      raise_absent(warp, *path.ip, lanes_here);
    }
    if (one_place) {
      unite(warp, group);
    } else {
      exchange(warp, group, lanes_here);
    }
    progress = true;
  }
  if (progress) join_paths(warp);
  return progress;
}

}  // namespace emulator
