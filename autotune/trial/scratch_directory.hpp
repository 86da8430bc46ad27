// A directory of this process alone, gone with its owner.
#pragma once

#include <string>

namespace osdn::autotune {

class ScratchDirectory {
 public:
  ScratchDirectory() = default;
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  /// Makes it, mode 0700, where temporary files go. Why not; empty: it is there.
  std::string make();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace osdn::autotune
