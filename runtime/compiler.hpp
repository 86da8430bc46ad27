// From source to machine code through the layers below memory: the host's store, packs, the user's directory, then
// NVRTC. Needs no driver.
//
// What a layer has the driver may still refuse to load: machine code of another device, PTX that is too new. Whoever
// asked the driver gives the kernel back (`take_back`) and asks again with the refused code, which every layer then
// passes by, so each next layer has its turn and in the end NVRTC; what that compiles is loaded or is an error. Each
// round adds code that was not refused before, so the rounds end. Relatives of other architectures and PTX are asked
// for only where there is no NVRTC.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <vector>

#include "osdn/error.hpp"
#include "runtime/cache_entry.hpp"
#include "runtime/compile.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/log.hpp"
#include "runtime/nvrtc.hpp"
#include "runtime/refused_code.hpp"
#include "runtime/shelf.hpp"

namespace osdn::runtime {

struct CompilerOptions {
  NvrtcSearch nvrtc = default_nvrtc_search({});
  int driver_version = 0;  ///< what the machine code must run on; 0: any
  bool disk_cache = true;
  DiskCacheOptions cache;
  std::vector<std::string> packs;  ///< files; empty: none
  HostCache host_cache{};
  int threads = 0;  ///< compilations at the same time; 0: one per core
  Log log;
};

/// Where a kernel came from.
enum class Origin { memory, host, pack, disk, compiled };
[[nodiscard]] const char* name(Origin origin);

struct CompilerResult {
  CompiledKernel kernel;
  Origin origin = Origin::compiled;
  std::string place{};  ///< what has it, in words: "the pack /a/b", "the host's cache", a file, an NVRTC
};

/// Thread-safe.
class Compiler {
 public:
  explicit Compiler(CompilerOptions options);

  /// The NVRTC that would compile: known from file names before it is loaded. Null when there is none.
  [[nodiscard]] std::optional<NvrtcFound> nvrtc() const;

  /// What identifies the result of a compilation. Without an NVRTC its version is 0: then only packs can serve.
  struct Identity {
    std::string record;
    CacheKey key;
    int nvrtc_version = 0;
  };
  [[nodiscard]] Identity identify(const CompileInput& input) const;

  /// Looks into every layer, then compiles. Processes that want the same kernel at the same time compile it once.
  /// `refused`: code that the driver would not load. Errors: library_not_found, unsupported, compile_failed,
  /// out_of_memory; after a refusal their context says whose code it was and what the driver said.
  expected<CompilerResult> compile(const CompileInput& input, const RefusedCode& refused = {});

  /// The driver refused what a layer had: it is no hit but a rejected entry, with one warning.
  void take_back(const CompilerResult& found, const Error& why);

  [[nodiscard]] DiskCache* disk() { return disk_ ? &*disk_ : nullptr; }
  [[nodiscard]] const DiskCache* disk() const { return disk_ ? &*disk_ : nullptr; }
  [[nodiscard]] int threads() const { return threads_; }
  [[nodiscard]] std::uint64_t disk_hits() const { return disk_hits_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t host_hits() const { return host_hits_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t pack_hits() const { return pack_hits_.load(std::memory_order_relaxed); }
  /// Entries of all layers that were damaged, of another kernel or refused by the driver.
  [[nodiscard]] std::uint64_t rejected() const;
  [[nodiscard]] const Shelf& shelf() const { return shelf_; }
  [[nodiscard]] std::uint64_t compilations() const { return compilations_.load(std::memory_order_relaxed); }

 private:
  expected<std::shared_ptr<const Nvrtc>> load();
  expected<CompilerResult> search(const CompileInput& input, const RefusedCode& refused);
  expected<CompilerResult> compile_anew(const CompileInput& input, const Identity& identity,
                                        const RefusedCode& refused);
  std::optional<CompilerResult> look(const CompileInput& input, const Identity& identity, const RefusedCode& refused);
  std::optional<CompilerResult> ask_host(const Identity& identity, const RefusedCode& refused);
  void tell_host(const Identity& identity, std::string_view entry, const CompiledKernel& kernel);
  std::optional<CompilerResult> look_into_packs(std::optional<Shelf::Served> served);
  std::optional<CompilerResult> look_on_disk(const Identity& identity, const RefusedCode& refused,
                                             DiskCache::Look look);
  /// Of a layer.
  std::atomic<std::uint64_t>& hits(Origin origin);

  int driver_version_;
  Log log_;
  int threads_;
  std::counting_semaphore<> slots_;
  mutable std::mutex mutex_;
  NvrtcSearchResult search_;             // guarded by mutex_; the first usable one is the choice
  std::shared_ptr<const Nvrtc> loaded_;  // guarded by mutex_
  HostCache host_;
  Shelf shelf_;
  std::optional<DiskCache> disk_;
  std::atomic<std::uint64_t> host_hits_{0};
  std::atomic<std::uint64_t> pack_hits_{0};
  std::atomic<std::uint64_t> rejected_by_host_{0};
  std::atomic<std::uint64_t> refused_by_driver_{0};
  std::atomic_flag refusal_warned_ = ATOMIC_FLAG_INIT;
  std::atomic_flag host_warned_ = ATOMIC_FLAG_INIT;
  std::atomic<std::uint64_t> disk_hits_{0};
  std::atomic<std::uint64_t> compilations_{0};
};

}  // namespace osdn::runtime
