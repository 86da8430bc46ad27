// Which launches are measured, and what was measured of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "execute/execute.hpp"

namespace emulator {

class Measuring {
 public:
  std::atomic<bool> on{false};
  std::atomic<unsigned> trace_blocks{0};  ///< of each measured launch; 0: no trace

  void set_registers(const std::string& kernel, int registers);
  /// 0: unknown.
  [[nodiscard]] int registers(const std::string& kernel) const;

  /// A measured launch on a device of this kind. Takes the trace out of `work`.
  void add(const std::string& kernel, const std::string& architecture, Measurement work);
  void reset();

  /// The counters of one kernel, or of all when `kernel` is empty; with `lines`, by source line and PTX line as well.
  [[nodiscard]] std::string profile_json(const std::string& kernel, bool lines) const;
  /// In the format of Chrome's about:tracing and of Perfetto.
  [[nodiscard]] std::string trace_json() const;

  /// What the environment asks for at the end of the process; empty: nothing.
  void write_at_exit(std::string profile_file, std::string trace_file);
  void write_files() const;

 private:
  struct Entry {
    std::uint64_t launches = 0;
    std::string architecture;
    Measurement work;
  };
  struct Traced {
    std::string kernel;
    std::uint64_t launch = 0;  ///< number, over all measured ones
    double begin = 0;          ///< microseconds: one launch's modelled time behind the other
    std::vector<TraceSlice> slices;
  };
  static std::string to_json(const Entry& entry, bool lines);

  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, int> registers_;
  std::vector<Traced> traced_;
  std::size_t slices_ = 0;
  std::uint64_t launches_ = 0;
  double now_ = 0;  ///< microseconds
  std::string profile_file_;
  std::string trace_file_;
};

/// One for the process; works before cuInit as well.
Measuring& measuring();

}  // namespace emulator
