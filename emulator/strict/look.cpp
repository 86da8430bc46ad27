#include "strict/look.hpp"

namespace emulator {

alignas(64) const std::array<std::byte, 256> Look::kDefined{};

namespace {

template <class T>
std::uint32_t nonzero(const void* row) {
  std::uint32_t lanes = 0;
  for (unsigned i = 0; i < kLanes; ++i) {
    lanes |= static_cast<std::uint32_t>(static_cast<const T*>(row)[i] != 0) << i;
  }
  return lanes;
}

template <class T>
void fill(std::byte* row, std::uint32_t lanes) {
  auto* elements = reinterpret_cast<T*>(row);
  for (unsigned i = 0; i < kLanes; ++i) elements[i] = (lanes >> i & 1u) != 0 ? static_cast<T>(~T{0}) : T{0};
}

}  // namespace

std::uint32_t lanes_set(const void* row, unsigned bytes) {
  return bytes == 2   ? nonzero<std::uint16_t>(row)
         : bytes == 4 ? nonzero<std::uint32_t>(row)
                      : nonzero<std::uint64_t>(row);
}

void fill_lanes(std::byte* row, unsigned bytes, std::uint32_t lanes) {
  if (bytes == 2) fill<std::uint16_t>(row, lanes);
  if (bytes == 4) fill<std::uint32_t>(row, lanes);
  if (bytes == 8) fill<std::uint64_t>(row, lanes);
}

std::uint32_t Look::undefined_lanes(const RegisterPlace& place) const {
  if (place.bytes == 0) return shadow.predicate(place.offset);
  if (shadow.dirty[place.offset / 128] == 0) return 0;
  return lanes_set(shadow.bits + place.offset, place.bytes);
}

std::uint32_t Look::undefined_lanes() const {
  std::uint32_t lanes = 0;
  for (unsigned k = 0; k < footprint.reads; ++k) lanes |= undefined_lanes(read(k));
  for (unsigned k = 0; k < footprint.predicate_reads; ++k) lanes |= undefined_lanes(predicate_read(k));
  return lanes & mask;
}

void Look::undefine(std::uint32_t lanes) const {
  for (unsigned k = 0; k < footprint.writes; ++k) fill_lanes(out.rows[k].data(), written(k).bytes, lanes);
  out.predicates.fill(lanes);
}

void Look::define() const {
  for (unsigned k = 0; k < footprint.writes; ++k) out.rows[k].fill(std::byte{0});
  out.predicates.fill(0);
}

void Look::blame() const {
  std::uint32_t left = 0;
  for (unsigned k = 0; k < footprint.writes; ++k) left |= lanes_set(out.rows[k].data(), written(k).bytes);
  for (unsigned k = 0; k < footprint.predicate_writes; ++k) left |= out.predicates[k];
  each_lane(left & mask, [&](unsigned lane) { out.origin[lane] = origin_of(lane); });
}

OriginId Look::origin_of(unsigned lane) const {
  for (unsigned k = 0; k < footprint.reads; ++k) {
    if ((undefined_lanes(read(k)) >> lane & 1u) != 0) return shadow.row_origins(read(k).offset)[lane];
  }
  for (unsigned k = 0; k < footprint.predicate_reads; ++k) {
    const std::uint32_t offset = predicate_read(k).offset;
    if ((shadow.predicate(offset) >> lane & 1u) != 0) return shadow.predicate_origins[offset / 4];
  }
  return kNoOrigin;
}

}  // namespace emulator
