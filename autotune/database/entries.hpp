// From lines to entries: which records belong together, and which of them count.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/database/database.hpp"

namespace osdn::autotune {

/// What makes a trial the same one, tried again: configuration, sources, bucket of its shape.
[[nodiscard]] std::string trial_identity(const Trial& trial);

/// What a file says. The counts of the entries are of their own lines; damaged and foreign ones belong to nobody.
struct Contents {
  std::vector<Entry> entries;  ///< in the order in which their lines begin
  std::int64_t damaged = 0;
  std::int64_t foreign = 0;
};

/// `owner`: a key whose records count even where no line names it.
[[nodiscard]] Contents read_contents(std::string_view text, const std::string& origin, const Key* owner = nullptr);

/// The same lines without those that do not count for this key: damaged ones, superseded trials and pins, records that
/// occur twice. What this library does not know, and what is of another key, stays.
[[nodiscard]] std::string compacted(std::string_view text, const Key& key);

/// The keys that a file's lines name.
[[nodiscard]] std::vector<Key> named_keys(std::string_view text);

}  // namespace osdn::autotune
