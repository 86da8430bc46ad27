#include "measure/touched.hpp"

#include <bit>

namespace emulator {

Touched::Page& Touched::page(std::uint64_t number) {
  if (number == last_) return *last_page_;
  auto& page = pages_[number];
  if (page == nullptr) page = std::make_unique<Page>();
  last_ = number;
  last_page_ = page.get();
  return *page;
}

bool Touched::touch(std::uint64_t address, std::uint64_t bytes, bool write) {
  bool fresh = false;
  const std::uint64_t last = (address + bytes - 1) >> kSectorShift;
  for (std::uint64_t sector = address >> kSectorShift; sector <= last; ++sector) {
    Page& here = page(sector / kPageSectors);
    if (!here.in_block) {
      here.in_block = true;
      block_pages_.push_back(&here);
    }
    const std::size_t word = sector % kPageSectors / 64;
    const std::uint64_t bit = std::uint64_t{1} << sector % 64;
    fresh = fresh || (here.block[word] & bit) == 0;
    here.block[word] |= bit;
    (write ? here.written : here.read)[word] |= bit;
  }
  return fresh;
}

void Touched::begin_block() {
  for (Page* page : block_pages_) {
    page->block.fill(0);
    page->in_block = false;
  }
  block_pages_.clear();
}

void Touched::add(const Touched& other) {
  for (const auto& [number, theirs] : other.pages_) {
    Page& mine = page(number);
    for (std::size_t i = 0; i < mine.read.size(); ++i) {
      mine.read[i] |= theirs->read[i];
      mine.written[i] |= theirs->written[i];
    }
  }
}

std::uint64_t Touched::read_sectors() const {
  std::uint64_t count = 0;
  for (const auto& [number, page] : pages_) {
    for (const std::uint64_t word : page->read) count += static_cast<unsigned>(std::popcount(word));
  }
  return count;
}

std::uint64_t Touched::written_sectors() const {
  std::uint64_t count = 0;
  for (const auto& [number, page] : pages_) {
    for (const std::uint64_t word : page->written) count += static_cast<unsigned>(std::popcount(word));
  }
  return count;
}

}  // namespace emulator
