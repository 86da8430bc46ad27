// Rendering: a kernel's source is a prologue of constants, one include and one instantiation. The code itself stands in
// templates/, whole.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "generator/fields.hpp"
#include "generator/plan.hpp"
#include "templates/embedded.hpp"

namespace osdn::generator {

/// A kernel of an operation, in the order they are launched.
struct Phase {
  Phases reader;           ///< which fields it reads
  std::string_view name;   ///< its header is <name>.cuh, its function osdn::<name>, its entry osdn_<name>
  bool configured = true;  ///< false: reads nothing of the Config
  bool hopper = false;     ///< its header lies in hopper/, and it takes HopperMaps besides ForwardParameters
  std::string_view parameters = "ForwardParameters";  ///< its first argument
};
inline constexpr Phase preconditioner{preconditioner_phase, "preconditioner"};
inline constexpr Phase delta_rule{delta_rule_phase, "delta_rule"};
// What a cut pass launches besides these (docs/forward-plans.md).
inline constexpr Phase segment_jacobian{preconditioner_phase, "segment_jacobian", false};
inline constexpr Phase segment_correction{preconditioner_phase, "segment_correction", false};
inline constexpr Phase segment_transfer{delta_rule_phase, "segment_transfer"};
inline constexpr Phase segment_states{delta_rule_phase, "segment_states", false};
inline constexpr Phase delta_rule_hopper{delta_rule_phase, "delta_rule_hopper", true, true};

inline constexpr Phase fused_hopper{both_phases, "fused_hopper", true, true};

/// The kernel of the delta rule phase in this configuration's schedule.
[[nodiscard]] const Phase& delta_rule_of(const Config& config);
inline constexpr Phase decode{decode_phase, "decode", true, false, "DecodeParameters"};

/// Threads of a CTA of this phase.
[[nodiscard]] int threads(const Phase& phase, const Config& config);

/// Registers of a multiprocessor, and what a thread of the step kernel needs besides its state.
inline constexpr int register_file = 65536;
inline constexpr int working_registers = 64;

/// CTAs of a multiprocessor that the compiler must leave registers for; 1: as many as there happen to be.
[[nodiscard]] int resident_ctas(const Phase& phase, const Problem& problem, const Config& config);

[[nodiscard]] std::string entry(const Phase& phase);

/// Holds nothing but what the phase reads, so that equal kernels have equal sources. `problem` is canonical.
[[nodiscard]] std::string render(const Phase& phase, const Problem& problem, const Config& config);

/// The texts that `source` includes, directly or through each other, sorted by name.
/// Errors: internal, when an include is not among the texts.
expected<std::vector<Header>> include_closure(std::string_view source, std::span<const templates::Text> texts);

}  // namespace osdn::generator
