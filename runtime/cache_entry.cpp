#include "runtime/cache_entry.hpp"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstring>
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

std::string meta(std::string_view entry, const CompiledKernel& kernel) {
  const Resources& r = kernel.resources;
  // A log may hold anything a compiler prints: bytes that are no UTF-8 are replaced rather than thrown at.
  return nlohmann::json{{"entry", entry},
                        {"arch", kernel.arch},
                        {"log", kernel.log},
                        {"compile_ms", kernel.compile_ms},
                        {"nvrtc_version", kernel.nvrtc_version},
                        {"registers", r.registers},
                        {"spill_store_bytes", r.spill_store_bytes},
                        {"spill_load_bytes", r.spill_load_bytes},
                        {"stack_bytes", r.stack_bytes},
                        {"static_shared_bytes", r.static_shared_bytes}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool read_meta(std::string_view text, CacheEntry& to) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return false;
  // Above what any device has nothing is believed: who reckons with these numbers must not overflow.
  const auto count = [&](const char* field, std::uint64_t most, auto& value) {
    const auto at = json.find(field);
    if (at == json.end() || !at->is_number_unsigned() || at->template get<std::uint64_t>() > most) return false;
    at->get_to(value);
    return true;
  };
  const auto milliseconds = json.find("compile_ms");
  if (milliseconds == json.end() || !milliseconds->is_number()) return false;
  milliseconds->get_to(to.kernel.compile_ms);
  const auto string = [&](const char* field, std::string& value) {
    const auto at = json.find(field);
    if (at == json.end() || !at->is_string()) return false;
    at->get_to(value);
    return true;
  };
  Resources& r = to.kernel.resources;
  return string("entry", to.entry) && string("arch", to.kernel.arch) && string("log", to.kernel.log) &&
         count("nvrtc_version", most_version, to.kernel.nvrtc_version) &&
         count("registers", most_registers, r.registers) &&
         count("spill_store_bytes", most_bytes, r.spill_store_bytes) &&
         count("spill_load_bytes", most_bytes, r.spill_load_bytes) && count("stack_bytes", most_bytes, r.stack_bytes) &&
         count("static_shared_bytes", most_bytes, r.static_shared_bytes);
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
