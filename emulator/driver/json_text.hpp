// Text inside JSON.
#pragma once

#include <string>
#include <string_view>

namespace emulator {

/// In quotes, with what must be escaped escaped. Bytes that are no UTF-8 become question marks.
std::string quoted_json(std::string_view text);

}  // namespace emulator
