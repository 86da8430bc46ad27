#include "generator/constraints.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "osdn/log_gamma.hpp"
#include "templates/layout.cuh"

namespace osdn::generator {
namespace {

constexpr int tile_columns = 16;  // value columns of hᵀ that one warp's accumulators hold: the M of an mma
// Registers of a thread: the machine's limit, and what the state may take of them. The rest holds the products'
// operands and accumulators and the addresses.
constexpr int most_state_registers = 128;
constexpr int warps_of_a_warpgroup = 4;

int state_registers(const Problem& problem, const Config& config) {
  // 16 columns × K features in fp32 over 32 threads.
  return tiles_per_warp(problem, config) * problem.k / 2;
}

std::string domains(const Problem&, const Config& config, const Architecture&) {
  for (const auto& row : config_fields()) {
    if (!row.valid(config)) {
      return fmt::format("config field {} was '{}'; allowed: {}", row.name, row.print(config), row.allowed());
    }
  }
  return {};
}

std::string value_split(const Problem& problem, const Config& config, const Architecture&) {
  const int tiles = problem.v / tile_columns;
  if (tiles % config.value_split == 0) return {};
  return fmt::format("value_split = {} does not divide the {} blocks of 16 value columns of v = {}", config.value_split,
                     tiles, problem.v);
}

std::string state_fits_registers(const Problem& problem, const Config& config, const Architecture&) {
  const int asked = state_registers(problem, config);
  if (asked <= most_state_registers) return {};
  return fmt::format(
      "the state takes {} registers of a thread (k = {} features of {} blocks of 16 value columns a warp); at most {} "
      "fit: choose more warps or a larger value_split",
      asked, problem.k, tiles_per_warp(problem, config), most_state_registers);
}

std::string registers_fit(const Problem& problem, const Config& config, const Architecture&) {
  const int available = register_file / threads(delta_rule, config);
  const int asked = state_registers(problem, config) + working_registers;
  if (asked <= available) return {};
  return fmt::format(
      "delta_rule asks for {} registers of a thread ({} of them state); {} warps leave {}: choose fewer warps and a "
      "larger value_split",
      asked, asked - working_registers, config.warps, available);
}

std::string shared_memory_of(const Phase& phase, std::string_view advice, const Problem& problem, const Config& config,
                             const Architecture& architecture) {
  const std::size_t asked = shared_bytes(phase, problem, config);
  if (asked <= architecture.shared_per_block) return {};
  return fmt::format("{} asks for {} bytes of shared memory; {} allows {}: choose {}", phase.name, grouped(asked),
                     to_string(architecture), grouped(architecture.shared_per_block), advice);
}

std::string shared_memory(const Problem& problem, const Config& config, const Architecture& architecture) {
  if (problem.precondition != Precondition::none) {
    const bool chunked = config.preconditioner == PreconditionerAlgorithm::chunked;
    std::string broken = shared_memory_of(
        preconditioner, chunked ? "a smaller chunk or preconditioner = parallel" : "fewer preconditioner_warps",
        problem, config, architecture);
    if (!broken.empty()) return broken;
  }
  Config leanest = config;  // of this chunk
  leanest.stages = 1;
  const Phase& phase = delta_rule_of(config);
  if (phase.hopper)
    return shared_memory_of(phase, "fewer stages or a larger value_split", problem, config, architecture);
  leanest.value_split = problem.v / tile_columns;
  const bool chunk_fits = shared_bytes(delta_rule, problem, leanest) <= architecture.shared_per_block;
  return shared_memory_of(delta_rule,
                          chunk_fits ? "a smaller chunk, fewer stages or a larger value_split" : "a smaller chunk",
                          problem, config, architecture);
}

std::string chunked_preconditioner(const Problem& problem, const Config& config, const Architecture&) {
  if (problem.precondition == Precondition::none || config.preconditioner != PreconditionerAlgorithm::chunked) {
    return {};
  }
  if (log_gamma_axes(problem.apf).features) {
    return fmt::format(
        "preconditioner = chunked needs one factor γ a token; apf = {} has one a feature: choose parallel",
        name_of(problem.apf));
  }
  if (config.preconditioner_warps % warps_of_a_warpgroup != 0) {
    return fmt::format(
        "preconditioner = chunked works in one warpgroup or two; preconditioner_warps was {}: choose 4 or 8",
        config.preconditioner_warps);
  }
  return {};
}

// What is fused with the chains.
std::string fused_preconditioner(const Problem& problem, const Config& config, const Architecture&) {
  if (config.schedule != Schedule::hopper_fused) return {};
  if (problem.precondition == Precondition::none) {
    return fmt::format("schedule = {} is for precondition = osdn, not none: choose schedule = hopper",
                       name_of(config.schedule));
  }
  if (config.preconditioner != PreconditionerAlgorithm::chunked) {
    return fmt::format("schedule = {} takes preconditioner = chunked, not {}: choose that, or schedule = hopper",
                       name_of(config.schedule), name_of(config.preconditioner));
  }
  return {};
}

std::string cutting(const Problem& problem, const Config& config, const Architecture& architecture) {
  if (config.cut == Cut::never) return {};
  if (config.schedule == Schedule::hopper_fused) {
    return fmt::format("cut = {} has kernels with schedule = portable and hopper only: choose these, or cut = never",
                       name_of(config.cut));
  }
  if (config.segment % config.chunk != 0) {
    return fmt::format("segment = {} is not a multiple of chunk = {}: choose a longer segment or a smaller chunk",
                       config.segment, config.chunk);
  }
  for (const Phase* phase : {&segment_jacobian, &segment_correction, &segment_transfer, &segment_states}) {
    const bool is_launched = phase->reader == delta_rule_phase || problem.precondition != Precondition::none;
    if (!is_launched) continue;
    std::string broken = shared_memory_of(*phase, "cut = never", problem, config, architecture);
    if (!broken.empty()) return broken;
  }
  return {};
}

// What the Hopper kernels take (docs/forward-plans.md); everything else is the portable schedule's.
std::string hopper_architecture(const Problem&, const Config& config, const Architecture& architecture) {
  if (config.schedule == Schedule::portable || architecture.number == 90) return {};
  return fmt::format("schedule = {} uses instructions that only sm_90a has, not {}: choose schedule = portable",
                     name_of(config.schedule), to_string(architecture));
}

std::string hopper_problem(const Problem& problem, const Config& config, const Architecture&) {
  if (config.schedule == Schedule::portable) return {};
  if (problem.type == ElementType::fp32) {
    return fmt::format("schedule = {} takes bf16 and fp16 elements, not fp32: choose schedule = portable",
                       name_of(config.schedule));
  }
  if (problem.k != 64 && problem.k != 128) {
    return fmt::format("schedule = {} takes k = 64 or 128, not {}: choose schedule = portable",
                       name_of(config.schedule), problem.k);
  }
  if (problem.v % hopper_state_columns != 0) {
    return fmt::format("schedule = {} takes v in multiples of {}, not {}: choose schedule = portable",
                       name_of(config.schedule), hopper_state_columns, problem.v);
  }
  return {};
}

std::string hopper_chunk_form(const Problem&, const Config& config, const Architecture&) {
  if (config.schedule == Schedule::portable) return {};
  if (config.chunk != hopper_chunk) {
    return fmt::format("schedule = {} takes chunk = {}, not {}", name_of(config.schedule), hopper_chunk, config.chunk);
  }
  if (config.inverse != InverseAlgorithm::blocked) {
    return fmt::format("schedule = {} takes inverse = blocked, not {}", name_of(config.schedule),
                       name_of(config.inverse));
  }
  return {};
}

// One or two warpgroups hold the state, each warp 16 value columns.
std::string hopper_state(const Problem& problem, const Config& config, const Architecture&) {
  if (config.schedule == Schedule::portable) return {};
  const int columns = problem.v / config.value_split;
  if ((config.warps == 4 || config.warps == 8) && columns == tile_columns * config.warps) return {};
  return fmt::format(
      "schedule = {} holds {} value columns (v = {} over value_split = {}) in warps = {} warps; it takes 64 in 4 warps "
      "or 128 in 8: choose another value_split or number of warps",
      name_of(config.schedule), columns, problem.v, config.value_split, config.warps);
}

constexpr Constraint rules[] = {
    {"domains", domains},
    {"hopper_architecture", hopper_architecture},
    {"hopper_problem", hopper_problem},
    {"hopper_chunk", hopper_chunk_form},
    {"value_split", value_split},
    {"hopper_state", hopper_state},
    {"state_fits_registers", state_fits_registers},
    {"registers_fit", registers_fit},
    {"chunked_preconditioner", chunked_preconditioner},
    {"fused_preconditioner", fused_preconditioner},
    {"shared_memory", shared_memory},
    {"cutting", cutting},
};

// ---- the step kernel ------------------------------------------------------------------------------------------------

std::string one_step_kernel(const Problem&, const Config& config, const Architecture&) {
  if (config.schedule == Schedule::portable && config.cut == Cut::never) return {};
  return fmt::format("schedule = {} and cut = {}, but a step has one kernel: choose portable and never",
                     name_of(config.schedule), name_of(config.cut));
}

std::string one_cta_moves_d(const Problem& problem, const Config& config, const Architecture&) {
  if (problem.precondition == Precondition::none || config.value_split == 1) return {};
  return fmt::format(
      "value_split = {}, but a step writes d over the d that every CTA of the head reads: choose value_split = 1 (more "
      "only with precondition=none)",
      config.value_split);
}

std::string warps_have_tiles(const Problem& problem, const Config& config, const Architecture&) {
  const int tiles = problem.v / tile_columns / config.value_split;
  if (config.warps < 2 * tiles) return {};
  return fmt::format("warps = {}, but a CTA has {} blocks of 16 value columns, one for a warp at a time: choose fewer",
                     config.warps, tiles);
}

std::string step_registers_fit(const Problem& problem, const Config& config, const Architecture&) {
  const int available = register_file / threads(decode, config);
  const int asked = problem.k / 2 + working_registers;
  if (asked <= available) return {};
  return fmt::format(
      "decode asks for {} registers of a thread ({} of them state); {} warps leave {}: choose fewer warps", asked,
      problem.k / 2, config.warps, available);
}

std::string step_shared_memory(const Problem& problem, const Config& config, const Architecture& architecture) {
  return shared_memory_of(decode, "a larger value_split", problem, config, architecture);
}

constexpr Constraint decode_rules[] = {
    {"domains", domains},
    {"one_step_kernel", one_step_kernel},
    {"value_split", value_split},
    {"one_cta_moves_d", one_cta_moves_d},
    {"warps_have_tiles", warps_have_tiles},
    {"step_registers_fit", step_registers_fit},
    {"step_shared_memory", step_shared_memory},
};

int element_bytes(const Problem& problem) {
  return problem.type == ElementType::fp32 ? 4 : 2;
}

}  // namespace

std::size_t shared_bytes(const Phase& phase, const Problem& problem, const Config& config) {
  if (phase.name == segment_jacobian.name) return static_cast<std::size_t>(jacobian_layout(problem.k).bytes);
  if (phase.name == segment_correction.name) return static_cast<std::size_t>(segment_correction_bytes(problem.k));
  if (phase.name == segment_states.name) return static_cast<std::size_t>(segment_states_bytes(problem.k));
  if (phase.reader == decode_phase) {
    return sizeof(float) * static_cast<std::size_t>(decode_layout(problem.k, problem.v / config.value_split).floats);
  }
  if (phase.reader == preconditioner_phase && config.preconditioner == PreconditionerAlgorithm::chunked) {
    return static_cast<std::size_t>(
        preconditioner_chunked_layout(element_bytes(problem), problem.k, config.chunk, config.preconditioner_warps)
            .bytes);
  }
  if (phase.reader == preconditioner_phase) {
    return static_cast<std::size_t>(preconditioner_layout(element_bytes(problem), problem.k,
                                                          config.preconditioner_warps,
                                                          config.preconditioner == PreconditionerAlgorithm::parallel,
                                                          log_gamma_axes(problem.apf).features)
                                        .bytes);
  }
  if (phase.hopper) {
    const bool fused = phase.name == fused_hopper.name;
    const int block_v = problem.v / config.value_split;
    const int chain = hopper_layout(problem.k, block_v, config.stages, problem.precondition != Precondition::none,
                                    problem.type == ElementType::bf16, fused)
                          .bytes;
    const int teams = fused ? teams_of(problem, config).bytes : 0;
    return static_cast<std::size_t>(std::max(chain, teams));
  }
  return static_cast<std::size_t>(
      delta_rule_layout(element_bytes(problem), problem.k, problem.v / config.value_split, config.chunk, config.stages,
                        problem.precondition != Precondition::none, phase.name != segment_transfer.name)
          .bytes);
}

TeamsLayout teams_of(const Problem& problem, const Config& config) {
  const int bytes = preconditioner_chunked_layout(2, problem.k, hopper_chunk, config.preconditioner_warps).bytes;
  return teams_layout(problem.v / config.value_split, config.preconditioner_warps, bytes);
}

int tiles_per_warp(const Problem& problem, const Config& config) {
  const int tiles = problem.v / tile_columns / config.value_split;
  return (tiles + config.warps - 1) / config.warps;
}

std::span<const Constraint> constraints(const Problem& problem) {
  return is_decode(problem) ? std::span<const Constraint>(decode_rules) : std::span<const Constraint>(rules);
}

expected<void> check(const Problem& problem, const Config& config, const Architecture& architecture) {
  for (const Constraint& rule : constraints(problem)) {
    std::string sentence = rule.broken(problem, config, architecture);
    if (!sentence.empty()) return Error{ErrorCode::constraint, std::move(sentence), std::string(rule.name)};
  }
  return {};
}

}  // namespace osdn::generator
