// What printf makes of a format and its packed arguments.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace emulator {

/// Where the arguments come from: CUDA packs them one behind the other, each at a multiple of its size.
struct PrintArguments {
  std::function<std::uint32_t()> next32;
  std::function<std::uint64_t()> next64;
  std::function<std::string(std::uint64_t address)> string;
};

/// The text; `count` is the number of arguments that the format asked for.
std::string format_print(const std::string& format, const PrintArguments& arguments, int& count);

}  // namespace emulator
