#include "runtime/library.hpp"

#include <dlfcn.h>
#include <link.h>

#include <filesystem>

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
  std::error_code ignored;
  if (::dladdr(reinterpret_cast<void*>(&own_folder), &info) == 0 || info.dli_fname == nullptr) return {};
  const std::filesystem::path file = std::filesystem::canonical(info.dli_fname, ignored);
  return file.empty() ? std::string() : file.parent_path().string();
}

}  // namespace osdn::runtime
