#include "runtime/pack.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "runtime/cache_directory.hpp"
#include "runtime/file.hpp"
#include "runtime/length_prefixed.hpp"
#include "runtime/pack_magic.hpp"

namespace osdn::runtime {
namespace {

// A pack is: magic, hash of the index, length of the index, the index; the entries one behind the other in the order of
// the index; manifest; tuning entries. The index holds lengths and no places, so nothing can overlap or lie outside.
constexpr std::size_t header_bytes = 8 + 16 + 8;  // magic, hash, length of the index
constexpr std::size_t section_bytes = 8 + 16;     // length, hash
constexpr std::size_t row_bytes = 16 + 8;         // key, length

void append_key(std::string& to, const CacheKey& key) {
  append_number(to, key.high);
  append_number(to, key.low);
}

std::optional<CacheKey> take_key(FieldReader& from) {
  const auto high = from.number();
  const auto low = from.number();
  if (!high || !low) return std::nullopt;
  return CacheKey{*high, *low};
}

/// Before anything is put together: a pack that nobody could open is not worth its bytes.
expected<void> within(const PackLimits& limits, const PackContents& contents) {
  const auto refuse = [](std::string_view what, std::uint64_t is, std::string_view unit, std::uint64_t allowed) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("a pack would have {}{} {}; allowed: at most {}", what, is, unit, allowed), ""};
  };
  if (const auto count = contents.entries.size(); count > limits.kernels)
    return refuse("", count, "kernels", limits.kernels);
  for (const std::string& entry : contents.entries) {
    if (entry.size() > limits.entry_bytes) return refuse("a kernel of ", entry.size(), "bytes", limits.entry_bytes);
  }
  for (const auto& [what, text] :
       {std::pair("a manifest of ", &contents.manifest), std::pair("tuning entries of ", &contents.tuning)}) {
    if (text->size() > limits.section_bytes) return refuse(what, text->size(), "bytes", limits.section_bytes);
  }
  return {};
}

/// Why a file that was opened is not trusted; empty: it is.
std::string refusal(const struct stat& found, const std::string& real) {
  if (!S_ISREG(found.st_mode)) return "it is not a regular file";
  if (found.st_uid != ::geteuid() && found.st_uid != 0) {
    return fmt::format("it belongs to user {}, not to user {} or root", found.st_uid, ::geteuid());
  }
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fmt::format("other users can write it (mode {:o}): chmod go-w it", found.st_mode & 07777U);
  }
  return folders_above(real);
}

}  // namespace

struct Pack::Source {
  File file{-1};
  std::string memory;
  std::uint64_t bytes = 0;

  /// Fills `to`; false with errno, 0 where the bytes end early.
  bool read(std::uint64_t offset, std::string& to) const {
    errno = 0;
    if (!file.open()) {
      if (offset > memory.size() || to.size() > memory.size() - offset) return false;
      std::memcpy(to.data(), memory.data() + offset, to.size());
      return true;
    }
    for (std::size_t done = 0; done < to.size();) {
      const ssize_t got = ::pread(file.get(), to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      done += static_cast<std::size_t>(got);
    }
    return true;
  }
};

expected<std::string> encode_pack(const PackContents& contents, const PackLimits& limits) {
  if (auto ok = within(limits, contents); !ok) return std::move(ok).error();
  std::vector<std::pair<CacheKey, const std::string*>> rows;
  for (const std::string& bytes : contents.entries) {
    auto entry = decode_entry(bytes);
    if (!entry) return std::move(entry).error();
    rows.emplace_back(cache_key(kernel_record(entry->record)), &bytes);
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto twice =
      std::adjacent_find(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice != rows.end()) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("two entries of a pack are of one kernel ({})", twice->first.hex()), ""};
  }
  std::string index;
  for (const std::string* section : {&contents.manifest, &contents.tuning}) {
    append_number(index, section->size());
    append_key(index, cache_key(*section));
  }
  append_number(index, rows.size());
  for (const auto& [key, bytes] : rows) {
    append_key(index, key);
    append_number(index, bytes->size());
  }
  std::string out(pack_magic);
  append_key(out, cache_key(index));
  append_number(out, index.size());
  out += index;
  for (const auto& [key, bytes] : rows) out += *bytes;
  return out + contents.manifest + contents.tuning;
}

Pack::Pack(std::unique_ptr<Source> source, std::string path) : source_(std::move(source)), path_(std::move(path)) {}
Pack::~Pack() = default;

std::uint64_t Pack::bytes() const {
  return source_->bytes;
}

expected<std::shared_ptr<const Pack>> Pack::open(const std::string& path) {
  const auto failed = [&path](std::string_view why) {
    return Error{ErrorCode::io, fmt::format("the pack {} is not used: {}", path, why), ""};
  };
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  if (error) return failed(error.message());
  auto source = std::make_unique<Source>();
  source->file.reset(::open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!source->file.open()) return failed(std::strerror(errno));
  struct stat found {};
  if (::fstat(source->file.get(), &found) != 0) return failed(std::strerror(errno));
  if (const std::string why = refusal(found, real.string()); !why.empty()) return failed(why);
  source->bytes = static_cast<std::uint64_t>(found.st_size);
  std::shared_ptr<Pack> pack(new Pack(std::move(source), path));
  if (auto ok = pack->read_index({}); !ok) return std::move(ok).error();
  return std::shared_ptr<const Pack>(std::move(pack));
}

expected<std::shared_ptr<const Pack>> Pack::of_bytes(std::string bytes, std::string name, const PackLimits& limits) {
  auto source = std::make_unique<Source>();
  source->memory = std::move(bytes);
  source->bytes = source->memory.size();
  std::shared_ptr<Pack> pack(new Pack(std::move(source), std::move(name)));
  if (auto ok = pack->read_index(limits); !ok) return std::move(ok).error();
  return std::shared_ptr<const Pack>(std::move(pack));
}

expected<void> Pack::read_index(const PackLimits& limits) {
  if (source_->bytes < header_bytes) return corrupt(fmt::format("it is cut off after {} bytes", source_->bytes));
  const auto header = read(0, header_bytes);
  if (!header) return header.error();
  if (!header->starts_with(pack_magic)) return corrupt("it is not a pack, or one of another format");
  FieldReader head(std::string_view(*header).substr(pack_magic.size()));
  const CacheKey hash = *take_key(head);
  const std::uint64_t length = *head.number();
  std::uint64_t left = source_->bytes - header_bytes;  // that nothing has claimed yet
  if (length > left || length > 2 * section_bytes + 8 + limits.kernels * row_bytes) {
    return corrupt(fmt::format("its index would have {} bytes", length));
  }
  const auto index = read(header_bytes, length);
  if (!index) return index.error();
  if (cache_key(*index) != hash) return corrupt("the hash of its index is wrong");
  left -= length;

  FieldReader fields(*index);
  for (Section* section : {&manifest_, &tuning_}) {
    const auto bytes = fields.number();
    const auto its = take_key(fields);
    if (!bytes || !its) return corrupt("its index is torn");
    *section = {0, *bytes, *its};
  }
  const auto count = fields.number();
  if (!count || *count > index->size() / row_bytes) return corrupt("its index is torn");
  rows_.reserve(*count);
  std::uint64_t offset = header_bytes + length;
  const auto claim = [&](std::uint64_t bytes) {
    if (bytes > left) return false;
    left -= bytes;
    offset += bytes;
    return true;
  };
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto key = take_key(fields);
    const auto bytes = fields.number();
    if (!key || !bytes) return corrupt("its index is torn");
    if (!rows_.empty() && *key <= rows_.back().key) return corrupt("its kernels are not in order");
    rows_.push_back({*key, offset, *bytes});
    if (*bytes > limits.entry_bytes || !claim(*bytes)) return corrupt("its kernels do not fit into it");
  }
  for (Section* section : {&manifest_, &tuning_}) {
    section->offset = offset;
    if (section->length > limits.section_bytes || !claim(section->length)) return corrupt("it is cut off");
  }
  if (!fields.done() || left != 0) return corrupt("its length does not fit its index");
  return {};
}

expected<std::string> Pack::read(std::uint64_t offset, std::uint64_t length) const {
  std::string bytes(length, '\0');
  if (source_->read(offset, bytes)) return bytes;
  if (errno == 0) return corrupt("it became shorter while it was open");
  return Error{ErrorCode::io, fmt::format("the pack {}: {}", path_, std::strerror(errno)), ""};
}

expected<CacheEntry> Pack::entry(std::size_t index) const {
  const Row& row = rows_.at(index);
  const auto bytes = read(row.offset, row.length);
  if (!bytes) return bytes.error();
  auto entry = decode_entry(*bytes);
  if (!entry) return corrupt(entry.error().message);
  if (cache_key(kernel_record(entry->record)) != row.key)
    return corrupt("an entry's key is not the hash of its record");
  return entry;
}

expected<std::optional<CacheEntry>> Pack::find(std::string_view kernel) const {
  const CacheKey key = cache_key(kernel);
  const auto row =
      std::lower_bound(rows_.begin(), rows_.end(), key, [](const Row& one, const CacheKey& k) { return one.key < k; });
  if (row == rows_.end() || row->key != key) return std::optional<CacheEntry>();
  auto found = entry(static_cast<std::size_t>(row - rows_.begin()));
  if (!found) return std::move(found).error();
  // Keys can be made to collide; the record cannot be two kernels'.
  if (kernel_record(found->record) != kernel) return corrupt("an entry is of another kernel");
  return std::optional<CacheEntry>(*std::move(found));
}

expected<std::string> Pack::section(const Section& section, std::string_view what) const {
  auto text = read(section.offset, section.length);
  if (text && cache_key(*text) != section.hash) return corrupt(fmt::format("the hash of its {} is wrong", what));
  return text;
}

expected<std::string> Pack::manifest() const {
  return section(manifest_, "manifest");
}

expected<std::string> Pack::tuning() const {
  return section(tuning_, "tuning entries");
}

Error Pack::corrupt(std::string_view what) const {
  return {ErrorCode::corrupt, fmt::format("the pack {}: {}", path_, what), ""};
}

}  // namespace osdn::runtime
