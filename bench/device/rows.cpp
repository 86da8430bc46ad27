#include "bench/device/rows.hpp"

#include <fmt/format.h>

#include <set>

#include "cli/config_choice.hpp"
#include "generator/constraints.hpp"
#include "generator/fields.hpp"
#include "generator/plan.hpp"

namespace osdn::bench {
namespace {

using tests::FamilyMember;
using tests::States;

constexpr std::uint64_t cover_seed = 3;

// Fields that choose other kernels altogether: each of their values meets each problem below.
constexpr std::string_view crossed[] = {"schedule", "preconditioner"};
// So does each way to cut. The space of a problem has none of them, for whether they pay depends on the shape. Segments
// are the shortest there are, so that few tokens are several; a cut_fill of 1000 cuts on every device. With a cut_d of
// 2 d is cut, too.
constexpr const char* cuts[] = {"cut=fixed,segment=64,cut_d=2", "cut=fixed,segment=64",
                                "cut=automatic,segment=64,cut_fill=1000,cut_memory=1000,cut_d=2",
                                "schedule=hopper,cut=fixed,segment=64,cut_d=2"};

constexpr const char* problems[] = {
    "osdn_forward:apf=none",
    "osdn_forward:apf=constant,norm=add",
    "osdn_forward:apf=per_head,norm=one,beta_aware=0",
    "osdn_forward:apf=per_token",
    "osdn_forward:apf=per_token,k=64,v=64,qk_l2norm=1",
    "osdn_forward:apf=per_channel,k=64,v=128",
    "osdn_forward:precondition=none",
    "osdn_forward:precondition=none,k=128,v=64,beta_type=element",
    "osdn_forward:type=fp16,apf=per_token",
    "osdn_forward:type=fp32,apf=per_token,k=64,v=64",
    "osdn_forward:type=fp32,math=tf32x3,k=64,v=64",
    "osdn_forward:apf=none,k=256,v=256",
    "osdn_forward:apf=none,k=48,v=80",
};
constexpr const char* usual_problem = "osdn_forward:apf=per_token";

constexpr const char* decode_problems[] = {
    "osdn_decode:apf=per_token",
    "osdn_decode:apf=none,state_type=bf16",
    "osdn_decode:apf=per_channel,k=64,v=96,type=fp16,state_type=bf16",
    "osdn_decode:precondition=none,qk_l2norm=1",
    "osdn_decode:apf=per_head,type=fp32,k=48,v=80",
    "osdn_decode:apf=constant,norm=add,k=256,v=256",
};
constexpr const char* usual_decode_problem = "osdn_decode:precondition=none";  // whose heads may be split

/// The family's cover, as far as it is legal here.
void add_cover(const generator::Architecture& architecture, std::vector<CheckRow>& out) {
  const auto cover = tests::pairwise_cover(tests::family_space(), cover_seed);
  for (std::size_t i = 0; i < cover.rows.size(); ++i) {
    FamilyMember member = tests::family_member(cover.rows[i], cover_seed + i);
    if (!generator::check(member.problem, member.config, architecture)) continue;
    out.push_back({fmt::format("cover {}", i), std::move(member)});
  }
}

/// Batches and packed sequences in turn, with several chunks and segments, ends off their grid, and empty sequences.
FamilyMember member_of(const Problem& problem, const Config& config, std::size_t turn) {
  FamilyMember member;
  member.problem = problem;
  member.config = config;
  member.numbers.log_gamma = -0.02;
  member.shape = {.b = 2, .t = 203, .h = 1, .hv = 2, .n = 0};
  if (turn % 2 == 1) {
    member.random.lengths = {0, 70, 1, 161, 0, 64};
    member.shape = {.b = 1, .t = 296, .h = 2, .hv = 2, .n = 6};
  }
  constexpr States states[] = {States::in_and_out, States::none, States::out, States::aliased};
  member.states = states[turn / 2 % std::size(states)];
  const bool given = member.states == States::in_and_out || member.states == States::aliased;
  member.random.initial_state = given;
  member.random.initial_d = given;
  return member;
}

/// Sequences of several segments. Automatic cuts want eight of them; packed sequences count as equally long there.
FamilyMember cut_member(const Problem& problem, const Config& config, std::size_t turn) {
  FamilyMember member = member_of(problem, config, turn);
  if (config.cut != Cut::automatic) return member;
  member.shape = {.b = 1, .t = 577, .h = 1, .hv = 1, .n = 0};
  if (turn % 2 == 1) {
    member.random.lengths = {515, 531};
    member.shape = {.b = 1, .t = 1046, .h = 1, .hv = 1, .n = 2};
  }
  return member;
}

// More sequences and heads than there are multiprocessors: those that wait in the fused schedule are not all resident.
constexpr const char* fused[] = {"schedule=hopper_fused,preconditioner_warps=4",
                                 "schedule=hopper_fused,preconditioner_warps=8"};

expected<void> add_fused(const generator::Architecture& architecture, std::vector<CheckRow>& out) {
  if (architecture.number != 90) return {};
  const auto problem = parse_problem(usual_problem);
  if (!problem) return problem.error();
  for (const char* text : fused) {
    const auto config = cli::choose_config(*problem, architecture, text, {});
    if (!config) return config.error();
    FamilyMember member = member_of(*problem, *config, 0);
    member.shape = {.b = 37, .t = 70, .h = 1, .hv = 4, .n = 0};
    out.push_back({fmt::format("{} {}", text, usual_problem), std::move(member)});
  }
  return {};
}

/// One token of each sequence, the block of 16, and ragged ones; run in place on scattered slots, padding among them.
FamilyMember decode_member(const Problem& problem, const Config& config, std::size_t turn) {
  FamilyMember member;
  member.problem = problem;
  member.config = config;
  member.numbers.log_gamma = -0.02;
  constexpr Shape shapes[] = {{.b = 3, .t = 1, .h = 1, .hv = 2, .n = 0},
                              {.b = 2, .t = 16, .h = 1, .hv = 2, .n = 0},
                              {.b = 1, .t = 20, .h = 1, .hv = 1, .n = 4}};
  member.shape = shapes[turn % std::size(shapes)];
  if (member.shape.packed()) member.random.lengths = {0, 16, 1, 3};
  member.random.initial_state = member.random.initial_d = true;
  return member;
}

/// The values that the field takes in legal configurations.
std::set<std::string> legal_values(const generator::Field<Config>& field,
                                   const std::vector<generator::Candidate>& space) {
  std::set<std::string> out;
  for (const auto& candidate : space) {
    if (candidate.refusal.empty()) out.insert(field.print(candidate.config));
  }
  return out;
}

expected<void> add_values(const char* text, bool only_crossed, const generator::Architecture& architecture,
                          std::vector<CheckRow>& out) {
  const auto problem = parse_problem(text);
  if (!problem) return problem.error();
  const auto space = generator::configuration_space(*problem, architecture);
  if (!space) return space.error();
  std::set<std::string> seen;
  for (const auto& field : generator::config_fields()) {
    const bool crosses = std::find(std::begin(crossed), std::end(crossed), field.name) != std::end(crossed);
    if (crosses != only_crossed) continue;
    for (const std::string& value : legal_values(field, *space)) {
      const std::string named = fmt::format("{}={}", field.name, value);
      const auto config = cli::choose_config(*problem, architecture, named, {});
      if (!config) return config.error();
      if (!seen.insert(to_string(*config)).second) continue;
      out.push_back({fmt::format("{} {}", named, text), member_of(*problem, *config, out.size())});
    }
  }
  return {};
}

expected<void> add_cuts(const char* text, const generator::Architecture& architecture, std::vector<CheckRow>& out) {
  const auto problem = parse_problem(text);
  if (!problem) return problem.error();
  for (const char* cut : cuts) {
    const auto config = cli::choose_config(*problem, architecture, cut, {});
    if (!config && config.error().code == ErrorCode::constraint) continue;  // no room for its kernels here
    if (!config) return config.error();
    FamilyMember member = cut_member(*problem, *config, out.size());
    const std::string key = fmt::format("{} {}", cut, text);
    if (!generator::cutting(*canonical(*problem), *config, architecture, member.shape).cut) {
      return Error{ErrorCode::internal, fmt::format("{} does not cut {}", key, to_string(member.shape)), {}};
    }
    out.push_back({key, std::move(member)});
  }
  return {};
}

/// Each problem with each shape, and every value of every field.
expected<void> add_decode(const generator::Architecture& architecture, std::vector<CheckRow>& out) {
  constexpr std::size_t shapes = 3;
  for (const char* text : decode_problems) {
    const auto problem = parse_problem(text);
    if (!problem) return problem.error();
    const auto config = generator::default_config(*problem, architecture);
    if (!config) return config.error();
    for (std::size_t turn = 0; turn < shapes; ++turn) {
      FamilyMember member = decode_member(*problem, *config, turn);
      out.push_back({fmt::format("{} {}", to_string(member.shape), text), std::move(member)});
    }
  }
  const auto first = static_cast<std::ptrdiff_t>(out.size());
  if (auto done = add_values(usual_decode_problem, false, architecture, out); !done) return done;
  for (auto row = out.begin() + first; row != out.end(); ++row) {
    row->member = decode_member(row->member.problem, row->member.config, static_cast<std::size_t>(row - out.begin()));
  }
  return {};
}

}  // namespace

expected<std::vector<CheckRow>> check_rows(const generator::Architecture& architecture) {
  std::vector<CheckRow> out;
  if (auto done = add_values(usual_problem, false, architecture, out); !done) return done.error();
  for (const char* problem : problems) {
    if (auto done = add_values(problem, true, architecture, out); !done) return done.error();
    if (auto done = add_cuts(problem, architecture, out); !done) return done.error();
  }
  if (auto done = add_fused(architecture, out); !done) return done.error();
  if (auto done = add_decode(architecture, out); !done) return done.error();
  add_cover(architecture, out);
  return out;
}

}  // namespace osdn::bench
