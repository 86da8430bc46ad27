// Packs: many compiled kernels in one file that is only read, with the tuning entries beside them. docs/packs.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "osdn/error.hpp"
#include "runtime/cache_entry.hpp"

namespace osdn::runtime {

/// What `osdn pack` puts into a file.
struct PackContents {
  std::vector<std::string> entries;  ///< as encode_entry gives them; in any order, each kernel once
  std::string manifest;              ///< JSON: which problems and configurations the kernels belong to
  std::string tuning;                ///< an export of the tuning database; may be empty
};

/// How large a pack may be: what is larger is neither written nor read.
struct PackLimits {
  std::uint64_t entry_bytes = 256ULL << 20;    ///< of one kernel, as in the user's directory
  std::uint64_t section_bytes = 256ULL << 20;  ///< of the manifest, and of the tuning entries
  std::uint64_t kernels = 1ULL << 20;
};

/// The file's bytes: the same contents give the same bytes. Errors: invalid_argument (two entries of one kernel, more
/// than the limits), corrupt (what is no entry).
expected<std::string> encode_pack(const PackContents& contents, const PackLimits& limits = {});

/// A pack that was opened. Its index is in memory; everything else is read when it is asked for and checked each time:
/// a file that changes meanwhile is damage, never a crash, which a mapping could not promise. Thread-safe.
class Pack {
 public:
  /// Refuses a file that others could write or swap. Errors: io, corrupt.
  static expected<std::shared_ptr<const Pack>> open(const std::string& path);
  /// The same of bytes in memory; `name` is for messages.
  static expected<std::shared_ptr<const Pack>> of_bytes(std::string bytes, std::string name,
                                                        const PackLimits& limits = {});
  ~Pack();
  Pack(const Pack&) = delete;
  Pack& operator=(const Pack&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] std::uint64_t bytes() const;

  /// The entry of this kernel, whichever NVRTC compiled it (kernel_record). Nothing when it is not in here; Errors: io,
  /// corrupt, also when the entry is of another kernel.
  expected<std::optional<CacheEntry>> find(std::string_view kernel) const;
  /// The entries in the order of their keys. Errors: io, corrupt.
  expected<CacheEntry> entry(std::size_t index) const;
  [[nodiscard]] CacheKey key(std::size_t index) const { return rows_[index].key; }
  [[nodiscard]] std::uint64_t entry_bytes(std::size_t index) const { return rows_[index].length; }

  expected<std::string> manifest() const;
  expected<std::string> tuning() const;

 private:
  struct Source;
  struct Row {
    CacheKey key;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };
  struct Section {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    CacheKey hash;
  };

  Pack(std::unique_ptr<Source> source, std::string path);
  expected<void> read_index(const PackLimits& limits);
  expected<std::string> read(std::uint64_t offset, std::uint64_t length) const;
  expected<std::string> section(const Section& section, std::string_view what) const;
  [[nodiscard]] Error corrupt(std::string_view what) const;

  std::unique_ptr<Source> source_;
  std::string path_;
  std::vector<Row> rows_;  ///< by key, ascending
  Section manifest_;
  Section tuning_;
};

}  // namespace osdn::runtime
