#include "osdn/config.hpp"

#include "generator/fields.hpp"

namespace osdn {
namespace generator {
namespace {

constexpr Integers powers_of_two(int first, int last) {
  return {first, last, Integers::Step::powers_of_two};
}

// A field that texts name only where it differs from its default: texts from before it was added mean the same.
template <auto member>
constexpr Field<Config> unless_usual(const Field<Config>& row) {
  return meaning_when<Config>(row, [](const Config& config) { return config.*member != Config{}.*member; });
}

// Kernels know only whether they may be launched on segments.
constexpr Field<Config> cut_field() {
  Field<Config> row = unless_usual<&Config::cut>(field<&Config::cut>("cut", both_phases, "segmented"));
  row.trait_type = [] { return std::string("bool"); };
  row.trait_value = [](const Config& config) { return std::string(config.cut != Cut::never ? "true" : "false"); };
  return row;
}

// In the order of the text and of Traits.
constexpr Field<Config> fields[] = {
    field<&Config::chunk, powers_of_two(16, 128)>("chunk", both_phases),
    field<&Config::warps, powers_of_two(1, 16)>("warps", delta_rule_phase | decode_phase),
    field<&Config::stages, Integers{1, 3}>("stages", delta_rule_phase),
    field<&Config::value_split, Integers{1, 16}>("value_split", delta_rule_phase | decode_phase),
    field<&Config::preconditioner>("preconditioner", preconditioner_phase),
    field<&Config::preconditioner_warps, powers_of_two(1, 8)>("preconditioner_warps", preconditioner_phase),
    field<&Config::inverse>("inverse", delta_rule_phase),
    unless_usual<&Config::schedule>(field<&Config::schedule>("schedule")),
    cut_field(),
    unless_usual<&Config::segment>(field<&Config::segment, powers_of_two(64, 65536)>("segment")),
    unless_usual<&Config::cut_fill>(field<&Config::cut_fill, Integers{1, 1000}>("cut_fill")),
    unless_usual<&Config::cut_memory>(field<&Config::cut_memory, Integers{1, 100000}>("cut_memory")),
    unless_usual<&Config::cut_d>(field<&Config::cut_d, Integers{1, 1000000}>("cut_d")),
};

}  // namespace

std::span<const Field<Config>> config_fields() {
  return fields;
}

}  // namespace generator

using namespace generator;

std::string to_string(const Config& config) {
  std::string out;
  print_fields(out, config_fields(), config);
  return out;
}

expected<Config> parse_config(std::string_view text, const Config& defaults) {
  Config config = defaults;
  if (auto ok = parse_fields("config", text, config_fields(), config); !ok) return ok.error();
  return config;
}

}  // namespace osdn
