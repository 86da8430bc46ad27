// What of a plan depends on the shape: how it is cut, what it launches, where its workspace lies.
#include <algorithm>
#include <bit>
#include <initializer_list>
#include <limits>
#include <string_view>

#include "generator/plan.hpp"
#include "generator/render.hpp"
#include "templates/parameters.cuh"

namespace osdn::generator {
namespace {

constexpr std::size_t workspace_alignment = 256;

std::size_t aligned(std::size_t bytes) {
  return (bytes + workspace_alignment - 1) / workspace_alignment * workspace_alignment;
}

std::int64_t product_or_largest(std::initializer_list<std::int64_t> factors) {
  std::int64_t all = 1;
  for (const std::int64_t factor : factors) {
    if (__builtin_mul_overflow(all, factor, &all)) return std::numeric_limits<std::int64_t>::max();
  }
  return all;
}

/// Fewer segments of a sequence than this hardly make up for the work that cutting adds (docs/performance.md).
constexpr std::int64_t fewest_segments = 8;

/// Tokens of a segment, 0 to leave sequences whole.
std::int64_t segment_of(const Config& config, const Architecture& architecture, const Shape& shape) {
  const std::int64_t tokens = shape.b * shape.t;
  const std::int64_t sequences = shape.sequences();
  if (config.cut == Cut::never || sequences == 0) return 0;
  if (config.cut == Cut::fixed) return shape.packed() || shape.t > config.segment ? config.segment : 0;
  // Packed sequences are taken for equally long: the host does not read their lengths.
  const std::int64_t chains = product_or_largest({sequences, shape.hv, config.value_split});
  const std::int64_t multiprocessors = architecture.multiprocessors;
  if (chains >= (multiprocessors * config.cut_fill + 99) / 100) return 0;
  const std::int64_t length = tokens / sequences;
  const std::int64_t wanted = std::max<std::int64_t>(1, multiprocessors / chains);
  const auto fair = static_cast<std::uint64_t>(length / wanted);
  const std::int64_t segment =
      std::max<std::int64_t>(config.segment, static_cast<std::int64_t>(std::bit_floor(fair + (fair == 0 ? 1 : 0))));
  return length >= fewest_segments * segment ? segment : 0;
}

}  // namespace

Cutting Plan::cutting(const Shape& shape) const {
  return generator::cutting(config, architecture, shape);
}

Cutting cutting(const Config& config, const Architecture& architecture, const Shape& shape) {
  const std::int64_t segment = segment_of(config, architecture, shape);
  if (segment == 0) return {};
  return {true, segment, shape.b * shape.t / segment + shape.sequences()};
}

Launches Plan::launches(const Shape& shape) const {
  const Cutting cutting = this->cutting(shape);
  Launches out;
  const auto add = [&](const Phase& phase, bool per_segment, int pass = 0) {
    for (std::size_t i = 0; i < kernels.size(); ++i) {
      if (kernels[i].phase != phase.name) continue;
      const std::int64_t items = per_segment ? cutting.segments : shape.sequences();
      std::int64_t ctas = product_or_largest({items, shape.hv, kernels[i].ctas_per_head});
      if (kernels[i].most_ctas != 0) ctas = std::min<std::int64_t>(ctas, kernels[i].most_ctas);
      out.add({i, ctas, pass});
    }
  };
  if (is_decode(problem)) {
    add(decode, false);
    return out;
  }
  const bool preconditioned = problem.precondition != Precondition::none;
  if (preconditioned) add(preconditioner, cutting.cut);
  if (preconditioned && cutting.cut) {
    for (int round = 0; round < cut_corrections; ++round) {
      add(segment_jacobian, true, round);
      add(segment_correction, false, round);
      add(preconditioner, true, round + 1);
    }
    add(preconditioner, false, settle_pass);
  }
  if (cutting.cut) {
    add(segment_transfer, true);
    add(segment_states, false);
  }
  add(delta_rule_of(config), cutting.cut);
  return out;
}

Plan::Workspace Plan::workspace(const Shape& shape) const {
  if (is_decode(problem)) return {};
  const Cutting cutting = this->cutting(shape);
  const bool preconditioned = problem.precondition != Precondition::none;
  const auto heads = static_cast<std::size_t>(shape.hv);
  const auto tokens = static_cast<std::size_t>(shape.b) * static_cast<std::size_t>(shape.t);
  const auto sequences = static_cast<std::size_t>(shape.sequences());
  const auto k = static_cast<std::size_t>(problem.k);
  const auto v = static_cast<std::size_t>(problem.v);
  Workspace out;
  const auto take = [&out](std::size_t& offset, std::size_t numbers) {
    offset = out.bytes;
    out.bytes += aligned(numbers * sizeof(float));
  };
  if (preconditioned) {
    // Every sequence may begin a chunk that it does not fill.
    const std::size_t chunks = tokens / static_cast<std::size_t>(config.chunk) + sequences;
    take(out.gain_offset, heads * tokens);
    take(out.d_chunks_offset, heads * chunks * k);
  }
  if (!cutting.cut) return out;
  const std::size_t segments = static_cast<std::size_t>(cutting.segments) * heads;
  take(out.segment_states_offset, segments * k * v);
  take(out.operators_offset, segments * k * k);
  if (preconditioned) {
    take(out.segment_d_offset, segments * k);
    take(out.segment_ends_offset, segments * k);
    take(out.segment_moves_offset, segments);
    take(out.cut_rounds_offset, sequences * heads * 2);
  }
  return out;
}

}  // namespace osdn::generator
