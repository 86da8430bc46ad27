// What the tests of the compile cache's layers share: a host that keeps entries, and packs made of them.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "osdn/engine.hpp"
#include "support.hpp"

namespace osdn::runtime::testing {

/// A host that keeps what it is given.
struct Store {
  std::mutex mutex;
  std::map<std::string, std::string, std::less<>> entries;
  std::atomic<int> loads{0};

  HostCache cache();
};

/// Where the first kernel came from, or why there is none.
[[nodiscard]] std::string source_of(const expected<PreparedOperation>& operation);

/// All kernels that an Engine of these options prepares for the small problem, as entries of a pack.
[[nodiscard]] std::vector<std::string> entries_by(EngineOptions options);

/// The same compiled for another architecture: as a packer makes it.
[[nodiscard]] std::string with_arch(const std::string& entry, const std::string& arch);
/// The same with other code.
[[nodiscard]] std::string with_code(const std::string& entry, const std::string& ptx, const std::string& cubin);

[[nodiscard]] std::string write_pack(const TemporaryDirectory& home, const std::vector<std::string>& entries);

[[nodiscard]] EngineOptions without_nvrtc();

}  // namespace osdn::runtime::testing
