// What is counted of a block beside how often each instruction ran. The watched loop (execute/watch.cpp) shows the
// meter every instruction before and after.
#pragma once

#include <cstdint>
#include <vector>

#include "execute/access.hpp"
#include "measure/measurement.hpp"
#include "ptx/source_lines.hpp"

namespace emulator {

/// Of one instruction: what Count does not tell.
struct Tally {
  std::uint64_t divergent = 0;
  std::uint64_t splits = 0;
  std::uint64_t global_requests = 0;
  std::uint64_t sectors = 0;
  std::uint64_t least_sectors = 0;
  std::uint64_t shared_requests = 0;
  std::uint64_t passes = 0;
  std::uint64_t least_passes = 0;
  std::uint64_t global_load_bytes = 0;
  std::uint64_t global_store_bytes = 0;
  std::uint64_t shared_load_bytes = 0;
  std::uint64_t shared_store_bytes = 0;
  std::uint64_t local_load_bytes = 0;
  std::uint64_t local_store_bytes = 0;
  void add(const Tally& other);
};

class Meter {
 public:
  explicit Meter(const Program& program) : tallies_(program.code.size()) {}

  /// `mask`: the lanes that are about to execute `in`, not 0; `asked`: those before its guard was looked at.
  void before(Warp& warp, const Instruction& in, std::uint32_t asked, std::uint32_t mask);
  /// `done`: the lanes that have executed it; those that wait at it are not among them.
  void after(Warp& warp, const Instruction& in, std::uint32_t done);
  /// `in` was issued for `asked`, and no lane's guard let it pass.
  void skipped(Warp& warp, const Instruction& in, std::uint32_t asked);

  [[nodiscard]] const std::vector<Tally>& tallies() const { return tallies_; }

 private:
  std::vector<Tally> tallies_;
  // Of the instruction that is being executed: as it was before.
  bool divergent_ = false;
  std::size_t paths_ = 0;
  std::array<Access, 2> accesses_;
  unsigned made_ = 0;
};

/// What all blocks' counts and tallies make of a program whose PTX has the lines `text`.
Measurement summarise_measurement(const Program& program, const std::vector<Count>& counts,
                                  const std::vector<Tally>& tallies, const std::vector<std::string>& text,
                                  const ptx::SourceLines& sources);

}  // namespace emulator
