#include "runtime/cache_directory.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace osdn::runtime {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string make(const fs::path& directory) {
  fs::path made;
  for (const fs::path& part : directory) {
    made /= part;
    if (::mkdir(made.c_str(), 0700) == 0 || errno == EEXIST) continue;
    struct stat found {};
    if (::stat(made.c_str(), &found) == 0) continue;  // a read-only file system says so before it says "exists"
    return fmt::format("{} cannot be made: {}", made.string(), std::strerror(errno));
  }
  return {};
}

/// Root may do anything anyway; files of our own we trust.
bool foreign(const struct stat& found) {
  return found.st_uid != ::geteuid() && found.st_uid != 0;
}

}  // namespace

std::string cache_directory(std::string_view option) {
  if (!option.empty()) return std::string(option);
  if (const std::string own = variable("OSDN_CACHE_DIR"); !own.empty()) return own;
  // XDG's specification: a relative path is to be ignored.
  if (const std::string xdg = variable("XDG_CACHE_HOME"); xdg.starts_with('/')) return xdg + "/osdn";
  if (const std::string home = variable("HOME"); !home.empty()) return home + "/.cache/osdn";
  return {};
}

std::string prepare_cache_directory(const std::string& directory) {
  if (directory.empty()) return "none of OSDN_CACHE_DIR, XDG_CACHE_HOME and HOME is set";
  std::error_code failed;
  const fs::path absolute = fs::absolute(directory, failed).lexically_normal();
  if (failed) return failed.message();
  if (std::string problem = make(absolute); !problem.empty()) return problem;
  const fs::path real = fs::canonical(absolute, failed);
  if (failed) return fmt::format("{}: {}", absolute.string(), failed.message());

  struct stat found {};
  if (::stat(real.c_str(), &found) != 0) return fmt::format("{}: {}", real.string(), std::strerror(errno));
  if (!S_ISDIR(found.st_mode)) return fmt::format("{} is not a directory", real.string());
  if (found.st_uid != ::geteuid()) {
    return fmt::format("{} belongs to user {}, not to user {}", real.string(), found.st_uid, ::geteuid());
  }
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fmt::format("other users can write {} (mode {:o}): chmod go-w it", real.string(), found.st_mode & 07777U);
  }
  return folders_above(real.string());
}

std::string folders_above(const std::string& real) {
  struct stat found {};
  for (fs::path above = fs::path(real).parent_path();; above = above.parent_path()) {
    if (::stat(above.c_str(), &found) != 0) return fmt::format("{}: {}", above.string(), std::strerror(errno));
    if (foreign(found)) return fmt::format("{} above it belongs to user {}", above.string(), found.st_uid);
    if ((found.st_mode & S_IWOTH) != 0 && (found.st_mode & S_ISVTX) == 0) {
      return fmt::format("other users can write {} above it (mode {:o})", above.string(), found.st_mode & 07777U);
    }
    if (above == above.parent_path()) return {};
  }
}

}  // namespace osdn::runtime
