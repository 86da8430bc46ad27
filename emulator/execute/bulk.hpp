// Bulk asynchronous copies (PTX ISA 9.7.9.25.4 and 9.7.9.25.5) between global memory and a block's shared memory. A
// thread issues them; the bytes move at some time between then and the completion that the program waits for, in any
// order: that of an mbarrier's phase for what goes to shared memory, that of the thread's group for what comes from it.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "execute/machine.hpp"
#include "execute/tile.hpp"

namespace emulator {

class Random;

/// Instruction::mode of control::bulk_copy.
enum class BulkOp : std::uint8_t { load, store, reduce, share, share_reduce, prefetch };

// Instruction::list of control::bulk_copy: three words for each of the addresses in operands 0 (target), 1 (source or
// tensor map) and 2 (mbarrier): what its register is (2: none), and the two halves of the offset; the reduction; the
// type of its elements; the coordinates, of which Instruction::size says how many. Without any the copy is of bytes,
// and operand 3 holds how many.
constexpr std::size_t kBulkReduction = 9;
constexpr std::size_t kBulkType = 10;
constexpr std::size_t kBulkCoordinates = 11;

constexpr std::uint8_t kBulkMulticast = 1;  ///< Instruction::flags: operand 5 says to which blocks of the cluster

/// One that has not come to its end.
struct BulkCopy {
  BulkOp op = BulkOp::load;
  Warp* warp = nullptr;
  const Instruction* issued = nullptr;
  unsigned lane = 0;
  std::uint32_t group = 0;     ///< of the thread's groups the one that holds it
  std::uint64_t barrier = 0;   ///< the mbarrier's offset in shared memory
  std::uint32_t bytes = 0;     ///< that it is told of
  std::uint8_t data_type = 0;  ///< of a tensor map; 0 for copies of bytes
  bool fill_nan = false;
  bool taken = false;        ///< the source has been read
  std::uint32_t source = 0;  ///< of a copy within shared memory
  bool moved = false;        ///< all bytes are where they belong
  bool freed = false;        ///< the thread knows that the source has been read
  unsigned agent = 0;        ///< of strict mode's book-keeping
  std::vector<BulkRun> runs;
  std::vector<std::byte> staged;  ///< what was read

  [[nodiscard]] bool to_shared() const {
    return op == BulkOp::load || op == BulkOp::share || op == BulkOp::share_reduce;
  }
  [[nodiscard]] unsigned thread() const { return warp->index * unsigned{kLanes} + lane; }
};

/// The bulk copies of one block.
class BulkCopies {
 public:
  explicit BulkCopies(Block& block) : block_(block) {}
  void reset();
  /// Whether some have not moved all of their bytes.
  [[nodiscard]] bool any() const { return unmoved_ != 0; }

  void issue(Warp& warp, const Instruction& in, unsigned lane);
  void commit(unsigned thread);
  /// All but the latest `keep` groups of the thread come to their end, or at least their sources have been read.
  void wait(unsigned thread, std::uint64_t keep, bool read);

  /// Somebody has seen a phase of this mbarrier end.
  void awaited(std::uint64_t object) { unawaited_.erase(object); }

  /// Some copy gets on.
  void advance(Random& random);
  /// The block ends.
  void finish();

 private:
  void issue_tensor(BulkCopy& copy, std::uint64_t target, std::uint64_t source);
  void issue_bytes(BulkCopy& copy, std::uint64_t target, std::uint64_t source);
  void begin(BulkCopy& copy);
  void take(BulkCopy& copy);
  void land(BulkCopy& copy);
  void complete(BulkCopy& copy);
  void shorten();
  [[nodiscard]] std::uint32_t& commits(unsigned thread);

  Block& block_;
  std::vector<BulkCopy> copies_;  ///< not moved, or from shared memory and not waited for
  std::size_t unmoved_ = 0;
  std::unordered_map<std::uint64_t, BulkCopy> unawaited_;  ///< by mbarrier: of strict launches the latest copy to it
  std::vector<std::uint32_t> commits_;                     ///< groups each thread has closed
};

}  // namespace emulator
