#include "runtime/nvrtc.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "runtime/library.hpp"

namespace osdn::runtime {

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

namespace {

/// NVRTC opens its second half by bare name when it first compiles, and finds it only where the loader looks by itself.
/// Of a library that is loaded already the loader takes the name for it, wherever it lies.
void open_builtins(const Nvrtc& nvrtc) {
  const std::filesystem::path library(nvrtc.library);
  const auto builtins = library.parent_path() / ("libnvrtc-builtins.so." + version_text(nvrtc.version));
  std::error_code ignored;
  std::string reason;  // NVRTC gives its own when it compiles
  if (std::filesystem::exists(builtins, ignored)) open_library(builtins.string(), reason);
}

}  // namespace

expected<std::shared_ptr<const Nvrtc>> open_nvrtc(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return Error{ErrorCode::library_not_found, fmt::format("NVRTC {} cannot be used: {}", path, why), ""};
  };
  std::string reason;
  void* library = open_library(path, reason);
  if (library == nullptr) return refuse(reason);
  auto loaded = std::make_shared<Nvrtc>();
  loaded->library = path_of(library, path);
#define OSDN_BIND(member, symbol, type, parameters)                                      \
  loaded->member = reinterpret_cast<decltype(Nvrtc::member)>(::dlsym(library, #symbol)); \
  if (loaded->member == nullptr) return refuse("it lacks " #symbol);
  OSDN_NVRTC_ENTRIES(OSDN_BIND)
#undef OSDN_BIND

  int major = 0;
  int minor = 0;
  int count = 0;
  if (loaded->get_version(&major, &minor) != nvrtc::success) return refuse("it does not tell its version");
  loaded->version = major * 1000 + minor * 10;
  open_builtins(*loaded);
  if (loaded->get_num_supported_archs(&count) != nvrtc::success || count <= 0) {
    return refuse("it does not tell its architectures");
  }
  loaded->archs.resize(static_cast<std::size_t>(count));
  if (loaded->get_supported_archs(loaded->archs.data()) != nvrtc::success) {
    return refuse("it does not tell its architectures");
  }
  std::sort(loaded->archs.begin(), loaded->archs.end());
  return std::shared_ptr<const Nvrtc>(std::move(loaded));
}

}  // namespace osdn::runtime
