#include "strict/definedness.hpp"

#include <algorithm>

#include "execute/block.hpp"

namespace emulator {

Definedness::Definedness(Block& block)
    : block_(block),
      program_(block.program()),
      registers_(block.register_bytes(), block.warps()),
      shared_(block.shared_bytes()),
      local_(block.local_bytes() * kLanes * block.warps()),
      origins_(block.program()) {}

void Definedness::reset() {
  registers_.reset();
  shared_.reset();
  local_.reset();
  origins_.reset();
  outcome_.active = false;
  meeting_ = {};
  extent_ = {};
  for (unsigned i = 0; i < block_.warps(); ++i) enter(block_.warp(i), kAllLanes, 0, 0, 0);
}

Look Definedness::look_at(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const auto index = static_cast<std::size_t>(&in - warp.code);
  const Footprint& footprint = program_.footprints[index];
  return {warp,
          in,
          program_.notes[index].flow,
          footprint,
          program_.places.data() + footprint.first,
          registers_.of(warp),
          mask,
          outcome_,
          meeting_};
}

bool Definedness::reads_dirty(const Look& look) const {
  unsigned dirty = 0;
  for (unsigned k = 0; k < look.footprint.reads; ++k) dirty |= look.shadow.dirty[look.read(k).offset / 128];
  std::uint32_t lanes = 0;
  for (unsigned k = 0; k < look.footprint.predicate_reads; ++k) {
    lanes |= look.shadow.predicate(look.predicate_read(k).offset);
  }
  return dirty != 0 || (lanes & look.mask) != 0;
}

bool Definedness::writes_dirty(const Look& look) const {
  unsigned dirty = 0;
  for (unsigned k = 0; k < look.footprint.writes; ++k) dirty |= look.shadow.dirty[look.written(k).offset / 128];
  std::uint32_t lanes = 0;
  for (unsigned k = 0; k < look.footprint.predicate_writes; ++k) {
    lanes |= look.shadow.predicate(look.predicate_written(k).offset);
  }
  return dirty != 0 || (lanes & look.mask) != 0;
}

namespace {

/// A shuffle may bring something undefined though all that it reads is defined.
bool reaches_absent_lanes(const Look& look) {
  if (look.mask != kAllLanes) return true;
  const RowOperand members = look.in.operand[4];
  if ((members & 1) != 0) return false;
  const std::uint32_t* each = look.value<std::uint32_t>(members);
  return std::any_of(each, each + kLanes, [&](std::uint32_t m) { return m != each[0]; });
}

}  // namespace

void Definedness::before(Warp& warp, const Instruction& in, std::uint32_t mask, const Access* accesses,
                         unsigned count) {
  const Look look = look_at(warp, in, mask);
  if (look.flow.rule == Flow::warpgroup_multiply) return warpgroup_product(look);
  const bool dirty = reads_dirty(look) || (meeting_.active && meeting_.dirty);
  if (dirty) check_operands(look);
  if (count != 0) {
    switch (look.flow.rule) {
      case Flow::store:
        return store(look, accesses[0], dirty);
      case Flow::atomic:
        return atomic(look, accesses[0]);
      case Flow::async_copy:
        return copy(look, accesses);
      case Flow::matrix_load:
        return load_matrices(look, accesses[0]);
      case Flow::matrix_store:
        return store_matrices(look, accesses[0]);
      default:
        return load(look, accesses[0]);
    }
  }
  if (!dirty && !(look.flow.rule == Flow::shuffle && reaches_absent_lanes(look))) {
    if (!writes_dirty(look)) return;
    look.define();
    outcome_.active = true;
    return;
  }
  outcome_.active = true;
  apply(look);
}

void Definedness::apply(const Look& look) {
  const bool whole_warp = look.mask == kAllLanes;
  switch (look.flow.rule) {
    case Flow::halves:
      rules::halves(look);
      break;
    case Flow::pair:
      rules::pair(look);
      break;
    case Flow::copy:
      rules::copy(look);
      break;
    case Flow::move:
      rules::move(look);
      break;
    case Flow::integer:
      rules::integer(look);
      break;
    case Flow::predicate:
      rules::predicate(look);
      break;
    case Flow::predicate_copy:
      rules::predicate_copy(look);
      break;
    case Flow::compare:
      rules::compare(look);
      break;
    case Flow::select:
      rules::select(look);
      break;
    case Flow::select_sign:
      rules::select_sign(look);
      break;
    case Flow::shuffle:
      return rules::shuffle(look, origins_);
    case Flow::vote:
      return rules::vote(look);
    case Flow::match:
      return rules::match(look);
    case Flow::reduce:
      return rules::reduce(look);
    case Flow::matrix_move:
      return whole_warp ? rules::matrix_move(look) : look.define();
    case Flow::matrix_multiply:
      return whole_warp ? rules::matrix_multiply(look) : look.define();
    case Flow::elect:
    case Flow::barrier:
      return look.define();
    default:
      rules::whole(look);
      break;
  }
  look.blame();
}

/// What control hangs on, and addresses.
void Definedness::check_operands(const Look& look) {
  const Instruction& in = look.in;
  constexpr std::uint8_t kFixedAddress = 2;
  switch (look.flow.rule) {
    case Flow::load:
    case Flow::store:
    case Flow::atomic:
      if ((in.flags & kFixedAddress) == 0) check(look, in.operand[1], look.mask, "forms an address");
      return;
    case Flow::matrix_load:
    case Flow::matrix_store: {
      const std::uint32_t holders = in.count == 4 ? kAllLanes : (1u << 8 * in.count) - 1;
      if ((in.flags & kFixedAddress) == 0) check(look, in.operand[1], look.mask & holders, "forms an address");
      return;
    }
    case Flow::async_copy:
      if (in.list[0] != 2) check(look, in.operand[0], look.mask, "forms an address");
      if (in.list[2] != 2) check(look, in.operand[1], look.mask, "forms an address");
      if ((in.mode & 1) != 0) check(look, in.operand[2], look.mask, "decides how much is copied");
      if ((in.mode & 2) != 0) check_predicate(look, in.operand[2], look.mask, "decides whether anything is copied");
      return;
    case Flow::bulk_copy:
      return check_bulk(look);
    case Flow::branch_indexed:
      return check(look, in.operand[0], look.mask, "decides a branch");
    case Flow::call_indirect:
      return check(look, in.operand[0], look.mask, "decides what is called");
    case Flow::barrier:
      check(look, in.operand[1], look.mask, "names a barrier");
      check(look, in.operand[2], look.mask, "counts the threads of a barrier");
      if (in.mode >= kBarrierPopc) check_predicate(look, in.operand[3], look.mask, "is reduced over the block");
      return;
    case Flow::mbarrier:
      if ((in.flags & kFixedAddress) == 0) check(look, in.operand[1], look.mask, "forms an address");
      return check(look, in.operand[2], look.mask, "tells an mbarrier what to do");
    case Flow::warp_barrier:
    case Flow::shuffle:
    case Flow::vote:
    case Flow::match:
    case Flow::reduce:
    case Flow::elect:
      return check(look, in.operand[4], look.mask, "is a member mask");
    default:
      return;
  }
}

namespace {

template <class T>
void commit_row(std::byte* row, const std::byte* from, std::uint32_t mask) {
  auto* d = reinterpret_cast<T*>(row);
  const auto* s = reinterpret_cast<const T*>(from);
  for (unsigned i = 0; i < kLanes; ++i) d[i] = (mask >> i & 1u) != 0 ? s[i] : d[i];
}

void commit_row(std::byte* row, const std::byte* from, unsigned bytes, std::uint32_t mask) {
  if (bytes == 2) commit_row<std::uint16_t>(row, from, mask);
  if (bytes == 4) commit_row<std::uint32_t>(row, from, mask);
  if (bytes == 8) commit_row<std::uint64_t>(row, from, mask);
}

}  // namespace

void Definedness::after(Warp& warp, const Instruction& in, std::uint32_t done) {
  if (!outcome_.active) return;
  if (!meeting_.active) outcome_.active = false;
  if (done == 0) return;
  const Look look = look_at(warp, in, done);
  if (look.flow.rule == Flow::async_copy) {
    warp.copies.back().undefined = copied_;
    warp.copies.back().origin = copied_origin_;
    return;
  }
  for (unsigned k = 0; k < look.footprint.writes; ++k) {
    const RegisterPlace& place = look.written(k);
    const std::byte* bits = outcome_.rows[k].data();
    std::uint8_t& dirty = look.shadow.dirty[place.offset / 128];
    const std::uint32_t undefined = lanes_set(bits, place.bytes) & done;
    if (undefined == 0 && dirty == 0) continue;
    std::byte* row = look.shadow.bits + place.offset;
    if (dirty == 0) std::fill_n(row, kLanes * place.bytes, std::byte{0});
    commit_row(row, bits, place.bytes, done);
    if (undefined != 0) {
      dirty = 1;
      OriginId* origins = look.shadow.row_origins(place.offset);
      each_lane(undefined, [&](unsigned lane) { origins[lane] = outcome_.origin[lane]; });
    } else if (((warp.present & ~warp.exited) & ~done) == 0) {
      dirty = 0;
    }
  }
  for (unsigned k = 0; k < look.footprint.predicate_writes; ++k) {
    const std::uint32_t offset = look.predicate_written(k).offset;
    std::uint32_t& bits = look.shadow.predicate(offset);
    const std::uint32_t undefined = outcome_.predicates[k] & done;
    bits &= ~done;
    if (undefined == 0) continue;
    OriginId& origin = look.shadow.predicate_origins[offset / 4];
    const OriginId fresh = outcome_.origin[static_cast<unsigned>(__builtin_ctz(undefined))];
    origin = bits == 0 || origin == fresh ? fresh : kSeveralOrigins;
    bits |= undefined;
  }
}

void Definedness::meet(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const Look look = look_at(warp, in, mask);
  meeting_.active = true;
  meeting_.lanes |= mask;
  meeting_.dirty = meeting_.dirty || reads_dirty(look) || look.flow.rule == Flow::shuffle;
  if (look.flow.rule == Flow::vote) {
    meeting_.predicate = (meeting_.predicate & ~mask) | (look.predicate(in.operand[1]) & mask);
    meeting_.predicate_undefined |= look.predicate_undefined(in.operand[1]) & mask;
    each_lane(mask, [&](unsigned i) { meeting_.origin[i] = look.origin_of(i); });
    return;
  }
  if (look.flow.rule == Flow::warp_barrier || look.flow.rule == Flow::elect) return;
  const bool wide = look.flow.width == 8;
  each_lane(mask, [&](unsigned i) {
    meeting_.undefined[i] =
        wide ? look.undefined<std::uint64_t>(in.operand[1])[i] : look.undefined<std::uint32_t>(in.operand[1])[i];
    meeting_.value[i] =
        wide ? look.value<std::uint64_t>(in.operand[1])[i] : look.value<std::uint32_t>(in.operand[1])[i];
    meeting_.origin[i] = look.origin_of(in.operand[1], i);
  });
}

void Definedness::met(Warp& /*warp*/) {
  meeting_ = {};
  outcome_.active = false;
}

void Definedness::argument(Warp& warp, std::uint32_t mask, std::uint32_t from, std::uint32_t to, std::uint32_t bytes) {
  each_lane(mask, [&](unsigned lane) {
    const std::size_t source = local_at(warp, lane, from), target = local_at(warp, lane, to);
    for (std::size_t k = 0; k < bytes; ++k) {
      *local_.bits(target + k) = *local_.bits(source + k);
      if (*local_.bits(source + k) != 0) local_.origin(target + k) = local_.origin(source + k);
    }
  });
}

void Definedness::provided(const Warp& warp, unsigned lane, std::uint32_t at, std::uint32_t bytes) {
  std::fill_n(local_.bits(local_at(warp, lane, at)), bytes, std::uint8_t{0});
}

void Definedness::initialised(std::uint64_t offset, std::size_t bytes) {
  std::fill_n(shared_.bits(offset), bytes, std::uint8_t{0});
}

void Definedness::called(Warp& warp, std::uint32_t mask, const Frame& frame) {
  enter(warp, mask, frame.function, frame.registers, frame.local);
}

void Definedness::enter(const Warp& warp, std::uint32_t mask, std::uint32_t function, std::uint32_t registers,
                        std::uint32_t local) {
  const FunctionFrame& frame = program_.functions[function];
  const RegisterShadow shadow = registers_.at(warp, registers);
  for (std::uint32_t at = 0; at < frame.predicate_bytes; at += 4) shadow.predicate(at) &= ~mask;
  for (std::uint32_t i = frame.first_unwritten; i < frame.first_unwritten + frame.unwritten; ++i) {
    const RegisterPlace& place = program_.unwritten[i];
    if (place.bytes == 0) {
      shadow.predicate(place.offset) |= mask;
      shadow.predicate_origins[place.offset / 4] = Origins::of_register(i);
      continue;
    }
    std::byte* row = shadow.bits + place.offset;
    std::uint8_t& dirty = shadow.dirty[place.offset / 128];
    if (dirty == 0) std::fill_n(row, kLanes * place.bytes, std::byte{0});
    dirty = 1;
    alignas(64) std::array<std::byte, 256> all;
    fill_lanes(all.data(), place.bytes, mask);
    commit_row(row, all.data(), place.bytes, mask);
    each_lane(mask, [&](unsigned lane) { shadow.row_origins(place.offset)[lane] = Origins::of_register(i); });
  }
  if (local == 0 || frame.local_bytes == 0) return;  // when the block begins nobody has written anything
  each_lane(mask & warp.present,
            [&](unsigned lane) { local_.undefine(local_at(warp, lane, local), frame.local_bytes, kNoOrigin); });
}

void Definedness::landed(Warp& /*warp*/, const PendingCopy& copy, unsigned lane) {
  for (unsigned k = 0; k < copy.size; ++k) {
    const bool undefined = (copy.undefined[lane] >> k & 1u) != 0;
    *shared_.bits(copy.target[lane] + k) = undefined ? 0xFF : 0;
    if (undefined) shared_.origin(copy.target[lane] + k) = copy.origin;
  }
}

}  // namespace emulator
