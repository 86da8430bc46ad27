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

namespace osdn::runtime {

/// `option`, else the files that $OSDN_PACKS names, split at colons.
[[nodiscard]] std::vector<std::string> pack_files(const std::vector<std::string>& option);

/// First come, first served. Nothing here ever fails a caller: what cannot be used is a miss with a warning.
class Shelf {
 public:
  /// `driver_version`: what machine code must run on, 0: any.
  Shelf(const std::vector<std::string>& files, int driver_version, Log log);

  [[nodiscard]] const std::vector<std::shared_ptr<const Pack>>& packs() const { return packs_; }
  /// Why packs are not used, one line each.
  [[nodiscard]] const std::vector<std::string>& refusals() const { return refusals_; }

  /// The kernel as it would be compiled for its architecture, whichever NVRTC compiled it.
  std::optional<CompiledKernel> find(std::string_view kernel);

  /// Where nothing can be compiled: the same kernel for another architecture, as far as this device runs it. Machine
  /// code of the same major version ("binary compatible with … higher minor", CUDA C++ Programming Guide, "Binary
  /// Compatibility"), else PTX of any lower architecture, without machine code, for the driver to compile. Kernels for
  /// one very architecture (sm_90a) have no relatives.
  std::optional<CompiledKernel> find_relative(const CompileInput& input);

  [[nodiscard]] std::uint64_t rejected() const { return rejected_.load(std::memory_order_relaxed); }

 private:
  /// Machine code needs a driver of its NVRTC's major version or newer; PTX one that is not older at all.
  enum class Use { machine_code, ptx };
  std::optional<CompiledKernel> find(std::string_view kernel, Use use);
  void reject(const std::string& why);

  std::vector<std::shared_ptr<const Pack>> packs_;
  std::vector<std::string> refusals_;
  int driver_version_;
  Log log_;
  std::atomic<std::uint64_t> rejected_{0};
  std::atomic_flag warned_ = ATOMIC_FLAG_INIT;
};

}  // namespace osdn::runtime
