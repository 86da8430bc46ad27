// Which sectors of global memory a launch has touched.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace emulator {

class Touched {
 public:
  /// Marks the sectors of `bytes` bytes. True when one of them had not been touched since begin_block().
  bool touch(std::uint64_t address, std::uint64_t bytes, bool write);
  void begin_block();
  void add(const Touched& other);
  [[nodiscard]] std::uint64_t read_sectors() const;
  [[nodiscard]] std::uint64_t written_sectors() const;

 private:
  static constexpr unsigned kSectorShift = 5;
  static constexpr unsigned kPageSectors = 2048;
  using Bits = std::array<std::uint64_t, kPageSectors / 64>;
  struct Page {
    Bits read{}, written{}, block{};
    bool in_block = false;
  };
  Page& page(std::uint64_t number);

  std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
  std::vector<Page*> block_pages_;
  std::uint64_t last_ = ~std::uint64_t{0};
  Page* last_page_ = nullptr;
};

}  // namespace emulator
