// Running a kernel: the seam between the driver's face (driver/) and the machine (ptx/, execute/).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "measure/measurement.hpp"
#include "memory/memory.hpp"

namespace emulator {

/// What the emulated device is: limits that launches are checked against.
struct Profile {
  int major = 8;  ///< compute capability
  int minor = 0;
  int multiprocessors = 108;
  std::size_t shared_per_block = 48 * 1024;         ///< without opting in
  std::size_t shared_per_block_optin = 163 * 1024;  ///< with CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
  std::size_t shared_per_multiprocessor = 164 * 1024;
  int registers_per_block = 65536;
  int threads_per_block = 1024;
  // What only the timing model asks for.
  int threads_per_multiprocessor = 2048;
  int blocks_per_multiprocessor = 32;
  int clock_khz = 1410000;
  double memory_bytes_per_second = 2.039e12;
  std::size_t l2_bytes = std::size_t{40} << 20;
};

/// Why a module was refused or a launch stopped. Everything a reader needs to find the place is in it.
struct Fault {
  enum class Kind {
    syntax,             ///< the PTX could not be parsed
    unsupported,        ///< an instruction or directive the emulator does not know
    memory,             ///< no device memory is left for a variable of the module
    out_of_bounds,      ///< an access outside every allocation or outside shared, local, constant or parameter space
    misaligned,         ///< an address that is not a multiple of the access size
    deadlock,           ///< all threads wait and none can go on
    divergent_barrier,  ///< a barrier or warp-synchronous instruction that named threads never reach
    trap,               ///< trap
    assertion,          ///< a failed assert() of device code
    instruction_limit,  ///< the kernel executed more instructions than the budget allows
    undefined,          ///< what nobody wrote decides a branch, forms an address or reaches global memory
    race,               ///< two threads touch a byte, one writes, and nothing orders them
    mbarrier,           ///< an mbarrier object that is none, or whose counts are overrun
    registers,          ///< setmaxnreg that not all warps execute, or that goes the wrong way
    proxy,              ///< fence.proxy.async is missing between accesses of the generic and the async proxy
    in_flight,          ///< the source or target of an asynchronous operation is touched before it was waited for
    tensor_map,         ///< a tensor map that is none, or that the copy cannot use
  };
  Kind kind = Kind::unsupported;
  std::string kernel;                ///< entry name; empty while loading
  std::array<unsigned, 3> block{};   ///< blockIdx
  std::array<unsigned, 3> thread{};  ///< threadIdx
  int line = 0;                      ///< line of the PTX text, from 1
  std::string instruction;           ///< that line's text
  std::string message;               ///< what happened, with the numbers
  /// Another place that has to do with it: the other access of a race, where an undefined value comes from.
  struct Event {
    std::string what;
    bool has_thread = false;
    std::array<unsigned, 3> block{};
    std::array<unsigned, 3> thread{};
    int line = 0;
    std::string instruction;
  };
  std::vector<Event> related;
  [[nodiscard]] std::string text() const;  ///< all of the above in one line
};

/// A parameter of an entry: where it lies in the packed parameter buffer.
struct Parameter {
  std::size_t offset = 0;
  std::size_t size = 0;
};

/// One entry of a loaded module.
class Kernel {
 public:
  virtual ~Kernel() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual const std::vector<Parameter>& parameters() const = 0;
  [[nodiscard]] virtual std::size_t static_shared() const = 0;
  [[nodiscard]] virtual std::size_t local_bytes() const = 0;
  /// .maxntid if given, else the profile's limit.
  [[nodiscard]] virtual int max_threads() const = 0;
  /// .reqntid, which a block must be exactly; zeros where it is not given.
  [[nodiscard]] virtual std::array<unsigned, 3> required_block() const = 0;
  /// Blocks of a cluster as .reqnctapercluster asks for them; 1 where it is not given. More than one cannot be
  /// launched.
  [[nodiscard]] virtual unsigned cluster_blocks() const = 0;
};

/// A loaded PTX module. Global variables live in the Memory it was loaded into until it is destroyed.
class Module {
 public:
  virtual ~Module() = default;
  [[nodiscard]] virtual const Kernel* kernel(std::string_view name) const = 0;
  [[nodiscard]] virtual std::vector<const Kernel*> kernels() const = 0;
  struct Global {
    std::uint64_t address = 0;
    std::size_t size = 0;
  };
  [[nodiscard]] virtual std::optional<Global> global(std::string_view name) const = 0;
};

/// Parses and decodes PTX text. Every instruction is decoded here, so an unsupported one is refused with its line
/// before anything runs.
std::variant<std::unique_ptr<Module>, Fault> load_module(std::string_view ptx, Memory& memory, const Profile& profile);

/// What kernels print, until somebody asks for it. Thread-safe.
class Printer {
 public:
  void add(std::string_view text);
  /// Everything so far goes to stdout.
  void flush();

 private:
  std::mutex mutex_;
  std::string text_;
};

class Heap;

struct Launch {
  const Kernel* kernel = nullptr;
  std::array<unsigned, 3> grid{1, 1, 1};
  std::array<unsigned, 3> block{1, 1, 1};
  std::size_t dynamic_shared = 0;
  const std::byte* parameters = nullptr;  ///< packed as Kernel::parameters() says
  std::uint64_t seed = 0;                 ///< orders blocks and warps; the same seed gives the same schedule per block
  std::uint64_t instruction_limit = 0;    ///< warp instructions per block; 0: none
  int host_threads = 0;                   ///< blocks that run at the same time; 0: one per core
  bool strict = true;                     ///< definedness and races are checked as well
  bool measure = false;                   ///< Statistics::measurement is filled in
  /// 0: approximate functions are rounded once and mma adds in the order of k. Else they err as the manual allows, in a
  /// way that is a pure function of this number and of their operands.
  std::uint64_t perturbation = 0;
  bool cooperative = false;          ///< all blocks are resident at the same time, and may wait for each other
  std::uint64_t grid_workspace = 0;  ///< of a cooperative launch: its barrier; execute() provides it
  Printer* printer = nullptr;        ///< takes what the kernel prints; null: it goes to stdout when the launch ends
  Heap* heap = nullptr;              ///< what the kernel frees; execute() provides it
  unsigned trace_blocks = 0;         ///< of a measured launch: the first blocks whose warps' slices are kept
  int registers = 0;                 ///< of a thread, for the timing model; 0: estimated from the PTX
};

/// What a launch did. Counts are of thread-level work except where said.
struct Statistics {
  std::map<std::string, std::uint64_t>
      warp_instructions;  ///< by opcode family: "mma.sync", "ldmatrix", "fma", "ld.global" …
  std::uint64_t thread_instructions = 0;
  std::uint64_t global_load_bytes = 0;
  std::uint64_t global_store_bytes = 0;
  std::uint64_t shared_load_bytes = 0;
  std::uint64_t shared_store_bytes = 0;
  std::uint64_t async_copy_bytes = 0;
  std::uint64_t tensor_flops = 0;
  std::uint64_t blocks = 0;
  Measurement measurement;  ///< of measured launches
  void add(const Statistics& other);
};

/// Runs a launch to its end. Blocks run in a seeded random order, warps inside a block in a seeded random interleaving.
std::optional<Fault> execute(const Launch& launch, Memory& memory, const Profile& profile, Statistics& statistics);

}  // namespace emulator
