// The packs that an Engine looks into.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/compile.hpp"
#include "runtime/log.hpp"
#include "runtime/pack.hpp"
#include "runtime/refused_code.hpp"

namespace osdn::runtime {

/// `option`, else the files that $OSDN_PACKS names, split at colons.
[[nodiscard]] std::vector<std::string> pack_files(const std::vector<std::string>& option);

/// Machine code needs a driver of its NVRTC's major version or newer; PTX one that is not older at all.
enum class CodeUse { machine_code, ptx };
/// `driver_version` 0: any.
[[nodiscard]] bool runs_on(int driver_version, const CompiledKernel& kernel, CodeUse use);

/// What of other architectures a device of `arch` ("sm_89") runs, best first: machine code of the same major version
/// ("binary compatible with … higher minor", CUDA C++ Programming Guide, "Binary Compatibility"), then PTX of its own
/// and of any lower architecture. Kernels for one very architecture (sm_90a) have no relatives.
struct Relative {
  std::string arch;
  CodeUse use;
};
[[nodiscard]] std::vector<Relative> relatives(std::string_view arch);

/// First come, first served. Nothing here ever fails a caller: what cannot be used is a miss with a warning.
class Shelf {
 public:
  /// `driver_version`: what machine code must run on, 0: any.
  Shelf(const std::vector<std::string>& files, int driver_version, Log log);

  [[nodiscard]] const std::vector<std::shared_ptr<const Pack>>& packs() const { return packs_; }
  /// Why packs are not used, one line each.
  [[nodiscard]] const std::vector<std::string>& refusals() const { return refusals_; }

  struct Served {
    CompiledKernel kernel;
    const Pack* pack = nullptr;  ///< whose it is
  };
  /// The kernel as it would be compiled for its architecture, whichever NVRTC compiled it. What the driver refused is
  /// passed by, here and below: the next pack may have it compiled by another.
  std::optional<Served> find(std::string_view kernel, const RefusedCode& refused = {});

  /// Where nothing can be compiled: the same kernel for a relative of its architecture; PTX comes without machine code,
  /// for the driver to compile.
  std::optional<Served> find_relative(const CompileInput& input, const RefusedCode& refused = {});

  /// Why no pack serves this kernel, a line for each pack; those whose code the driver refused are told of elsewhere.
  [[nodiscard]] std::string why_not(std::string_view kernel) const;

  [[nodiscard]] std::uint64_t rejected() const { return rejected_.load(std::memory_order_relaxed); }

 private:
  std::optional<Served> find(std::string_view kernel, CodeUse use, const RefusedCode& refused);
  void reject(const std::string& why);

  std::vector<std::shared_ptr<const Pack>> packs_;
  std::vector<std::string> refusals_;
  int driver_version_;
  Log log_;
  std::atomic<std::uint64_t> rejected_{0};
  std::atomic_flag warned_ = ATOMIC_FLAG_INIT;
};

}  // namespace osdn::runtime
