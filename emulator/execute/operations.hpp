// Names of what handlers do, and how the decoder asks for a handler.
#pragma once

#include <cstdint>

#include "execute/machine.hpp"

namespace emulator {

enum class IntegerOp : std::uint8_t {
  add,
  sub,
  mul_lo,
  mul_hi,
  mul_wide,
  mad_lo,
  mad_hi,
  mad_wide,
  mul24_lo,
  mul24_hi,
  mad24_lo,
  mad24_hi,
  sad,
  div,
  rem,
  abs,
  neg,
  min,
  max,
  bit_and,
  bit_or,
  bit_xor,
  bit_not,
  cnot,
  shl,
  shr,
  shf_l,
  shf_r,
  lop3,
  popc,
  clz,
  brev,
  bfind,
  bfind_shift,
  bfe,
  bfi,
  prmt,
  fns,
  bmsk,
  szext,
  dp4a,
  dp2a,
  add_cc,
  addc,
  sub_cc,
  subc,
  mad_lo_cc,
  madc_lo,
  mad_hi_cc,
  madc_hi,
};

enum class FloatOp : std::uint8_t {
  add,
  sub,
  mul,
  fma,
  div,
  rcp,
  sqrt,
  rsqrt,
  neg,
  abs,
  min,
  max,
  ex2,
  lg2,
  sin,
  cos,
  tanh,
  copysign,
  testp,
};

enum class Comparison : std::uint8_t {
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  equ,
  neu,
  ltu,
  leu,
  gtu,
  geu,
  num,
  nan,
};

enum class Rounding : std::uint8_t { nearest_even, zero, down, up, nearest_away };

// Instruction::flags of floating-point handlers.
constexpr std::uint8_t kFlushSubnormals = 1;
constexpr std::uint8_t kSaturate = 2;      ///< to [0, 1]
constexpr std::uint8_t kPropagateNan = 4;  ///< min.NaN, max.NaN
constexpr std::uint8_t kRelu = 16;
constexpr std::uint8_t kXorSign = 32;
constexpr std::uint8_t kFinite = 64;   ///< cvt.satfinite
constexpr std::uint8_t kPacked = 128;  ///< two halves in a register

enum class ShuffleMode : std::uint8_t { up, down, bfly, idx };
enum class VoteMode : std::uint8_t { all, any, uni, ballot };
enum class MatchMode : std::uint8_t { any, all };
enum class ReduceOp : std::uint8_t { add, min, max, bit_and, bit_or, bit_xor };
enum class AtomicOp : std::uint8_t { add, min, max, inc, dec, cas, exch, bit_and, bit_or, bit_xor };
enum class MbarrierOp : std::uint8_t {
  init,
  inval,
  expect_tx,
  complete_tx,
  arrive,
  drop,
  arrive_quietly,  ///< .noComplete
  drop_quietly,
  arrive_expect,
  drop_expect,
  wait_state,
  wait_parity,
  copies,          ///< cp.async.mbarrier.arrive
  copies_counted,  ///< .noinc: the arrival is among those expected
};
enum class SpecialRegister : std::uint8_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid,
  nwarpid,
  smid,
  nsmid,
  gridid,
  lanemask_eq,
  lanemask_lt,
  lanemask_le,
  lanemask_gt,
  lanemask_ge,
  clock,
  clock64,
  globaltimer,
  globaltimer_lo,
  globaltimer_hi,
  dynamic_smem_size,
  total_smem_size,
  warp_size,
  envreg1,  ///< the grid's workspace, upper half
  envreg2,
  reserved_shared,  ///< where the shared memory that belongs to the system begins
  reserved_shared_end,
  zero,
  one,
};

struct ConvertSpec {
  ptx::Type to;
  ptx::Type from;
  Rounding rounding;
  bool integer_rounding;  ///< .rni and its kin: to a whole number in the float format
  bool to_wide;           ///< the register is 64 bits wide although the type is narrower
  bool saturate, flush, relu, finite;
};

enum class EightOp : std::uint8_t { from_f32, from_f16, to_f16 };  ///< cvt of pairs of 8-bit floats

enum class MatrixShape : std::uint8_t { m16n8k16, m16n8k8, m16n8k4, m8n8k4, m16n8k32, m8n8k16 };

/// The handlers of one instruction set. A null handler means that there is none for the combination.
struct Lanes {
  Handler (*integer)(IntegerOp, ptx::Type);
  Handler (*saturating)(IntegerOp);  ///< .sat on s32
  Handler (*floating)(FloatOp, ptx::Type, Rounding, std::uint8_t flags);
  /// .approx, or .full where there are both.
  Handler (*approximate)(FloatOp, ptx::Type, bool full, std::uint8_t flags);
  Handler (*half)(FloatOp, ptx::Type);
  Handler (*compare)(ptx::Type, Comparison);  ///< setp; mode bits pick the combination
  Handler (*select)(ptx::Type);
  Handler (*slct)(ptx::Type, ptx::Type selector);
  Handler (*predicate)(IntegerOp);
  Handler (*move)(int bytes);
  Handler (*pack)(int element_bytes, int count);
  Handler (*unpack)(int element_bytes, int count);
  Handler (*convert)(const ConvertSpec&, int to_register, int from_register);
  Handler (*convert_eight)(EightOp);
  Handler (*load)(ptx::Space, ptx::Type, int register_bytes);
  Handler (*store)(ptx::Space, int bytes, int register_bytes);
  Handler (*shuffle)(ShuffleMode);
  Handler (*vote)(VoteMode);
  Handler (*match)(MatchMode, int bytes);
  Handler (*reduce)(ReduceOp, ptx::Type);
  Handler elect;
  Handler (*matrix)(MatrixShape, ptx::Type d, ptx::Type a, ptx::Type b, ptx::Type c);
  Handler (*warpgroup)(ptx::Type element, ptx::Type d);  ///< wgmma.mma_async
  Handler ldmatrix;
  Handler stmatrix;
  Handler movmatrix;
  Handler async_copy;
  /// Runs the current path until its budget is spent or ip reaches stop.
  void (*run)(Warp&);
};

/// The best set that this processor can run.
const Lanes& lanes();

// Handlers that gain nothing from wide vectors (control.cpp, barrier.cpp, atomic.cpp, special.cpp, async.cpp).
namespace control {
void branch(Warp&, const Instruction&, std::uint32_t mask);
void branch_indexed(Warp&, const Instruction&, std::uint32_t mask);
void call(Warp&, const Instruction&, std::uint32_t mask);
void call_indirect(Warp&, const Instruction&, std::uint32_t mask);
void ret(Warp&, const Instruction&, std::uint32_t mask);
void exit(Warp&, const Instruction&, std::uint32_t mask);
void trap(Warp&, const Instruction&, std::uint32_t mask);
void assertion(Warp&, const Instruction&, std::uint32_t mask);
void print(Warp&, const Instruction&, std::uint32_t mask);
void allocate(Warp&, const Instruction&, std::uint32_t mask);
void release(Warp&, const Instruction&, std::uint32_t mask);
void nothing(Warp&, const Instruction&, std::uint32_t mask);
void warp_barrier(Warp&, const Instruction&, std::uint32_t mask);
void barrier(Warp&, const Instruction&, std::uint32_t mask);
void active_mask(Warp&, const Instruction&, std::uint32_t mask);
void special(Warp&, const Instruction&, std::uint32_t mask);
void is_space(Warp&, const Instruction&, std::uint32_t mask);
void to_space(Warp&, const Instruction&, std::uint32_t mask);
void from_space(Warp&, const Instruction&, std::uint32_t mask);
void local_address(Warp&, const Instruction&, std::uint32_t mask);
void mbarrier(Warp&, const Instruction&, std::uint32_t mask);
void mbarrier_pending(Warp&, const Instruction&, std::uint32_t mask);
void warpgroup_fence(Warp&, const Instruction&, std::uint32_t mask);
void warpgroup_commit(Warp&, const Instruction&, std::uint32_t mask);
void warpgroup_wait(Warp&, const Instruction&, std::uint32_t mask);
void set_registers(Warp&, const Instruction&, std::uint32_t mask);
void copy_commit(Warp&, const Instruction&, std::uint32_t mask);
void copy_wait(Warp&, const Instruction&, std::uint32_t mask);
void copy_wait_all(Warp&, const Instruction&, std::uint32_t mask);
void cluster_arrive(Warp&, const Instruction&, std::uint32_t mask);
void cluster_wait(Warp&, const Instruction&, std::uint32_t mask);
void cluster_rank(Warp&, const Instruction&, std::uint32_t mask);
void bulk_copy(Warp&, const Instruction&, std::uint32_t mask);
void bulk_commit(Warp&, const Instruction&, std::uint32_t mask);
void bulk_wait(Warp&, const Instruction&, std::uint32_t mask);
Handler atomic(AtomicOp, ptx::Type);
/// The same for one element, which lies anywhere: at `cell`, with the operand at `operand`.
using Combine = void (*)(AtomicOp, void* cell, const void* operand);
Combine combine_element(ptx::Type);
}  // namespace control

// Instruction::mode of control::barrier.
constexpr std::uint8_t kBarrierSync = 0;
constexpr std::uint8_t kBarrierArrive = 1;
constexpr std::uint8_t kBarrierPopc = 2;
constexpr std::uint8_t kBarrierAnd = 3;
constexpr std::uint8_t kBarrierOr = 4;
// Instruction::flags of control::barrier.
constexpr std::uint8_t kBarrierAligned = 1;
constexpr std::uint8_t kBarrierCounted = 2;
constexpr std::uint8_t kBarrierNegated = 4;

}  // namespace emulator
