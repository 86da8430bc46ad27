#include "measure/meter.hpp"

#include "execute/block.hpp"
#include "execute/operations.hpp"
#include "measure/banks.hpp"
#include "measure/sectors.hpp"

namespace emulator {
namespace {

/// Bytes of the lanes that lie in a space.
std::uint64_t bytes_in(const Access& access, ptx::Space space, bool matrix) {
  std::uint64_t bytes = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((access.mask >> lane & 1u) != 0 && access.space[lane] == space) bytes += matrix ? 16 : access.used[lane];
  }
  return bytes;
}

void count(Tally& tally, const Access& access, bool matrix) {
  const std::uint64_t global = bytes_in(access, ptx::Space::global, matrix);
  const std::uint64_t shared = bytes_in(access, ptx::Space::shared, matrix);
  const std::uint64_t local = bytes_in(access, ptx::Space::local, matrix);
  if (access.kind != Access::Kind::store) {
    tally.global_load_bytes += global;
    tally.shared_load_bytes += shared;
    tally.local_load_bytes += local;
  }
  if (access.kind != Access::Kind::load) {
    tally.global_store_bytes += global;
    tally.shared_store_bytes += shared;
    tally.local_store_bytes += local;
  }
  if (global != 0) {
    const Sectors wanted = sectors(access);
    tally.global_requests += 1;
    tally.sectors += wanted.touched;
    tally.least_sectors += wanted.least;
  }
  if (shared != 0) {
    const BankPasses banks = bank_passes(access);
    tally.shared_requests += 1;
    tally.passes += banks.passes;
    tally.least_passes += banks.least;
  }
}

bool may_split(const Instruction& in) {
  return in.handler == control::branch || in.handler == control::branch_indexed || in.handler == control::call ||
         in.handler == control::ret;
}

}  // namespace

void Meter::before(Warp& warp, const Instruction& in, std::uint32_t asked, std::uint32_t mask) {
  divergent_ = asked != (warp.present & ~warp.exited);
  paths_ = warp.paths.size();
  made_ = accesses_of(warp, in, mask, accesses_);
}

void Meter::after(Warp& warp, const Instruction& in, std::uint32_t done) {
  if (done == 0) return;  // its lanes wait and will execute it again
  const auto index = static_cast<std::size_t>(&in - warp.code);
  Tally& tally = tallies_[index];
  tally.splits += warp.paths.size() > paths_ && may_split(in) ? 1 : 0;
  tally.divergent += divergent_ ? 1 : 0;
  for (unsigned i = 0; i < made_; ++i) count(tally, accesses_[i], warp.program->notes[index].matrix);
}

void Meter::skipped(Warp& warp, const Instruction& in, std::uint32_t asked) {
  tallies_[static_cast<std::size_t>(&in - warp.code)].divergent += asked != (warp.present & ~warp.exited) ? 1 : 0;
}

void Tally::add(const Tally& other) {
  divergent += other.divergent;
  splits += other.splits;
  global_requests += other.global_requests;
  sectors += other.sectors;
  least_sectors += other.least_sectors;
  shared_requests += other.shared_requests;
  passes += other.passes;
  least_passes += other.least_passes;
  global_load_bytes += other.global_load_bytes;
  global_store_bytes += other.global_store_bytes;
  shared_load_bytes += other.shared_load_bytes;
  shared_store_bytes += other.shared_store_bytes;
  local_load_bytes += other.local_load_bytes;
  local_store_bytes += other.local_store_bytes;
}

}  // namespace emulator
