// One table per enum: the name that the text forms read and print, which is also the enumerator's name in
// include/osdn/axes.hpp. A new variant is one row here.
#pragma once

#include <string_view>

#include "osdn/config.hpp"
#include "osdn/problem.hpp"

namespace osdn::generator {

template <class Enum>
struct NamedValue {
  Enum value;
  std::string_view name;
};

template <class Enum>
struct Names;  // type: the enum's C++ name; rows: its values

template <>
struct Names<Operation> {
  static constexpr std::string_view type = "Operation";
  static constexpr NamedValue<Operation> rows[] = {{Operation::osdn_forward, "osdn_forward"},
                                                   {Operation::osdn_decode, "osdn_decode"}};
};

template <>
struct Names<ElementType> {
  static constexpr std::string_view type = "ElementType";
  static constexpr NamedValue<ElementType> rows[] = {
      {ElementType::bf16, "bf16"}, {ElementType::fp16, "fp16"}, {ElementType::fp32, "fp32"}};
};

template <>
struct Names<Fp32Math> {
  static constexpr std::string_view type = "Fp32Math";
  static constexpr NamedValue<Fp32Math> rows[] = {{Fp32Math::tf32, "tf32"}, {Fp32Math::tf32x3, "tf32x3"}};
};

template <>
struct Names<Precondition> {
  static constexpr std::string_view type = "Precondition";
  static constexpr NamedValue<Precondition> rows[] = {{Precondition::none, "none"}, {Precondition::osdn, "osdn"}};
};

template <>
struct Names<Apf> {
  static constexpr std::string_view type = "Apf";
  static constexpr NamedValue<Apf> rows[] = {{Apf::none, "none"},
                                             {Apf::constant, "constant"},
                                             {Apf::per_head, "per_head"},
                                             {Apf::per_token, "per_token"},
                                             {Apf::per_channel, "per_channel"}};
};

template <>
struct Names<Norm> {
  static constexpr std::string_view type = "Norm";
  static constexpr NamedValue<Norm> rows[] = {{Norm::max, "max"}, {Norm::add, "add"}, {Norm::one, "one"}};
};

template <>
struct Names<BetaType> {
  static constexpr std::string_view type = "BetaType";
  static constexpr NamedValue<BetaType> rows[] = {{BetaType::fp32, "fp32"}, {BetaType::element, "element"}};
};

template <>
struct Names<StateType> {
  static constexpr std::string_view type = "StateType";
  static constexpr NamedValue<StateType> rows[] = {{StateType::fp32, "fp32"}, {StateType::bf16, "bf16"}};
};

template <>
struct Names<Decay> {
  static constexpr std::string_view type = "Decay";
  static constexpr NamedValue<Decay> rows[] = {
      {Decay::none, "none"}, {Decay::scalar, "scalar"}, {Decay::vector, "vector"}};
};

template <>
struct Names<Erase> {
  static constexpr std::string_view type = "Erase";
  static constexpr NamedValue<Erase> rows[] = {{Erase::none, "none"}, {Erase::beta, "beta"}, {Erase::vector, "vector"}};
};

template <>
struct Names<ValueCoefficient> {
  static constexpr std::string_view type = "ValueCoefficient";
  static constexpr NamedValue<ValueCoefficient> rows[] = {
      {ValueCoefficient::one, "one"}, {ValueCoefficient::beta, "beta"}, {ValueCoefficient::vector, "vector"}};
};

template <>
struct Names<PreconditionerAlgorithm> {
  static constexpr std::string_view type = "PreconditionerAlgorithm";
  static constexpr NamedValue<PreconditionerAlgorithm> rows[] = {{PreconditionerAlgorithm::serial, "serial"},
                                                                 {PreconditionerAlgorithm::parallel, "parallel"},
                                                                 {PreconditionerAlgorithm::chunked, "chunked"}};
};

template <>
struct Names<InverseAlgorithm> {
  static constexpr std::string_view type = "InverseAlgorithm";
  static constexpr NamedValue<InverseAlgorithm> rows[] = {{InverseAlgorithm::substitution, "substitution"},
                                                          {InverseAlgorithm::blocked, "blocked"}};
};

template <>
struct Names<Schedule> {
  static constexpr std::string_view type = "Schedule";
  static constexpr NamedValue<Schedule> rows[] = {
      {Schedule::portable, "portable"}, {Schedule::hopper, "hopper"}, {Schedule::hopper_fused, "hopper_fused"}};
};

template <>
struct Names<Cut> {
  static constexpr std::string_view type = "Cut";
  static constexpr NamedValue<Cut> rows[] = {
      {Cut::never, "never"}, {Cut::fixed, "fixed"}, {Cut::automatic, "automatic"}};
};

/// Empty for a value that the enum does not have.
template <class Enum>
constexpr std::string_view name_of(Enum value) {
  for (const auto& row : Names<Enum>::rows) {
    if (row.value == value) return row.name;
  }
  return {};
}

}  // namespace osdn::generator
