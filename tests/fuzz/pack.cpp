// Fuzz target: whatever the bytes, a pack is opened or refused as corrupt, and what is read of it is sound. The first
// byte decides how much of them is made right first, for a hash keeps a fuzzer out, not a forger: nothing; the header
// of an index and what follows it; or every hash of a file, so that all that lies behind them is reached.
#include "runtime/pack.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/length_prefixed.hpp"
#include "runtime/pack_magic.hpp"

namespace {

using namespace osdn::runtime;

constexpr std::size_t header_bytes = 32;  // of a pack and of an entry: magic, hash, length
constexpr std::size_t hash_at = 8;
constexpr std::size_t length_at = 24;

void require(bool holds) {
  if (!holds) std::abort();
}

void append_hash(std::string& to, const CacheKey& hash) {
  append_number(to, hash.high);
  append_number(to, hash.low);
}

std::string with_header(std::string_view index, std::string_view rest) {
  std::string out(pack_magic);
  append_hash(out, cache_key(index));
  append_number(out, index.size());
  return out.append(index).append(rest);
}

/// Two bytes say how long the index is.
std::string of_index_and_rest(std::string_view bytes) {
  if (bytes.size() < 2) return {};
  const std::size_t wanted = static_cast<unsigned char>(bytes[0]) | static_cast<unsigned char>(bytes[1]) << 8U;
  bytes.remove_prefix(2);
  return with_header(bytes.substr(0, wanted), bytes.substr(std::min(wanted, bytes.size())));
}

/// An entry whose checksum and length are those of what it says.
std::string resealed(std::string_view entry) {
  if (entry.size() < header_bytes) return std::string(entry);
  const std::string_view body = entry.substr(header_bytes);
  const CacheKey hash = cache_key(body);
  std::string out(entry.substr(0, hash_at));
  append_number(out, hash.low);  // an entry's checksum has them the other way round
  append_number(out, hash.high);
  append_number(out, body.size());
  return out.append(body);
}

/// Takes the next bytes, as far as there are any.
std::string_view take(std::string_view& from, std::uint64_t length) {
  const std::string_view taken = from.substr(0, std::min<std::uint64_t>(length, from.size()));
  from.remove_prefix(taken.size());
  return taken;
}

/// A file with every length as far as it can be, and every hash and key as it must be.
std::string repaired(std::string_view bytes) {
  if (bytes.size() < header_bytes) return std::string(bytes);
  const std::uint64_t index_length = *FieldReader(bytes.substr(length_at)).number();
  bytes.remove_prefix(header_bytes);
  FieldReader index(take(bytes, index_length));
  std::uint64_t sections[2] = {};
  for (std::uint64_t& length : sections) {
    length = index.number().value_or(0);
    (void)index.number();
    (void)index.number();
  }
  std::vector<std::pair<CacheKey, std::string>> entries;
  for (std::uint64_t left = index.number().value_or(0); left > 0; --left) {
    const auto high = index.number();
    const auto low = index.number();
    const auto length = index.number();
    if (!high || !low || !length) break;
    std::string entry = resealed(take(bytes, *length));
    const auto decoded = decode_entry(entry);
    entries.emplace_back(decoded ? cache_key(kernel_record(decoded->record)) : CacheKey{*high, *low}, std::move(entry));
  }
  std::sort(entries.begin(), entries.end());
  std::string fixed;
  std::string rest;
  for (const auto& [key, entry] : entries) rest += entry;
  for (const std::uint64_t length : sections) {
    const std::string_view text = take(bytes, length);
    append_number(fixed, text.size());
    append_hash(fixed, cache_key(text));
    rest += text;
  }
  append_number(fixed, entries.size());
  for (const auto& [key, entry] : entries) {
    append_hash(fixed, key);
    append_number(fixed, entry.size());
  }
  return with_header(fixed, rest);
}

std::string file_of(unsigned char mode, std::string_view bytes) {
  switch (mode % 3) {
    case 1:
      return of_index_and_rest(bytes);
    case 2:
      return repaired(bytes);
    default:
      return std::string(bytes);
  }
}

/// Whoever packed it put it under the hash of its record; what it says of itself can be taken apart or is corrupt.
void check_entry(const Pack& pack, const CacheEntry& entry) {
  const auto found = pack.find(kernel_record(entry.record));
  require(found && *found && (*found)->record == entry.record);
  if (const auto fields = parse_record(entry.record); !fields) require(fields.error().code == osdn::ErrorCode::corrupt);
  const std::string again = encode_entry(entry.record, entry.entry, entry.kernel);
  const auto decoded = decode_entry(again);
  require(decoded && decoded->record == entry.record && decoded->entry == entry.entry);
  require(decoded->kernel.cubin == entry.kernel.cubin && decoded->kernel.ptx == entry.kernel.ptx);
  require(decoded->kernel.resources == entry.kernel.resources);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using osdn::ErrorCode;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto pack = Pack::of_bytes(file_of(data[0], rest), "bytes");
  if (!pack) {
    require(pack.error().code == ErrorCode::corrupt);
    return 0;
  }
  PackContents contents;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < (*pack)->size(); ++i) {
    require(i == 0 || (*pack)->key(i - 1) < (*pack)->key(i));
    bytes += (*pack)->entry_bytes(i);
    const auto entry = (*pack)->entry(i);
    if (!entry) {
      require(entry.error().code == ErrorCode::corrupt);
      continue;
    }
    check_entry(**pack, *entry);
    contents.entries.push_back(encode_entry(entry->record, entry->entry, entry->kernel));
  }
  require(bytes <= (*pack)->bytes());
  for (const auto& [text, to] :
       {std::pair((*pack)->manifest(), &contents.manifest), std::pair((*pack)->tuning(), &contents.tuning)}) {
    require(text || text.error().code == ErrorCode::corrupt);
    if (text) *to = *text;
  }
  // What is sound of it can be packed again.
  const auto again = encode_pack(contents);
  require(again.has_value());
  const auto reopened = Pack::of_bytes(*again, "again");
  require(reopened && (*reopened)->size() == contents.entries.size());
  return 0;
}
