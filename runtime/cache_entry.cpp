#include "runtime/cache_entry.hpp"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "runtime/length_prefixed.hpp"

namespace osdn::runtime {
namespace {

constexpr std::string_view schema = "osdn compile record 1";
constexpr std::string_view magic = "osdn1\r\n\0";  // eight bytes; a text-mode copy would damage them visibly
constexpr std::size_t header_bytes = 8 + 16 + 8;   // magic, checksum, length of what follows
constexpr std::uint64_t most_version = 1'000'000;
constexpr std::uint64_t most_registers = 255;  // of a thread, on every architecture
constexpr std::uint64_t most_bytes = 1ULL << 30;

Error corrupt(std::string_view what) {
  return {ErrorCode::corrupt, fmt::format("cache entry: {}", what), ""};
}

std::string checksum(std::string_view bytes) {
  const CacheKey key = cache_key(bytes);
  std::string text;
  append_number(text, key.low);
  append_number(text, key.high);
  return text;
}

// JSON without a tree of values: where memory ends, nlohmann's objects and arrays end the process as they go, for their
// destructor allocates.

/// A log may hold anything a compiler prints: bytes that are no UTF-8 are replaced rather than thrown at.
std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string meta(std::string_view entry, const CompiledKernel& kernel) {
  const Resources& r = kernel.resources;
  return fmt::format(
      R"({{"arch":{},"compile_ms":{},"entry":{},"log":{},"nvrtc_version":{},"registers":{},"spill_load_bytes":{},)"
      R"("spill_store_bytes":{},"stack_bytes":{},"static_shared_bytes":{}}})",
      json_text(kernel.arch), std::isfinite(kernel.compile_ms) ? kernel.compile_ms : 0.0, json_text(entry),
      json_text(kernel.log), kernel.nvrtc_version, r.registers, r.spill_load_bytes, r.spill_store_bytes, r.stack_bytes,
      r.static_shared_bytes);
}

/// The members of one object, as they go by; of nested values nothing is kept.
class MetaReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ == 1) counts_[name_] = value;
    return number_float(static_cast<double>(value), {});
  }
  bool number_float(number_float_t value, const string_t&) override {
    if (depth_ == 1 && name_ == "compile_ms") milliseconds_ = value;
    return true;
  }
  bool string(string_t& value) override {
    if (depth_ == 1) texts_[name_] = value;
    return true;
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return ++depth_ > 0; }
  bool key(string_t& name) override {
    if (depth_ == 1) name_ = name;
    return true;
  }
  bool end_object() override { return depth_-- > 0; }
  bool start_array(std::size_t) override { return depth_++ > 0; }  // the whole is an object
  bool end_array() override { return depth_-- > 0; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  bool read(CacheEntry& to) {
    Resources& r = to.kernel.resources;
    if (!milliseconds_) return false;
    to.kernel.compile_ms = *milliseconds_;
    return text("entry", to.entry) && text("arch", to.kernel.arch) && text("log", to.kernel.log) &&
           count("nvrtc_version", most_version, to.kernel.nvrtc_version) &&
           count("registers", most_registers, r.registers) &&
           count("spill_store_bytes", most_bytes, r.spill_store_bytes) &&
           count("spill_load_bytes", most_bytes, r.spill_load_bytes) &&
           count("stack_bytes", most_bytes, r.stack_bytes) &&
           count("static_shared_bytes", most_bytes, r.static_shared_bytes);
  }

 private:
  /// Above what any device has nothing is believed: who reckons with these numbers must not overflow.
  template <class Number>
  bool count(const char* field, std::uint64_t most, Number& value) const {
    const auto at = counts_.find(field);
    if (at == counts_.end() || at->second > most) return false;
    value = static_cast<Number>(at->second);
    return true;
  }
  bool text(const char* field, std::string& value) const {
    const auto at = texts_.find(field);
    if (at == texts_.end()) return false;
    value = at->second;
    return true;
  }

  int depth_ = 0;
  std::string name_;
  std::map<std::string, std::uint64_t, std::less<>> counts_;
  std::map<std::string, std::string, std::less<>> texts_;
  std::optional<double> milliseconds_;
};

bool read_meta(std::string_view text, CacheEntry& to) {
  MetaReader reader;
  return nlohmann::json::sax_parse(text.begin(), text.end(), &reader) && reader.read(to);
}

}  // namespace

std::string CacheKey::hex() const {
  return fmt::format("{:016x}{:016x}", high, low);
}

std::string cache_record(const CompileInput& input, int nvrtc_version) {
  std::string record;
  append_text(record, schema);
  append_text(record, input.source);
  append_number(record, input.headers.size());
  for (const generator::Header& header : input.headers) {
    append_text(record, header.name);
    append_text(record, header.text);
  }
  std::vector<std::string> options = input.options;
  std::sort(options.begin(), options.end());
  append_number(record, options.size());
  for (const std::string& option : options) append_text(record, option);
  append_text(record, input.arch);
  append_number(record, static_cast<std::uint64_t>(nvrtc_version));
  return record;
}

std::string_view kernel_record(std::string_view record) {
  constexpr std::size_t version_bytes = 8;
  return record.substr(0, record.size() - std::min(record.size(), version_bytes));
}

CacheKey cache_key(std::string_view record) {
  const XXH128_hash_t hash = XXH3_128bits(record.data(), record.size());
  return {hash.high64, hash.low64};
}

expected<RecordFields> parse_record(std::string_view record) {
  FieldReader reader(record);
  RecordFields fields;
  const auto first = reader.field();
  if (!first || *first != schema) return corrupt("its record is of another schema");
  const Error torn = corrupt("its record is torn");
  const auto source = reader.field();
  if (!source) return torn;
  fields.source = *source;
  auto count = reader.number();
  for (std::uint64_t i = 0; count && i < *count; ++i) {
    const auto name = reader.field();
    const auto text = reader.field();
    if (!name || !text) return torn;
    fields.headers.emplace_back(*name, *text);
  }
  if (count) count = reader.number();
  for (std::uint64_t i = 0; count && i < *count; ++i) {
    const auto option = reader.field();
    if (!option) return torn;
    fields.options.emplace_back(*option);
  }
  const auto arch = reader.field();
  const auto version = reader.number();
  if (!count || !arch || !version || *version > most_version || !reader.done()) return torn;
  fields.arch = *arch;
  fields.nvrtc_version = static_cast<int>(*version);
  return fields;
}

std::string encode_entry(std::string_view record, std::string_view entry, const CompiledKernel& kernel) {
  std::string body;
  body.reserve(record.size() + kernel.ptx.size() + kernel.cubin.size() + kernel.log.size() + 1024);
  append_text(body, record);
  append_text(body, kernel.ptx);
  append_text(body, kernel.cubin);
  append_text(body, meta(entry, kernel));
  std::string bytes(magic);
  bytes.resize(8, '\0');
  bytes += checksum(body);
  append_number(bytes, body.size());
  return bytes + body;
}

expected<CacheEntry> decode_entry(std::string_view bytes) {
  if (bytes.size() < header_bytes) return corrupt(fmt::format("it is cut off after {} bytes", bytes.size()));
  if (bytes.substr(0, magic.size()) != magic || bytes[7] != '\0') return corrupt("it is of another format");
  const std::string_view body = bytes.substr(header_bytes);
  const auto length = FieldReader(bytes.substr(24)).number();
  if (*length != body.size()) {
    return corrupt(fmt::format("it has {} bytes where {} were written", body.size(), *length));
  }
  if (bytes.substr(8, 16) != checksum(body)) return corrupt("its checksum is wrong");
  FieldReader reader(body);
  CacheEntry entry;
  const auto record = reader.field();
  const auto ptx = reader.field();
  const auto cubin = reader.field();
  const auto json = reader.field();
  if (!record || !ptx || !cubin || !json || !reader.done()) return corrupt("its fields do not fit its length");
  if (!read_meta(*json, entry)) return corrupt("its description is not readable");
  entry.record = *record;
  entry.kernel.ptx = *ptx;
  entry.kernel.cubin = *cubin;
  return entry;
}

}  // namespace osdn::runtime
