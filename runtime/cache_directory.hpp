// Which directory holds the compile cache, and whether it is safe to load code from it.
#pragma once

#include <string>
#include <string_view>

namespace osdn::runtime {

/// `option`, else $OSDN_CACHE_DIR, else $XDG_CACHE_HOME/osdn, else ~/.cache/osdn; empty when none of them is set.
[[nodiscard]] std::string cache_directory(std::string_view option);

/// Makes the directory and those above it (mode 0700) where missing and checks that nobody but this user and root
/// could put files into it or swap it for another. Returns why it cannot be used; empty: it can.
[[nodiscard]] std::string prepare_cache_directory(const std::string& directory);

/// Why what lies at `real`, a path without links, could be swapped by another user; empty: it could not. Who can rename
/// a folder above it can put another in its place. A sticky one (/tmp) keeps others' hands off.
[[nodiscard]] std::string folders_above(const std::string& real);

}  // namespace osdn::runtime
