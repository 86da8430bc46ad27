// Where an NVRTC may lie, and which of those found is taken.
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "runtime/folder.hpp"
#include "runtime/library.hpp"
#include "runtime/nvrtc.hpp"

namespace osdn::runtime {
namespace {

namespace fs = std::filesystem;

constexpr int oldest_version = 12040;
constexpr std::string_view stem = "libnvrtc.so";
constexpr std::string_view builtins_stem = "libnvrtc-builtins.so.";

/// "12.4.127" → 12040; 0 when no minor version is there.
int parse_version(std::string_view text) {
  int major = 0;
  int minor = 0;
  const char* end = text.data() + text.size();
  auto [dot, bad] = std::from_chars(text.data(), end, major);
  if (bad != std::errc() || dot == end || *dot != '.') return 0;
  if (std::from_chars(dot + 1, end, minor).ec != std::errc()) return 0;
  return major * 1000 + minor * 10;
}

/// The version of a library from its own name (libnvrtc.so.12.4.127), else from the builtins beside it
/// (libnvrtc-builtins.so.12.4); 0 when neither tells for certain.
int version_from_names(const fs::path& file) {
  const std::string name = file.filename().string();
  if (name.size() > stem.size() + 1) {
    if (const int own = parse_version(std::string_view(name).substr(stem.size() + 1)); own != 0) return own;
  }
  int major = 0;  // of the soname; 0 when the name has none
  if (name.size() > stem.size() + 1) {
    std::from_chars(name.data() + stem.size() + 1, name.data() + name.size(), major);
  }
  std::set<int> versions;
  for (const fs::path& beside : entries_of(file.parent_path())) {
    const std::string other = beside.filename().string();
    if (!other.starts_with(builtins_stem)) continue;
    const int version = parse_version(std::string_view(other).substr(builtins_stem.size()));
    if (version != 0 && (major == 0 || version / 1000 == major)) versions.insert(version);
  }
  return versions.size() == 1 ? *versions.begin() : 0;
}

int version_by_loading(const std::string& path, std::string& problem) {
  void* library = open_library_briefly(path, problem);
  if (library == nullptr) return 0;
  int major = 0;
  int minor = 0;
  using Version = nvrtc::Result (*)(int*, int*);
  const auto ask = reinterpret_cast<Version>(::dlsym(library, "nvrtcVersion"));
  const bool told = ask != nullptr && ask(&major, &minor) == nvrtc::success;
  close_library(library);
  if (!told) problem = "it has no nvrtcVersion";
  return told ? major * 1000 + minor * 10 : 0;
}

class Finder {
 public:
  explicit Finder(const NvrtcSearch& search) : search_(search) {}

  NvrtcSearchResult run() {
    if (!named()) {
      loader_path();
      toolkits();
      private_folders();
      python();
      if (result_.found.empty() && search_.dynamic_loader) sonames();
    }
    return std::move(result_);
  }

 private:
  [[nodiscard]] std::string variable(const char* name) const { return search_.environment(name); }
  [[nodiscard]] fs::path rooted(const fs::path& absolute) const {
    return fs::path(search_.root) / absolute.relative_path();
  }

  /// An option or variable that names a file, a folder or a soname ends the search.
  bool named() {
    std::string name = search_.option;
    std::string origin = "option nvrtc_library";
    if (name.empty()) {
      name = variable("OSDN_NVRTC_LIBRARY");
      origin = "OSDN_NVRTC_LIBRARY";
    }
    if (name.empty()) return false;
    result_.named = true;
    std::error_code ignored;
    if (fs::is_directory(name, ignored)) {
      folder_tree(name, origin);
    } else if (fs::exists(name, ignored)) {
      result_.places.push_back(name);
      add(name, origin);
    } else {
      soname(name, origin);
    }
    return true;
  }

  void loader_path() {
    const std::string list = variable("LD_LIBRARY_PATH");
    for (std::size_t begin = 0; begin < list.size();) {
      const std::size_t end = std::min(list.find(':', begin), list.size());
      if (end > begin) folder(list.substr(begin, end - begin), "LD_LIBRARY_PATH");
      begin = end + 1;
    }
    for (const char* place :
         {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/lib"}) {
      folder(rooted(place), "system libraries");
    }
  }

  void toolkit(const fs::path& home, const std::string& origin) {
    for (const char* below : {"lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"}) {
      folder(home / below, origin);
    }
  }

  void toolkits() {
    for (const char* name : {"CUDA_HOME", "CUDA_PATH"}) {
      if (const std::string home = variable(name); !home.empty()) toolkit(home, name);
    }
    bool any = false;
    for (const fs::path& entry : entries_of(rooted("/usr/local"))) {
      if (!entry.filename().string().starts_with("cuda")) continue;
      any = true;
      toolkit(entry, "toolkit");
    }
    if (!any) result_.places.push_back(rooted("/usr/local/cuda*").string());
    toolkit(rooted("/opt/cuda"), "toolkit");
  }

  /// Where the project's own scripts put it.
  void private_folders() {
    std::string data = variable("XDG_DATA_HOME");
    if (data.empty() && !variable("HOME").empty()) data = variable("HOME") + "/.local/share";
    if (!data.empty()) folder_tree(fs::path(data) / "osdn/nvrtc", "private folder");
    if (!search_.own_folder.empty()) folder_tree(fs::path(search_.own_folder) / "nvrtc", "private folder");
  }

  /// A folder that may be a library folder itself or hold an unpacked wheel.
  void folder_tree(const fs::path& place, const std::string& origin) {
    folder(place, origin);
    wheels(place, origin);
  }

  void wheels(const fs::path& packages, const std::string& origin) {
    for (const char* below : {"nvidia/cu14/lib", "nvidia/cu13/lib", "nvidia/cu12/lib", "nvidia/cuda_nvrtc/lib"}) {
      folder(packages / below, origin);
    }
  }

  void python_prefix(const fs::path& prefix, const std::string& origin) {
    if (!prefixes_.insert(prefix.string()).second) return;
    for (const char* lib : {"lib", "lib64"}) {
      for (const fs::path& entry : entries_of(prefix / lib)) {
        if (!entry.filename().string().starts_with("python3")) continue;
        wheels(entry / "site-packages", origin);
        wheels(entry / "dist-packages", origin);
      }
    }
  }

  void python() {
    if (const std::string prefix = variable("VIRTUAL_ENV"); !prefix.empty()) {
      python_prefix(prefix, "Python wheel in VIRTUAL_ENV");
    }
    if (const std::string prefix = variable("CONDA_PREFIX"); !prefix.empty()) {
      toolkit(prefix, "CONDA_PREFIX");
      python_prefix(prefix, "Python wheel in CONDA_PREFIX");
    }
    if (const std::optional<fs::path> prefix = python_on_path()) python_prefix(*prefix, "Python wheel");
    const std::string home = variable("HOME");
    if (!home.empty()) {
      python_prefix(fs::path(home) / ".local", "Python wheel");
      for (const fs::path& version : entries_of(fs::path(home) / ".pyenv/versions"))
        python_prefix(version, "Python wheel");
    }
    for (const char* prefix : {"/usr/local", "/usr", "/opt/conda", "/opt/venv"}) {
      python_prefix(rooted(prefix), "Python wheel");
    }
  }

  /// The prefix of the python3 that a shell would run, without running it.
  [[nodiscard]] std::optional<fs::path> python_on_path() const {
    const std::string list = variable("PATH");
    for (std::size_t begin = 0; begin < list.size();) {
      const std::size_t end = std::min(list.find(':', begin), list.size());
      const fs::path program = fs::path(list.substr(begin, end - begin)) / "python3";
      std::error_code failed;
      // A virtual environment's python3 is a link to the one it was made from: both prefixes count, this one first.
      if (end > begin && fs::exists(program, failed)) {
        std::error_code no_configuration;
        const fs::path here = program.parent_path().parent_path();
        if (fs::exists(here / "pyvenv.cfg", no_configuration)) return here;
        const fs::path real = fs::canonical(program, failed);
        return failed ? here : real.parent_path().parent_path();
      }
      begin = end + 1;
    }
    return std::nullopt;
  }

  void folder(const fs::path& place, const std::string& origin) {
    result_.places.push_back(place.string());
    for (const fs::path& file : entries_of(place)) {
      const std::string name = file.filename().string();
      const bool numbered = name.starts_with(stem) && name.size() > stem.size() + 1 && name[stem.size()] == '.';
      if (name == stem || numbered) add(file, origin);
    }
  }

  void sonames() {
    for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"}) soname(name, "dynamic loader");
  }

  void soname(const std::string& name, const std::string& origin) {
    std::string reason;
    void* library = open_library_briefly(name, reason);
    result_.places.push_back(library == nullptr ? fmt::format("{} ({})", name, reason) : name);
    if (library == nullptr) return;
    const std::string file = path_of(library, name);
    add(file, origin);
    close_library(library);
  }

  /// Links to one file count once.
  void add(const fs::path& file, const std::string& origin) {
    std::error_code failed;
    const fs::path real = fs::canonical(file, failed);
    if (failed || !seen_.insert(real.string()).second) return;
    NvrtcFound one{file.string(), origin, version_from_names(real), ""};
    if (one.version == 0) one.version = version_by_loading(one.path, one.problem);
    result_.found.push_back(std::move(one));
  }

  const NvrtcSearch& search_;
  NvrtcSearchResult result_;
  std::set<std::string> seen_;
  std::set<std::string> prefixes_;
};

}  // namespace

NvrtcSearch default_nvrtc_search(std::string_view option) {
  NvrtcSearch search;
  search.option = option;
  search.environment = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  search.own_folder = own_folder();
  return search;
}

NvrtcSearchResult find_nvrtc(const NvrtcSearch& search, int driver_version) {
  NvrtcSearchResult result = Finder(search).run();
  for (NvrtcFound& one : result.found) {
    if (!one.problem.empty()) continue;
    if (one.version < oldest_version) {
      one.problem = fmt::format("version {} is older than {}", version_text(one.version), version_text(oldest_version));
    } else if (driver_version > 0 && one.version / 1000 > driver_version / 1000) {
      one.problem = fmt::format("version {} is newer than the driver's {}", version_text(one.version),
                                version_text(driver_version));
    }
  }
  std::stable_sort(result.found.begin(), result.found.end(), [](const NvrtcFound& a, const NvrtcFound& b) {
    if (a.problem.empty() != b.problem.empty()) return a.problem.empty();
    return a.version > b.version;
  });
  return result;
}

Error nvrtc_missing(const NvrtcSearchResult& result, int driver_version) {
  const int major = driver_version / 1000;
  const std::string wheel = major == 0    ? "nvidia-cuda-nvrtc"
                            : major <= 12 ? "nvidia-cuda-nvrtc-cu12"
                                          : fmt::format("'nvidia-cuda-nvrtc=={}.*'", major);
  const std::string install =
      fmt::format("install one with `pip install {}`, or name one in OSDN_NVRTC_LIBRARY", wheel);
  std::string context;
  for (const NvrtcFound& one : result.found) {
    context += fmt::format("found {} ({}): {}\n", one.path, one.origin, one.problem);
  }
  context += "tried:\n";
  for (const std::string& place : result.places) context += "  " + place + "\n";
  if (result.found.empty()) return {ErrorCode::library_not_found, "no NVRTC found: " + install, context};
  const NvrtcFound& best = result.found.front();
  return {ErrorCode::library_not_found,
          fmt::format("no usable NVRTC found: {} {}; {}", best.path, best.problem, install), context};
}

}  // namespace osdn::runtime
