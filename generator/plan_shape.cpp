// What of a plan depends on the shape: how it is cut, what it launches, where its workspace lies.
#include <algorithm>
#include <bit>
#include <initializer_list>
#include <limits>

#include "generator/fused.hpp"
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
constexpr std::int64_t fewest_segments = 4;

std::int64_t divided_up(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

/// Sequences cut every `segment` tokens. How long packed ones are is not known here: bounds take the place of numbers.
Cutting cut_at(const Config& config, std::int64_t segment, const Shape& shape) {
  Cutting out{true, segment, 0, 0, divided_up(shape.t, segment) >= config.cut_d};
  const std::int64_t of_a_sequence = std::max<std::int64_t>(1, divided_up(shape.t, segment));
  if (shape.packed()) {
    out.segments = shape.t / segment + shape.n;
    out.operators = std::max<std::int64_t>(0, shape.t / segment - 1);
  } else {
    out.segments = shape.b * of_a_sequence;
    out.operators = shape.b * std::max<std::int64_t>(0, of_a_sequence - 2);
  }
  return out;
}

Plan::Workspace workspace_of(const Problem& problem, const Config& config, const Cutting& cutting, const Shape& shape) {
  const bool preconditioned = problem.precondition != Precondition::none;
  const auto heads = static_cast<std::size_t>(shape.hv);
  const auto tokens = static_cast<std::size_t>(shape.b) * static_cast<std::size_t>(shape.t);
  const auto sequences = static_cast<std::size_t>(shape.sequences());
  const auto k = static_cast<std::size_t>(problem.k);
  const auto v = static_cast<std::size_t>(problem.v);
  Plan::Workspace out;
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
  if (config.schedule == Schedule::hopper_fused) take(out.progress_offset, progress_words(shape));
  if (!cutting.cut) return out;
  const std::size_t segments = static_cast<std::size_t>(cutting.segments) * heads;
  take(out.segment_states_offset, segments * k * v);
  take(out.operators_offset, static_cast<std::size_t>(cutting.operators) * heads * k * k);
  if (preconditioned) {
    take(out.segment_d_offset, segments * k);
    take(out.segment_ends_offset, segments * k);
    take(out.segment_moves_offset, segments);
    take(out.cut_rounds_offset, sequences * heads * 2);
  }
  return out;
}

/// Whether the workspace keeps within Config::cut_memory of the bytes of q, k, v and o.
bool is_lean(const Problem& problem, const Config& config, const Cutting& cutting, const Shape& shape) {
  const double element = problem.type == ElementType::fp32 ? 4 : 2;
  const double of_token =
      2.0 * static_cast<double>(shape.h) * problem.k + 2.0 * static_cast<double>(shape.hv) * problem.v;
  const double tensors = element * of_token * static_cast<double>(shape.b) * static_cast<double>(shape.t);
  return 100.0 * static_cast<double>(workspace_of(problem, config, cutting, shape).bytes) <=
         config.cut_memory * tensors;
}

/// Tokens of a segment, 0 to leave sequences whole.
std::int64_t segment_of(const Problem& problem, const Config& config, const Architecture& architecture,
                        const Shape& shape) {
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
  std::int64_t segment =
      std::max<std::int64_t>(config.segment, static_cast<std::int64_t>(std::bit_floor(fair + (fair == 0 ? 1 : 0))));
  // Two passes over a segment, the first one over an operator's columns, too, in as many turns as all chains take.
  const auto is_worth_it = [&] {
    const std::int64_t all = chains * divided_up(length, segment);
    const std::int64_t turns = divided_up(2 * all, multiprocessors) + divided_up(all, multiprocessors);
    return length >= fewest_segments * segment && 4 * turns * segment <= 3 * length;
  };
  while (is_worth_it() && !is_lean(problem, config, cut_at(config, segment, shape), shape)) segment *= 2;
  return is_worth_it() ? segment : 0;
}

}  // namespace

Cutting Plan::cutting(const Shape& shape) const {
  return generator::cutting(problem, config, architecture, shape);
}

Cutting cutting(const Problem& problem, const Config& config, const Architecture& architecture, const Shape& shape) {
  const std::int64_t segment = segment_of(problem, config, architecture, shape);
  return segment == 0 ? Cutting{} : cut_at(config, segment, shape);
}

Plan::Shaped Plan::at(const Shape& shape) const {
  Shaped out{this->cutting(shape), {}, {}};
  const Cutting& cutting = out.cutting;
  const auto add = [&](const Phase& phase, bool per_segment, int pass = 0) {
    for (std::size_t i = 0; i < kernels.size(); ++i) {
      if (kernels[i].of != &phase) continue;
      const std::int64_t items = per_segment ? cutting.segments : shape.sequences();
      std::int64_t ctas = product_or_largest({items, shape.hv, kernels[i].ctas_per_head});
      if (kernels[i].most_ctas != 0) ctas = std::min<std::int64_t>(ctas, kernels[i].most_ctas);
      out.launches.add({i, ctas, pass});
    }
  };
  if (is_decode(problem)) {
    add(decode, false);
    return out;
  }
  out.workspace = workspace_of(problem, config, cutting, shape);
  if (config.schedule == Schedule::hopper_fused) {
    const FusedGrid grid = fused_grid(problem, config, architecture, shape);
    out.launches.add({.kernel = 0,
                      .ctas = grid.preconditioners + grid.chains,
                      .preconditioners = static_cast<int>(grid.preconditioners),
                      .zeros_offset = out.workspace.progress_offset,
                      .zeros = progress_words(shape)});
    return out;
  }
  const bool preconditioned = problem.precondition != Precondition::none;
  if (preconditioned) add(preconditioner, cutting.cut);
  if (preconditioned && cutting.cuts_d) {
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
  return workspace_of(problem, config, cutting(shape), shape);
}

}  // namespace osdn::generator
