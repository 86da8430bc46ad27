// What a compile cache entry is: its key and its bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "osdn/error.hpp"
#include "runtime/compile.hpp"

namespace osdn::runtime {

/// 128-bit hash of a record.
struct CacheKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  [[nodiscard]] std::string hex() const;  ///< 32 digits
  friend auto operator<=>(const CacheKey&, const CacheKey&) = default;
};

/// All that a compiled kernel depends on, each field with its length: schema, source, headers, sorted options,
/// architecture, NVRTC's version. No path, ordinal, time or environment. Stored in the entry and compared on a hit.
[[nodiscard]] std::string cache_record(const CompileInput& input, int nvrtc_version);
[[nodiscard]] CacheKey cache_key(std::string_view record);

/// A record without NVRTC's version, its last field: what the kernel is, whoever compiled it.
[[nodiscard]] std::string_view kernel_record(std::string_view record);

/// The fields of a record, for people who look into the cache.
struct RecordFields {
  std::string source;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> options;
  std::string arch;
  int nvrtc_version = 0;
};
expected<RecordFields> parse_record(std::string_view record);

/// The bytes of an entry file: a header with the format and a checksum of all that follows; then record, PTX, cubin and
/// meta (JSON: entry, log, resources, compile time), each with its length. The source is in the record.
[[nodiscard]] std::string encode_entry(std::string_view record, std::string_view entry, const CompiledKernel& kernel);

struct CacheEntry {
  std::string record;
  std::string entry;
  CompiledKernel kernel;
};
/// Errors: corrupt, with what is wrong.
expected<CacheEntry> decode_entry(std::string_view bytes);

}  // namespace osdn::runtime
