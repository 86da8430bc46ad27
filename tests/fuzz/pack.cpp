// Fuzz target: whatever the bytes, a pack is opened or refused as corrupt, and what is read of it is sound. The first
// byte decides whether the bytes are a file, or an index and what follows it, for which a right header is written: a
// hash keeps a fuzzer out, not a forger.
#include "runtime/pack.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "runtime/length_prefixed.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::string with_header(std::string_view bytes) {
  using namespace osdn::runtime;
  if (bytes.size() < 2) return {};
  const std::size_t wanted = static_cast<unsigned char>(bytes[0]) | static_cast<unsigned char>(bytes[1]) << 8U;
  bytes.remove_prefix(2);
  const std::string_view index = bytes.substr(0, wanted);
  const CacheKey hash = cache_key(index);
  std::string out = "osdnp1\r\n";
  append_number(out, hash.high);
  append_number(out, hash.low);
  append_number(out, index.size());
  out += bytes;
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace osdn;
  using namespace osdn::runtime;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto pack = Pack::of_bytes(data[0] % 2 == 0 ? std::string(rest) : with_header(rest), "bytes");
  if (!pack) {
    require(pack.error().code == ErrorCode::corrupt);
    return 0;
  }
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < (*pack)->size(); ++i) {
    require(i == 0 || (*pack)->key(i - 1) < (*pack)->key(i));
    bytes += (*pack)->entry_bytes(i);
    const auto entry = (*pack)->entry(i);
    if (!entry) {
      require(entry.error().code == ErrorCode::corrupt);
      continue;
    }
    const auto found = (*pack)->find(kernel_record(entry->record));
    require(found && *found && (*found)->record == entry->record);
  }
  require(bytes <= (*pack)->bytes());
  for (const auto& text : {(*pack)->manifest(), (*pack)->tuning()}) {
    require(text || text.error().code == ErrorCode::corrupt);
  }
  return 0;
}
