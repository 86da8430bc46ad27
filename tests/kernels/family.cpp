#include "tests/kernels/family.hpp"

#include <fmt/format.h>

#include <array>
#include <random>

#include "generator/constraints.hpp"

namespace osdn::tests {
namespace {

using reference::Keys;
using reference::Numbers;

enum AxisNumber {
  k_axis,
  v_axis,
  type_axis,
  write_scale_axis,
  norm_axis,
  beta_aware_axis,
  l2norm_axis,
  beta_type_axis,
  chunk_axis,
  warps_axis,
  stages_axis,
  value_split_axis,
  algorithm_axis,
  preconditioner_warps_axis,
  inverse_axis,
  numbers_axis,
  keys_axis,
  layout_axis,
  heads_axis,
  states_axis,
  length_axis,
  scale_axis,
  axis_count
};

constexpr std::array head_dimensions{16, 64, 96, 128, 256};
struct Arithmetic {
  ElementType type;
  Fp32Math math;
};
constexpr std::array arithmetics{
    Arithmetic{ElementType::bf16, Fp32Math::tf32}, Arithmetic{ElementType::fp16, Fp32Math::tf32},
    Arithmetic{ElementType::fp32, Fp32Math::tf32}, Arithmetic{ElementType::fp32, Fp32Math::tf32x3}};
struct WriteScale {
  Precondition precondition;
  Apf apf;
};
constexpr std::array write_scales{
    WriteScale{Precondition::none, Apf::none},      WriteScale{Precondition::osdn, Apf::none},
    WriteScale{Precondition::osdn, Apf::constant},  WriteScale{Precondition::osdn, Apf::per_head},
    WriteScale{Precondition::osdn, Apf::per_token}, WriteScale{Precondition::osdn, Apf::per_channel}};
constexpr std::array norms{Norm::max, Norm::add, Norm::one};
constexpr std::array beta_types{BetaType::fp32, BetaType::element};
constexpr std::array chunks{16, 32, 64, 128};
constexpr std::array warps{1, 2, 4, 8, 16};
constexpr std::array stages{1, 2, 3};
constexpr std::array value_splits{1, 2, 3, 4};
constexpr std::array algorithms{PreconditionerAlgorithm::serial, PreconditionerAlgorithm::parallel};
constexpr std::array preconditioner_warps{1, 2, 4, 8};
constexpr std::array inverses{InverseAlgorithm::substitution, InverseAlgorithm::blocked};
enum NumbersKind { paper, binding, free_of_clip, numbers_count };
constexpr std::array keys{Keys::unit, Keys::scaled, Keys::nearly_equal};
enum Layout { one, batch, packed_int64, packed_int32, layout_count };
enum Length { shorter_than_chunk, multiple_of_chunk, ragged, length_count };
constexpr std::array states{States::none, States::out, States::in_and_out, States::aliased};

std::vector<Axis> axes() {
  const auto count = [](const auto& values) { return static_cast<int>(values.size()); };
  std::vector<Axis> out(axis_count);
  out[k_axis] = {"k", count(head_dimensions)};
  out[v_axis] = {"v", count(head_dimensions)};
  out[type_axis] = {"type", count(arithmetics)};
  out[write_scale_axis] = {"write_scale", count(write_scales)};
  out[norm_axis] = {"norm", count(norms)};
  out[beta_aware_axis] = {"beta_aware", 2};
  out[l2norm_axis] = {"qk_l2norm", 2};
  out[beta_type_axis] = {"beta_type", count(beta_types)};
  out[chunk_axis] = {"chunk", count(chunks)};
  out[warps_axis] = {"warps", count(warps)};
  out[stages_axis] = {"stages", count(stages)};
  out[value_split_axis] = {"value_split", count(value_splits)};
  out[algorithm_axis] = {"preconditioner", count(algorithms)};
  out[preconditioner_warps_axis] = {"preconditioner_warps", count(preconditioner_warps)};
  out[inverse_axis] = {"inverse", count(inverses)};
  out[numbers_axis] = {"numbers", numbers_count};
  out[keys_axis] = {"keys", count(keys)};
  out[layout_axis] = {"layout", layout_count};
  out[heads_axis] = {"heads", 2};
  out[states_axis] = {"states", count(states)};
  out[length_axis] = {"length", length_count};
  out[scale_axis] = {"scale", 2};
  return out;
}

Problem problem_of(const Row& row) {
  Problem p;
  p.k = head_dimensions[row[k_axis]];
  p.v = head_dimensions[row[v_axis]];
  p.type = arithmetics[row[type_axis]].type;
  p.math = arithmetics[row[type_axis]].math;
  p.precondition = write_scales[row[write_scale_axis]].precondition;
  p.apf = write_scales[row[write_scale_axis]].apf;
  p.norm = norms[row[norm_axis]];
  p.beta_aware = row[beta_aware_axis] == 1;
  p.qk_l2norm = row[l2norm_axis] == 1;
  p.beta_type = beta_types[row[beta_type_axis]];
  return canonical(p).value_or_throw();
}

Config config_of(const Row& row) {
  Config c;
  c.chunk = chunks[row[chunk_axis]];
  c.warps = warps[row[warps_axis]];
  c.stages = stages[row[stages_axis]];
  c.value_split = value_splits[row[value_split_axis]];
  c.preconditioner = algorithms[row[algorithm_axis]];
  c.preconditioner_warps = preconditioner_warps[row[preconditioner_warps_axis]];
  c.inverse = inverses[row[inverse_axis]];
  return c;
}

bool is_preconditioned(const Row& row) {
  return write_scales[row[write_scale_axis]].precondition == Precondition::osdn;
}

bool fits(const Problem& problem, const Config& config) {
  static const generator::Architecture target = generator::find_architecture("sm_80").value_or_throw();
  return generator::check(canonical(problem).value_or_throw(), config, target).has_value();
}

// The generator's constraints, each with the axes that it depends on and everything else at its smallest.
std::vector<Rule> rules() {
  const auto small_problem = [](const Row& row) {
    Problem p;
    p.k = head_dimensions[row[k_axis]];
    p.v = 16;
    p.precondition = Precondition::none;
    return p;
  };
  const Config small{
      .chunk = 16, .warps = 1, .preconditioner = PreconditionerAlgorithm::serial, .preconditioner_warps = 1};
  const auto value_columns = [=](const Row& row) {
    return head_dimensions[row[v_axis]] / 16 % value_splits[row[value_split_axis]] == 0;
  };
  const auto state = [=](const Row& row) {
    Problem p = small_problem(row);
    p.v = head_dimensions[row[v_axis]];
    Config c = small;
    c.warps = warps[row[warps_axis]];
    c.value_split = value_splits[row[value_split_axis]];
    return fits(p, c);
  };
  const auto delta_rule = [=](const Row& row) {
    Problem p = small_problem(row);
    p.v = head_dimensions[row[v_axis]];
    p.type = arithmetics[row[type_axis]].type;
    p.precondition = write_scales[row[write_scale_axis]].precondition;
    Config c = small;
    c.chunk = chunks[row[chunk_axis]];
    c.warps = warps[row[warps_axis]];
    c.stages = stages[row[stages_axis]];
    c.value_split = value_splits[row[value_split_axis]];
    return fits(p, c);
  };
  const auto preconditioner = [=](const Row& row) {
    Problem p = small_problem(row);
    p.type = arithmetics[row[type_axis]].type;
    p.precondition = write_scales[row[write_scale_axis]].precondition;
    p.apf = write_scales[row[write_scale_axis]].apf;
    Config c = small;
    c.preconditioner = algorithms[row[algorithm_axis]];
    c.preconditioner_warps = preconditioner_warps[row[preconditioner_warps_axis]];
    return fits(p, c);
  };
  // Long keys, a large step and no clip: the recurrence itself grows without bound, and its errors with it.
  const auto bounded = [](const Row& row) {
    return !(is_preconditioned(row) && row[numbers_axis] == free_of_clip && keys[row[keys_axis]] == Keys::scaled &&
             row[l2norm_axis] == 0);
  };
  return {{{v_axis, value_split_axis}, value_columns},
          {{k_axis, v_axis, warps_axis, value_split_axis}, state},
          {{k_axis, v_axis, type_axis, write_scale_axis, chunk_axis, warps_axis, stages_axis, value_split_axis},
           delta_rule},
          {{k_axis, type_axis, write_scale_axis, algorithm_axis, preconditioner_warps_axis}, preconditioner},
          {{write_scale_axis, numbers_axis, keys_axis, l2norm_axis}, bounded}};
}

std::vector<std::pair<int, Rule>> parts() {
  std::vector<std::pair<int, Rule>> out;
  for (const int axis : {norm_axis, beta_aware_axis, algorithm_axis, preconditioner_warps_axis, numbers_axis}) {
    out.push_back({axis, {{write_scale_axis}, is_preconditioned}});
  }
  return out;
}

Numbers numbers_of(const Row& row) {
  Numbers n;
  n.log_gamma = -0.02;
  switch (row[numbers_axis]) {
    case paper:
      break;
    case binding:  // most features of most tokens sit on a bound
      n.eta = 0.5;
      n.d_min = 0.9;
      n.d_max = 1.05;
      n.anchor = 1.0;
      break;
    case free_of_clip:  // as the published 1.3B configuration
      n.eta = 1.0;
      n.d_min = 0.0;
      n.d_max = 1e9;
      n.anchor = 0.25;
      break;
  }
  if (row[scale_axis] == 1) n.scale = 0.37;
  return n;
}

// Token counts around the chunk; never so many that the emulator is slow.
std::int64_t length_of(int kind, int chunk, std::mt19937_64& random) {
  const auto below = [&](int bound) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(bound)); };
  switch (kind) {
    case shorter_than_chunk:
      return 6 + below(chunk - 6);
    case multiple_of_chunk:
      return chunk * (chunk < 64 ? 3 : 2);
    default:
      return chunk * (chunk < 64 ? 3 : 1) + 1 + below(chunk - 1);
  }
}

void set_shape(FamilyMember& member, const Row& row, std::mt19937_64& random) {
  Shape& shape = member.shape;
  shape.h = row[heads_axis] == 1 ? 2 : 1;
  shape.hv = row[heads_axis] == 1 ? 4 : 1;
  const std::int64_t length = length_of(row[length_axis], member.config.chunk, random);
  shape.t = length;
  if (row[layout_axis] == batch) shape.b = 2;
  if (row[layout_axis] == packed_int64 || row[layout_axis] == packed_int32) {
    // Empty sequences at both ends and in the middle; one that begins off the chunks' grid.
    const std::int64_t first = 1 + static_cast<std::int64_t>(random() % 20);
    member.random.lengths = {0, first, 0, length, 0};
    shape.n = 5;
    shape.t = first + length;
    member.index_type = row[layout_axis] == packed_int64 ? IndexType::int64 : IndexType::int32;
  }
}

}  // namespace

std::string to_string(const FamilyMember& m) {
  constexpr const char* key_names[] = {"unit", "scaled", "nearly_equal", "zero"};
  constexpr const char* state_names[] = {"none", "out", "in_and_out", "aliased"};
  return fmt::format("{} | {} | {} | eta={} d=[{},{}] anchor={} keys={} states={}", osdn::to_string(m.problem),
                     osdn::to_string(m.config), osdn::to_string(m.shape), m.numbers.eta, m.numbers.d_min,
                     m.numbers.d_max, m.numbers.anchor, key_names[static_cast<int>(m.random.keys)],
                     state_names[static_cast<int>(m.states)]);
}

PairwiseSpace family_space() {
  return {axes(), rules(), parts()};
}

FamilyMember family_member(const Row& row, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  FamilyMember member;
  member.problem = problem_of(row);
  member.config = config_of(row);
  member.numbers = numbers_of(row);
  member.random.keys = keys[row[keys_axis]];
  member.states = states[row[states_axis]];
  member.random.initial_state = member.states == States::in_and_out || member.states == States::aliased;
  member.random.initial_d = member.random.initial_state;
  set_shape(member, row, random);
  return member;
}

}  // namespace osdn::tests
