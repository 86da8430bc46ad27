// What handlers work on: decoded instructions, warps and the program they run.
// Registers are rows of 32 lanes. Predicates are 32-bit masks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "execute/execute.hpp"
#include "execute/flow.hpp"
#include "measure/unit.hpp"
#include "ptx/types.hpp"

namespace emulator {

struct Warp;
struct Instruction;
struct Strict;
class Meter;
class Block;

/// Executes one instruction for the lanes of `mask`, which is never 0.
using Handler = void (*)(Warp&, const Instruction&, std::uint32_t mask);

constexpr int kLanes = 32;
constexpr std::uint32_t kAllLanes = 0xFFFFFFFFu;

/// Generic addresses at and above these are not host addresses but offsets into a thread's windows.
constexpr std::uint64_t kSharedWindow = std::uint64_t{1} << 60;
constexpr std::uint64_t kLocalWindow = std::uint64_t{2} << 60;
constexpr std::uint64_t kParameterWindow = std::uint64_t{3} << 60;
constexpr std::uint64_t kFunctionWindow = std::uint64_t{4} << 60;  ///< addresses of functions; never readable
constexpr std::uint64_t kWindowMask = std::uint64_t{15} << 60;

/// An operand names a row: a byte offset from one of two bases. Bit 0 picks the base: 0 the registers of the current
/// frame, 1 the module's constants (immediates, spread over the lanes).
using RowOperand = std::int32_t;

/// One decoded instruction; a cache line.
struct Instruction {
  Handler handler = nullptr;
  std::array<RowOperand, 6> operand{};  ///< destination first
  std::int64_t immediate = 0;           ///< address offset, branch target, call site …
  const RowOperand* list = nullptr;     ///< the elements of vector operands
  RowOperand guard = 0;                 ///< predicate row
  std::uint32_t guard_flip = 0;         ///< all ones for @!p
  std::uint8_t size = 0;                ///< bytes of one memory element
  std::uint8_t count = 1;               ///< elements of a vector operand
  std::uint8_t mode = 0;                ///< rounding, comparison, shuffle mode … as the handler reads it
  std::uint8_t flags = 0;
};
static_assert(sizeof(Instruction) == 64 || sizeof(void*) != 8);

/// What only faults and statistics need of an instruction, index for index with Program::code.
struct InstructionNote {
  int line = 0;
  std::uint16_t family = 0;                ///< index into Program::families
  ptx::Space space = ptx::Space::generic;  ///< of a memory access
  enum class Traffic : std::uint8_t { none, load, store, load_store, async_copy } traffic = Traffic::none;
  /// How an access takes part in the memory model (PTX ISA 8): weak ones race.
  enum class Order : std::uint8_t { weak, relaxed, acquire, release, acq_rel } order = Order::weak;
  enum class Scope : std::uint8_t { cta, cluster, gpu, sys } scope = Scope::gpu;
  bool fence = false;               ///< of memory, with order and scope
  bool proxy_fence = false;         ///< between the generic proxy and the async one, for shared memory
  bool init_fence = false;          ///< of the mbarrier objects that the thread has initialised
  bool renames = false;             ///< a plain mov, which a device need not execute
  bool exchange = false;            ///< lanes hand each other values: shfl, vote, match, redux
  bool matrix = false;              ///< ldmatrix, stmatrix: lanes hold addresses of rows
  std::uint8_t register_bytes = 0;  ///< of each register of a load or store
  std::uint16_t behind = 0;         ///< of a barrier: the place where a thread is done with it, from 1; 0: none
  std::uint16_t place_behind = 0;   ///< this is such a place
  std::uint16_t bytes = 0;          ///< per thread, of a memory access
  std::uint32_t warp_flops = 0;     ///< tensor operations of one warp
  Cost cost;                        ///< for the timing model
  FlowNote flow;                    ///< of definedness
};

/// A stretch of bytes that a call copies between the caller's and the callee's local frames.
struct Argument {
  std::uint32_t caller = 0;
  std::uint32_t callee = 0;
  std::uint32_t bytes = 0;
};

constexpr std::uint32_t kAnyFunction = ~0u;           ///< a call through a register
constexpr std::uint32_t kProvidedFunction = ~0u - 1;  ///< vprintf, __assertfail, malloc, free

struct CallSite {
  std::uint32_t function = 0;
  std::uint64_t signature = 0;  ///< of the callee or its prototype
  std::vector<Argument> arguments;
  std::vector<Argument> results;
};

struct FunctionFrame {
  std::uint32_t register_bytes = 0;
  std::uint32_t registers_at = 0;  ///< where its registers lie at the first level of recursion
  std::uint32_t order = 0;         ///< callers before callees; a call the other way begins a new level
  std::uint32_t local_bytes = 0;
  std::uint32_t code = 0;             ///< index of its first instruction
  std::uint64_t signature = 0;        ///< what a call through a pointer must agree with
  std::uint64_t address = 0;          ///< what a pointer to it holds
  std::uint32_t predicate_bytes = 0;  ///< the predicates lie in front of the rows
  std::uint32_t first_unwritten = 0;  ///< registers that hold nothing yet when the function begins and may be read
  std::uint32_t unwritten = 0;        ///< before they are written: a stretch of Program::unwritten
};

/// The virtual registers that an instruction reads and writes: a stretch of Program::use_list, reads first.
struct ValueUse {
  std::uint32_t first = 0;
  std::uint16_t reads = 0;
  std::uint16_t writes = 0;
};

/// An entry with every function it reaches, decoded.
struct Program {
  std::string name;
  std::vector<Instruction> code;
  std::vector<InstructionNote> notes;
  std::vector<ValueUse> uses;  ///< index for index with code
  std::vector<std::uint32_t> use_list;
  std::uint32_t values = 0;                ///< virtual registers of all functions
  std::vector<std::uint32_t> value_names;  ///< of each: index into register_names
  std::vector<Footprint> footprints;       ///< index for index with code
  std::vector<RegisterPlace> places;
  std::vector<RegisterPlace> unwritten;
  std::vector<std::string> register_names;
  std::vector<std::string> families;
  std::vector<std::vector<RowOperand>> lists;
  std::vector<std::uint64_t> constants;  ///< rows of the constant base
  std::vector<CallSite> calls;
  std::vector<FunctionFrame> functions;  ///< 0 is the entry
  std::uint32_t places_behind = 0;       ///< behind barriers
  std::uint32_t entry = 0;               ///< index of its first instruction
  std::uint32_t register_bytes = 0;      ///< of all functions, once for each level of recursion
  std::uint32_t level_bytes = 0;         ///< of the functions that a level repeats
  std::uint32_t local_bytes = 0;
  std::uint32_t static_shared = 0;
  std::uint32_t parameter_bytes = 0;
  std::uint32_t thread_registers = 0;  ///< that a thread begins with, for setmaxnreg; 0: the PTX does not say
  bool async_proxy = false;            ///< something reads or writes shared memory by the async proxy
  std::uint32_t reserved_shared = 0;   ///< bytes behind all others that belong to the system
};

/// Where a thread returns to: nodes of a tree, shared by all lanes with the same history of calls.
struct Frame {
  int parent = -1;
  std::uint32_t site = 0;  ///< call site
  const Instruction* return_to = nullptr;
  std::uint32_t registers = 0;  ///< byte offsets of the frame
  std::uint32_t local = 0;
  std::uint32_t function = 0;
};

/// Lanes that run together.
struct Path {
  enum class State : std::uint8_t {
    ready,
    collective,  ///< lanes may meet at different instructions of one kind
    aligned,     ///< lanes must meet at this very instruction
    barrier,
    blocked,  ///< lanes try their instruction again when another warp has done something
  };
  const Instruction* ip = nullptr;  ///< the next instruction, or the one it waits at
  std::uint32_t mask = 0;
  std::uint32_t members = 0;  ///< of the collective it waits for
  int frame = 0;
  State state = State::ready;
};

/// One warp-wide asynchronous copy that has not landed yet.
struct PendingCopy {
  const Instruction* issued = nullptr;
  std::uint32_t mask = 0;
  std::uint32_t size = 0;
  std::uint64_t serial = 0;                   ///< counts the warp's copies
  std::array<std::uint32_t, kLanes> group{};  ///< number of the lane's group that holds it
  std::array<std::uint32_t, kLanes> target{};
  std::array<std::uint64_t, kLanes> source{};  ///< of as many bytes as `wanted` says
  std::array<std::uint8_t, kLanes> wanted{};
  std::array<std::uint16_t, kLanes> undefined{};  ///< bit k: nobody wrote byte k of the source
  std::uint16_t origin = 0;                       ///< of those bytes
  alignas(16) std::array<std::array<std::byte, 16>, kLanes> bytes{};
};

/// What the warps of a warpgroup must agree on when they issue a product of matrices (wgmma).
struct ProductRequest {
  const Instruction* in = nullptr;
  std::uint64_t a = 0, b = 0;  ///< descriptors
  bool adds = false;
  unsigned warps = 0;  ///< that have issued it
};

/// The products of matrices (wgmma) that one warp has issued and has not waited for.
struct Products {
  std::uint64_t issued = 0;           ///< since the block began
  std::uint64_t awaited = 0;          ///< of them, so many have been waited for
  std::vector<std::uint64_t> groups;  ///< how many were issued when each open group was committed
};

struct Count {
  std::uint64_t warps = 0;
  std::uint64_t threads = 0;
};

struct Warp {
  // What the handlers touch.
  std::array<std::byte*, 2> base{};   ///< registers of the current frame, constants
  const Instruction* ip = nullptr;    ///< the next instruction
  const Instruction* stop = nullptr;  ///< the inner loop is left when ip reaches it
  std::uint32_t active = 0;           ///< lanes of the current path
  std::uint32_t present = 0;          ///< lanes that exist
  std::uint32_t exited = 0;
  std::uint32_t parked = 0;       ///< lanes that the last handler made wait before it did its work
  std::uint32_t frame_local = 0;  ///< byte offset of the frame in each lane's local memory
  const Program* program = nullptr;
  const Instruction* code = nullptr;
  Count* counts = nullptr;
  Extent* hints = nullptr;  ///< per instruction: the allocation its last access met
  std::byte* registers = nullptr;
  std::byte* shared = nullptr;
  std::byte* local = nullptr;  ///< lane by lane
  const std::byte* parameters = nullptr;
  std::uint64_t shared_bytes = 0;
  std::uint64_t local_bytes = 0;  ///< per lane
  std::uint64_t parameter_bytes = 0;
  Block* block = nullptr;
  Strict* strict = nullptr;        ///< what checks the block; null when nothing does
  Meter* meter = nullptr;          ///< what measures it; null when nothing does
  std::uint64_t perturbation = 0;  ///< Launch::perturbation; looked at by approximate functions and mma only
  std::int64_t budget = 0;         ///< instructions until the scheduler looks again
  std::uint64_t executed = 0;
  unsigned index = 0;  ///< in its block
  // When several paths meet in one collective, each deposits its lanes' values here before any goes on.
  enum class Exchange : std::uint8_t { none, deposit, collect } exchange_phase = Exchange::none;
  std::uint32_t exchange_lanes = 0;
  alignas(64) std::array<std::uint64_t, kLanes> exchange{};

  std::vector<Path> paths;  ///< paths[current] runs; its ip and mask lie in ip and active
  std::size_t current = 0;
  std::vector<Frame> frames;
  std::size_t frames_kept = 0;  ///< how many there were when unused ones were last dropped
  std::vector<PendingCopy> copies;
  std::uint64_t copies_begun = 0;
  std::array<std::uint32_t, kLanes> commits{};  ///< asynchronous groups each lane has closed
  Products products;
  std::uint32_t thread_registers = 0;        ///< setmaxnreg: of each thread
  std::vector<const Instruction*> adjusted;  ///< the setmaxnreg that it has executed
  unsigned diverged_slices = 0;              ///< since paths last joined
  bool arrived = false;                      ///< something happened that barriers wait for
};

/// Thrown by handlers; carries a complete Fault.
struct FaultRaised {
  Fault fault;
};

/// What raise() throws, for those who have more to say.
Fault fault_at(const Warp& warp, const Instruction& in, unsigned lane, Fault::Kind kind, std::string message);

/// Stops the launch: `lane` of the warp did something at `in`.
[[noreturn]] void raise(const Warp& warp, const Instruction& in, unsigned lane, Fault::Kind kind, const char* message);

/// The host address of a generic or global access that left the hinted extent, or a fault. Updates the hint.
std::byte* resolve_global(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t address, std::size_t bytes,
                          bool generic);
[[noreturn]] void raise_bounds(const Warp& warp, const Instruction& in, unsigned lane, const char* space,
                               std::uint64_t address, std::size_t bytes, std::uint64_t limit);
[[noreturn]] void raise_misaligned(const Warp& warp, const Instruction& in, unsigned lane, std::uint64_t address,
                                   std::size_t bytes);

/// The lanes of `group` wait at `in` for lanes that have exited. The manual lets them go on, with whatever those lanes
/// would have brought: a strict device does not.
[[noreturn]] void raise_absent(const Warp& warp, const Instruction& in, std::uint32_t group);

/// Removes `lanes` from the running path and lets them wait at `in`.
void park(Warp& warp, const Instruction& in, std::uint32_t lanes, Path::State state, std::uint32_t members);

/// The copies that a lane began before its copy number `serial` land.
void land_before(Warp& warp, unsigned lane, std::uint64_t serial);

/// Room for one more copy in flight.
PendingCopy& pending_copy(Warp& warp);

/// The lanes of `mask` go on at `target`; the others of the path at `otherwise`.
void split(Warp& warp, std::uint32_t mask, const Instruction* target, const Instruction* otherwise);

/// Threads of the launch, for special registers.
struct Place {
  std::array<unsigned, 3> block{};
  std::array<unsigned, 3> grid{};
  std::array<unsigned, 3> threads{};
};
std::array<unsigned, 3> thread_of(const Warp& warp, unsigned lane);
std::uint64_t global_timer();

}  // namespace emulator
