// One source through NVRTC.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "generator/plan.hpp"
#include "osdn/error.hpp"
#include "runtime/nvrtc.hpp"

namespace osdn::runtime {

/// All that the result depends on, besides NVRTC itself.
struct CompileInput {
  std::string entry;  ///< names the kernel in messages; it is in the source, so not in the key
  std::string source;
  std::vector<generator::Header> headers;  ///< texts that outlive the call
  std::vector<std::string> options;        ///< without the architecture
  std::string arch;                        ///< "sm_80", "sm_90a": PTX and machine code; "compute_80": PTX only
};

/// The input of a plan's kernel, with the options that every kernel gets. `lines`: the PTX says which line of which of
/// the plan's files each instruction comes from; it is the same code under another key.
[[nodiscard]] CompileInput compile_input(const generator::KernelPlan& kernel, std::string_view arch,
                                         bool lines = false);

/// What the assembler said of a kernel. All 0 when only PTX was made.
struct Resources {
  int registers = 0;
  std::size_t spill_store_bytes = 0;
  std::size_t spill_load_bytes = 0;
  std::size_t stack_bytes = 0;
  std::size_t static_shared_bytes = 0;

  friend bool operator==(const Resources&, const Resources&) = default;
};

struct CompiledKernel {
  std::string ptx;    ///< text without a terminator; data() has one
  std::string cubin;  ///< machine code; empty when only PTX was asked for
  std::string arch;   ///< what it was compiled for, see machine_arch
  std::string log;
  Resources resources;
  double compile_ms = 0;
  int nvrtc_version = 0;
};

/// The architecture that is asked of an NVRTC for a device of `arch`: itself, or the nearest one below of the same
/// major number, whose machine code the device runs, too. Errors: unsupported, with what this NVRTC knows.
expected<std::string> machine_arch(const Nvrtc& nvrtc, std::string_view arch);

/// Errors: compile_failed (context: options, log, numbered source), unsupported, out_of_memory.
expected<CompiledKernel> compile(const Nvrtc& nvrtc, const CompileInput& input);

/// Reads the assembler's report of one kernel (`--ptxas-options=--verbose`, NVRTC 12.4 to 13.x).
[[nodiscard]] Resources parse_resources(std::string_view log);

}  // namespace osdn::runtime
