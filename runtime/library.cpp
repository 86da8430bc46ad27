#include "runtime/library.hpp"

#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>

#include <filesystem>
#include <system_error>
#include <vector>

namespace osdn::runtime {
namespace {

void* open(const std::string& name, int flags, std::string& reason) {
  void* library = ::dlopen(name.c_str(), flags);
  if (library == nullptr) {
    const char* text = ::dlerror();
    reason = text != nullptr ? text : "unknown reason";
  }
  return library;
}

}  // namespace

void* open_library(const std::string& name, std::string& reason) {
  return open(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE, reason);
}

void* open_library_briefly(const std::string& name, std::string& reason) {
  return open(name, RTLD_LAZY | RTLD_LOCAL, reason);
}

void close_library(void* library) {
  if (library != nullptr) ::dlclose(library);
}

std::string path_of(void* library, const std::string& fallback) {
  struct link_map* map = nullptr;
  if (::dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr || map->l_name == nullptr) return fallback;
  return *map->l_name != '\0' ? map->l_name : fallback;
}

std::string own_folder() {
  Dl_info info{};
  void* map = nullptr;
  if (::dladdr1(reinterpret_cast<void*>(&own_folder), &info, &map, RTLD_DL_LINKMAP) == 0) return {};
  std::vector<const char*> names = {info.dli_fname};
  // A program is called there what its caller called it: by PATH a name without a folder, or one that was right in a
  // folder that has been left since. The kernel knows its file; where /proc is missing, what was executed.
  const char* const library = map == nullptr ? nullptr : static_cast<const struct link_map*>(map)->l_name;
  if (library != nullptr && *library == '\0') {
    names.insert(names.begin(), {"/proc/self/exe", reinterpret_cast<const char*>(::getauxval(AT_EXECFN))});
  }
  for (const char* name : names) {
    std::error_code failed;
    if (name == nullptr) continue;
    const std::filesystem::path file = std::filesystem::canonical(name, failed);
    if (!failed) return file.parent_path().string();
  }
  return {};
}

}  // namespace osdn::runtime
