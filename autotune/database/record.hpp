// The records of the tuning database as lines of text. What is read is checked field by field: a line is a record that
// could have been written, or it is not one. docs/tuning-database.md
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "autotune/key.hpp"
#include "autotune/trial.hpp"

namespace osdn::autotune {

inline constexpr int record_format = 1;

/// Takes a pin away.
struct Unpin {
  std::int64_t when = 0;

  friend bool operator==(const Unpin&, const Unpin&) = default;
};

using Record = std::variant<Key, Trial, Choice, Pin, Unpin>;

/// What every line says of whom it belongs to: 16 hexadecimal digits over the key. A line counts for that key alone,
/// wherever it stands, so that a damaged neighbour cannot hand it to another.
[[nodiscard]] std::string key_id(const Key& key);

/// With its checksum and newline. Texts that are too long are cut, control characters replaced.
[[nodiscard]] std::string write_line(const std::string& id, const Record& record);

struct ReadLine {
  enum class State {
    good,
    foreign,  ///< sound, but of a format or kind that this library does not know
    damaged,
  };
  State state = State::damaged;
  std::string id;
  Record record{Unpin{}};
  std::string why;  ///< it is damaged; empty otherwise
};
/// Never throws, whatever the bytes (a line without its newline).
[[nodiscard]] ReadLine read_line(std::string_view line);

/// The outcome of this name; nothing when there is none.
[[nodiscard]] std::optional<Outcome> find_outcome(std::string_view name);

}  // namespace osdn::autotune
