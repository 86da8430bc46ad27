// A key's file: where it is, and how it is read, added to and rewritten while other processes do the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "autotune/key.hpp"
#include "osdn/error.hpp"

namespace osdn::autotune {

/// A larger file is not read.
inline constexpr std::uint64_t largest_file = std::uint64_t{256} << 20;

/// `nvidia-h200-sm90-132sms-3200mhz-1a2b3c4d`
[[nodiscard]] std::string gpu_folder(const GpuKey& gpu);
/// `1a2b3c4d5e6f7a8b`
[[nodiscard]] std::string problem_folder(const Problem& problem);
/// `DIRECTORY/v1/GPU/PROBLEM/5-11.jsonl`
[[nodiscard]] std::string key_path(const std::string& directory, const Key& key);

/// A line that names a key is far shorter.
inline constexpr std::size_t first_line_bytes = 16384;

/// The file's bytes, the first `most` of them; none when it does not exist. Errors: io; corrupt: larger than any of
/// ours.
expected<std::string> read_file(const std::string& path, std::uint64_t most = largest_file);

/// Appends whole lines to the file of a key, on disk when this returns; makes the file, and the folders above it below
/// `directory`. A file that does not name the key is told first. Errors: io, and then nothing was added.
expected<void> append_lines(const std::string& directory, const Key& key, const std::string& lines);

/// Puts `rewrite` of the file in its place at once, under its lock, or leaves it as it is. Errors: io.
expected<void> rewrite_file(const std::string& path, const std::function<std::string(const std::string&)>& rewrite);

/// Reads a file while nobody adds to it, where its lock can be had. Errors: those of read_file.
expected<std::string> read_quiet_file(const std::string& path);

}  // namespace osdn::autotune
