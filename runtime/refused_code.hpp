// Code of a kernel that the driver would not load.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/cache_entry.hpp"
#include "runtime/compile.hpp"

namespace osdn::runtime {

/// Grows while one kernel is looked for; the layers pass by what is in it, wherever else the same bytes lie.
class RefusedCode {
 public:
  /// `image`: what the driver was given; `line`: whose it was and what the driver said, for an error.
  void add(std::string_view image, std::string line) {
    images_.push_back(cache_key(image));
    lines_ += line + '\n';
  }
  /// Machine code and PTX are asked about on their own: a driver may refuse the one and compile the other.
  [[nodiscard]] bool holds(const CompiledKernel& kernel) const {
    return !images_.empty() && (holds(kernel.cubin) || holds(kernel.ptx));
  }
  [[nodiscard]] bool empty() const { return images_.empty(); }
  [[nodiscard]] std::size_t size() const { return images_.size(); }
  [[nodiscard]] const std::string& lines() const { return lines_; }

 private:
  [[nodiscard]] bool holds(std::string_view image) const {
    return !image.empty() && std::find(images_.begin(), images_.end(), cache_key(image)) != images_.end();
  }

  std::vector<CacheKey> images_;
  std::string lines_;
};

}  // namespace osdn::runtime
