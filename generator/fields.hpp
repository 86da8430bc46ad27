// A Field is one row of a table that drives everything a field of Problem, Shape or Config takes part in: its text form
// read and printed, its range checked, and its constant written into a kernel's Traits.
#pragma once

#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "generator/names.hpp"
#include "generator/text.hpp"
#include "osdn/error.hpp"

namespace osdn::generator {

/// The integers a field may take.
struct Integers {
  enum class Step { one, multiples_of_16, powers_of_two };
  std::int64_t first = 0;
  std::int64_t last = 0;
  Step step = Step::one;

  [[nodiscard]] constexpr bool contains(std::int64_t number) const {
    if (number < first || number > last) return false;
    if (step == Step::multiples_of_16) return number % 16 == 0;
    if (step == Step::powers_of_two) return (number & (number - 1)) == 0;
    return true;
  }
  /// `16, 32, 64 or 128`, `a multiple of 16 from 16 to 256`, `an integer of at least 1`
  [[nodiscard]] std::string words() const;
};

/// Which phases' kernels read a field: only these see it in their Traits, so that two configurations that differ in
/// another phase's field share the compiled kernel.
enum Phases : unsigned {
  no_phase = 0,
  preconditioner_phase = 1,
  delta_rule_phase = 2,
  both_phases = 3,
  decode_phase = 256,
};

template <class Object>
struct Field {
  std::string_view name;
  std::string (*print)(const Object&);
  bool (*read)(Object&, std::string_view);  ///< false, and nothing changed: not an allowed value
  bool (*valid)(const Object&);
  std::string (*allowed)();

  unsigned phases = no_phase;
  std::string_view trait;  ///< the constant's name in Traits
  std::string (*trait_type)() = nullptr;
  std::string (*trait_value)(const Object&) = nullptr;

  bool (*has_meaning)(const Object&) = nullptr;  ///< printed only then; null: always
  /// An axis of the family (decay, erase key …) of which only the default has kernels: printed only when it is
  /// something else, and then refused by canonical().
  bool axis = false;
};

namespace detail {

template <auto member>
struct MemberOf;
template <class Object_, class Value_, Value_ Object_::*member>
struct MemberOf<member> {
  using Object = Object_;
  using Value = Value_;
};

template <class Value, Integers domain>
struct Codec {  // enums
  static std::string print(Value value) {
    const std::string_view name = name_of(value);
    return name.empty() ? std::to_string(static_cast<int>(value)) : std::string(name);
  }
  static bool read(Value& value, std::string_view text) {
    for (const auto& row : Names<Value>::rows) {
      if (row.name == text) {
        value = row.value;
        return true;
      }
    }
    return false;
  }
  static bool valid(Value value) { return !name_of(value).empty(); }
  static std::string allowed() {
    std::vector<std::string_view> names;
    for (const auto& row : Names<Value>::rows) names.push_back(row.name);
    return one_of(names);
  }
  static std::string type() { return std::string(Names<Value>::type); }
  static std::string literal(Value value) { return type() + "::" + print(value); }
};

template <Integers domain>
struct Codec<bool, domain> {
  static std::string print(bool value) { return value ? "1" : "0"; }
  static bool read(bool& value, std::string_view text) {
    if (text != "0" && text != "1") return false;
    value = text == "1";
    return true;
  }
  static bool valid(bool) { return true; }
  static std::string allowed() { return "0 or 1"; }
  static std::string type() { return "bool"; }
  static std::string literal(bool value) { return value ? "true" : "false"; }
};

template <class Integer, Integers domain>
requires std::is_integral_v<Integer>
struct Codec<Integer, domain> {
  static std::string print(Integer value) { return std::to_string(value); }
  static bool read(Integer& value, std::string_view text) {
    Integer number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end || !valid(number)) return false;
    value = number;
    return true;
  }
  static bool valid(Integer value) { return domain.contains(value); }
  static std::string allowed() { return domain.words(); }
  static std::string type() { return "int"; }
  static std::string literal(Integer value) { return print(value); }
};

}  // namespace detail

/// The row of a member; `domain` for integers.
template <auto member, Integers domain = Integers{}>
constexpr auto field(std::string_view name, unsigned phases = no_phase, std::string_view trait = {}) {
  using Object = typename detail::MemberOf<member>::Object;
  using Codec = detail::Codec<typename detail::MemberOf<member>::Value, domain>;
  Field<Object> row{
      .name = name,
      .print = [](const Object& object) { return Codec::print(object.*member); },
      .read = [](Object& object, std::string_view text) { return Codec::read(object.*member, text); },
      .valid = [](const Object& object) { return Codec::valid(object.*member); },
      .allowed = &Codec::allowed,
      .phases = phases,
      .trait = trait.empty() ? name : trait,
      .trait_type = &Codec::type,
      .trait_value = [](const Object& object) { return Codec::literal(object.*member); },
  };
  return row;
}

template <class Object>
constexpr Field<Object> meaning_when(Field<Object> row, bool (*has_meaning)(const Object&)) {
  row.has_meaning = has_meaning;
  return row;
}

template <class Object>
constexpr Field<Object> axis(Field<Object> row) {
  row.axis = true;
  return row;
}

template <class Object>
std::vector<std::string_view> names(std::span<const Field<Object>> fields) {
  std::vector<std::string_view> out;
  for (const auto& row : fields) out.push_back(row.name);
  return out;
}

template <class Object>
bool is_printed(const Field<Object>& row, const Object& object) {
  if (row.has_meaning != nullptr && !row.has_meaning(object)) return false;
  return !row.axis || row.print(object) != row.print(Object{});
}

/// `k=128,v=128,…`; with `phases`, only the fields that these read.
template <class Object>
void print_fields(std::string& out, std::span<const Field<Object>> fields, const Object& object,
                  unsigned phases = ~0U) {
  const char* separator = "";
  for (const auto& row : fields) {
    if (phases != ~0U && (row.phases & phases) == 0) continue;
    if (!is_printed(row, object)) continue;
    out.append(separator).append(row.name).append("=").append(row.print(object));
    separator = ",";
  }
}

/// Reads `name=value,…` into `object`; `what` names the form in messages. Empty text changes nothing.
template <class Object>
expected<void> parse_fields(std::string_view what, std::string_view text, std::span<const Field<Object>> fields,
                            Object& object, std::uint64_t* given = nullptr) {
  const auto fail = [&](const std::string& message) {
    return Error{ErrorCode::invalid_argument, std::string(what) + " " + message, {}};
  };
  std::uint64_t seen = 0;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const bool last = comma == std::string_view::npos;
    text = last ? std::string_view() : text.substr(comma + 1);
    if (item.empty() || (!last && text.empty())) {
      return fail("text has an empty field (a comma too many); write name=value,name=value");
    }
    const std::size_t equals = item.find('=');
    const std::string_view name = item.substr(0, equals);
    std::size_t index = 0;
    while (index < fields.size() && fields[index].name != name) ++index;
    if (index == fields.size()) {
      const auto known = names(fields);
      return fail("field " + quoted(name) + " is unknown" + suggestion(name, known) + "; known: " + one_of(known));
    }
    const auto& row = fields[index];
    if (equals == std::string_view::npos) {
      return fail("field " + std::string(name) + " has no value; allowed: " + row.allowed());
    }
    if ((seen >> index & 1U) != 0) return fail("field " + std::string(name) + " is given twice");
    seen |= std::uint64_t{1} << index;
    const std::string_view value = item.substr(equals + 1);
    if (!row.read(object, value)) return bad_value(what, name, value, row.allowed());
  }
  if (given != nullptr) *given = seen;
  return {};
}

/// Every field within its range, for objects that no text form made.
template <class Object>
expected<void> check_fields(std::string_view what, std::span<const Field<Object>> fields, const Object& object) {
  for (const auto& row : fields) {
    if (!row.valid(object)) return bad_value(what, row.name, row.print(object), row.allowed());
  }
  return {};
}

[[nodiscard]] constexpr bool is_decode(const Problem& problem) {
  return problem.operation == Operation::osdn_decode;
}

[[nodiscard]] std::span<const Field<Problem>> problem_fields();
[[nodiscard]] std::span<const Field<Config>> config_fields();

}  // namespace osdn::generator
