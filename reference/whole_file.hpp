// Output files that appear whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "osdn/error.hpp"

namespace osdn::reference {

/// Whether write_whole_file could begin: the folder is there and writable, the path is not a device or a folder. For
/// failing before long work. Errors: io.
expected<void> check_writable(const std::string& path);

/// Writes the parts beside the path under a temporary name, syncs, renames. On an error nothing is left behind, and a
/// file that was there stays as it was. Errors: io.
expected<void> write_whole_file(const std::string& path, const std::vector<std::span<const std::byte>>& parts);
expected<void> write_whole_file(const std::string& path, const std::string& text);

/// A regular file's text. Errors: io; corrupt when it is longer than `most` bytes.
expected<std::string> read_whole_file(const std::string& path, std::size_t most);

/// Removes what is being written and lets nothing more be: a thread that begins to write never returns. The last act of
/// a process that is interrupted.
void abandon_unfinished_files();

}  // namespace osdn::reference
