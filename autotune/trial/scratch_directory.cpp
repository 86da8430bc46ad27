#include "autotune/trial/scratch_directory.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace osdn::autotune {

std::string ScratchDirectory::make() {
  std::error_code failed;
  const auto where = std::filesystem::temp_directory_path(failed);
  if (failed) return failed.message();
  std::string name = (where / "osdn-tune-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return std::generic_category().message(errno);  // 0700
  path_ = name;
  return {};
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace osdn::autotune
