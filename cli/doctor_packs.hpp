// What osdn doctor says of packs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/report.hpp"
#include "osdn/config.hpp"
#include "osdn/error.hpp"
#include "osdn/problem.hpp"

namespace osdn::cli {

/// What kernels would run on.
struct PackDevice {
  std::string arch;        ///< "sm_90"
  int driver_version = 0;  ///< 0: any, the emulator's
};

/// A pack as an Engine on that device would see it; every kernel was read.
struct PackLook {
  std::string file;
  std::string refusal;  ///< why it is not used; empty: it is
  std::uint64_t bytes = 0;
  std::size_t kernels = 0;
  std::map<std::string, std::size_t> archs;  ///< kernels that are sound, by what they were compiled for
  std::vector<std::string> damaged;          ///< one line each
  // Of the sound ones:
  std::size_t own = 0;      ///< compiled for the device
  std::size_t related = 0;  ///< machine code of another architecture that it runs where nothing compiles
  std::size_t ptx = 0;      ///< likewise PTX
  std::size_t too_new = 0;  ///< by an NVRTC that is newer than the driver

  [[nodiscard]] bool serves() const { return own + related + ptx > 0; }
};
[[nodiscard]] PackLook look_at_pack(const std::string& file, const std::optional<PackDevice>& device);

/// Without the file's name.
[[nodiscard]] std::string text_of(const PackLook& look, const std::optional<PackDevice>& device);
[[nodiscard]] Json to_json(const PackLook& look, const std::optional<PackDevice>& device);

/// Something in the packs that this device runs: the first item of a manifest for its architecture, else for the best
/// of those that it runs where nothing compiles.
struct PackSample {
  Problem problem;
  Config config;
};
[[nodiscard]] std::optional<PackSample> sample_of(const std::vector<PackLook>& packs, const PackDevice& device);

}  // namespace osdn::cli
