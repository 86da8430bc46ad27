// How definedness flows through an instruction: what the decoder tells the strict checks of it.
#pragma once

#include <cstdint>

namespace emulator {

enum class Flow : std::uint8_t {
  whole,      ///< one undefined bit in a lane's sources makes all its destinations undefined
  halves,     ///< the same for each 16-bit half of 32-bit registers
  pair,       ///< two sources narrowed into one register, the first into its upper half
  copy,       ///< bit by bit, cut or extended with zeros
  move,       ///< the handler only moves bits: it moves those of the shadow likewise
  integer,    ///< operation: IntegerOp
  predicate,  ///< operation: IntegerOp, on predicates
  predicate_copy,
  compare,  ///< operation: Comparison, of integers where a width is told
  select,
  select_sign,
  load,
  store,
  atomic,  ///< operation: AtomicOp
  async_copy,
  matrix_load,
  matrix_store,
  matrix_move,
  matrix_multiply,
  warpgroup_multiply,
  warpgroup_fence,
  warpgroup_wait,
  shuffle,  ///< operation: ShuffleMode
  vote,     ///< operation: VoteMode
  match,    ///< operation: MatchMode
  reduce,   ///< operation: ReduceOp
  elect,
  branch_indexed,
  call_indirect,
  barrier,
  warp_barrier,
  mbarrier,
  bulk_copy,
};

struct FlowNote {
  Flow rule = Flow::whole;
  std::uint8_t operation = 0;  ///< Flow::move: elements of the list; loads and stores: bytes of their registers
  std::uint8_t width = 0;      ///< bytes of the element type; 0: not told
  bool is_signed = false;
  std::uint8_t data = 0;      ///< Flow::move: bit k: operand k holds data; kDataList: the list does
  std::uint8_t controls = 0;  ///< Flow::move: bit k: operand k says how to move
};
constexpr std::uint8_t kDataList = 1 << 6;
// FlowNote::data of compare, select_sign and matrix_multiply.
constexpr std::uint8_t kPairedHalves = 1;
constexpr std::uint8_t kFloatSelector = 1;
constexpr std::uint8_t kHalfResult = 1;
constexpr std::uint8_t kHalfAddend = 2;

/// A register that an instruction reads or writes: where it lies in the frame.
struct RegisterPlace {
  std::uint32_t offset = 0;
  std::uint16_t bytes = 0;  ///< of a lane; 0: a predicate
  std::uint32_t name = 0;   ///< index into Program::register_names
};

/// The places of one instruction: a stretch of Program::places, in the order of the counts here. The guard is not among
/// them.
struct Footprint {
  std::uint32_t first = 0;
  std::uint8_t reads = 0, writes = 0;  ///< rows
  std::uint8_t predicate_reads = 0, predicate_writes = 0;
};

}  // namespace emulator
