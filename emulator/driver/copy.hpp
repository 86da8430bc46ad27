// Copies and fills: described once, checked when submitted and again when run.
#pragma once

#include <cstdint>

#include "driver/submit.hpp"

namespace emulator {

/// A box of bytes: rows of `width`, `height` rows `pitch` apart, `depth` slices `slice` apart.
struct Copy {
  struct End {
    std::uint64_t address = 0;
    std::size_t pitch = 0;
    std::size_t slice = 0;
    CUmemorytype type = CU_MEMORYTYPE_UNIFIED;
  };
  End to;
  End from;
  std::size_t width = 0;
  std::size_t height = 1;
  std::size_t depth = 1;
  [[nodiscard]] bool empty() const { return width == 0 || height == 0 || depth == 0; }
};

Copy describe(const CUDA_MEMCPY3D& copy);
Copy describe(const CUDA_MEMCPY2D& copy);

/// Throws CUDA_ERROR_INVALID_VALUE for addresses that are not what the copy says they are.
Task copy_task(const Copy& copy);

struct Fill {
  std::uint64_t address = 0;
  std::size_t pitch = 0;
  unsigned value = 0;
  unsigned element = 1;   ///< bytes: 1, 2 or 4
  std::size_t width = 0;  ///< elements
  std::size_t height = 1;
};

/// Throws CUDA_ERROR_INVALID_VALUE for an address that is misaligned or not in live device memory.
Task fill_task(const Fill& fill);

}  // namespace emulator
