// What launches did since the last reset, by kernel name.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "execute/execute.hpp"

namespace emulator {

class LaunchStatistics {
 public:
  struct Entry {
    std::uint64_t launches = 0;
    Statistics work;
  };
  void add(const std::string& kernel, const Statistics& work);
  void reset();
  /// Nothing when the kernel was never launched; an empty name sums over all.
  [[nodiscard]] std::optional<Entry> of(const std::string& kernel) const;
  [[nodiscard]] std::string json() const;

 private:
  std::map<std::string, Entry> entries_;
  mutable std::mutex mutex_;
};

}  // namespace emulator
