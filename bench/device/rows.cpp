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

// Fields that choose other kernels altogether: each of their values meets each problem below. A cut needs sequences of
// several segments, so segments are the shortest there are.
constexpr std::string_view crossed[] = {"schedule", "cut", "preconditioner"};

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
    "osdn_decode:apf=per_token",
    "osdn_decode:apf=none,state_type=bf16,qk_l2norm=1",
    "osdn_decode:type=fp32,apf=per_channel,k=48,v=80",
    "osdn_decode:type=fp16,precondition=none,k=64,v=64",
};
constexpr const char* usual_problem = "osdn_forward:apf=per_token";

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
  if (generator::is_decode(problem)) {
    member.shape = {.b = 2, .t = 5, .h = 1, .hv = 2, .n = 0};
    if (turn % 2 == 1) {
      member.random.lengths = {0, 4, 1, 17, 0, 2};
      member.shape = {.b = 1, .t = 24, .h = 2, .hv = 2, .n = 6};
    }
    if (member.states == States::none) member.states = States::aliased;  // a step is nothing without a pool
  }
  const bool given = member.states == States::in_and_out || member.states == States::aliased;
  member.random.initial_state = given;
  member.random.initial_d = given;
  return member;
}

/// The values that the field takes in legal configurations.
std::set<std::string> legal_values(const generator::Field<Config>& field,
                                   const std::vector<generator::Candidate>& space) {
  std::set<std::string> out;
  for (const auto& candidate : space) {
    if (candidate.refusal.empty()) out.insert(field.print(candidate.config));
  }
  // The space of a problem, which knows no shape, leaves sequences whole.
  if (field.name == "cut") out.insert("fixed");
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
      auto config = cli::choose_config(*problem, architecture, named + ",segment=64", {});
      if (!config) config = cli::choose_config(*problem, architecture, named, {});
      if (!config && config.error().code == ErrorCode::constraint) continue;  // nothing of this problem is cut
      if (!config) return config.error();
      if (!seen.insert(to_string(*config)).second) continue;
      out.push_back({fmt::format("{} {}", named, text), member_of(*problem, *config, out.size())});
    }
  }
  return {};
}

}  // namespace

expected<std::vector<CheckRow>> check_rows(const generator::Architecture& architecture) {
  std::vector<CheckRow> out;
  if (auto done = add_values(usual_problem, false, architecture, out); !done) return done.error();
  for (const char* problem : problems) {
    if (auto done = add_values(problem, true, architecture, out); !done) return done.error();
  }
  add_cover(architecture, out);
  return out;
}

}  // namespace osdn::bench
