// Fuzz target: whatever the bytes, a trace is read or refused with the line's number; what is read can be written and
// read again without a change.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "autotune/trace.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace osdn;
  using namespace osdn::autotune;
  const auto lines = parse_trace({reinterpret_cast<const char*>(data), size});
  if (!lines) {
    require(lines.error().code == ErrorCode::corrupt && lines.error().message.starts_with("line "));
    return 0;
  }
  std::string text;
  for (const TraceLine& line : *lines) {
    require(validate(line.shape).has_value());
    require(std::count(lines->begin(), lines->end(), line) == 1);
    text += to_text(line);
  }
  const auto again = parse_trace(text);
  require(again && *again == *lines);
  return 0;
}
