// Where an NVRTC is looked for, and which one is taken.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "runtime/nvrtc.hpp"
#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

namespace fs = std::filesystem;

/// A machine made of a folder: libraries where a test puts them, variables as a test sets them.
class Machine {
 public:
  /// `builtins`: the version that lies beside it, as in a wheel; empty: none.
  void put(const std::string& place, const std::string& library, const std::string& builtins = "") {
    const fs::path file = root_.path() / fs::path(place).relative_path();
    fs::create_directories(file.parent_path());
    fs::copy_file(library, file);
    if (!builtins.empty()) write_all((file.parent_path() / ("libnvrtc-builtins.so." + builtins)).string(), "");
  }
  void link(const std::string& place, const std::string& target) {
    const fs::path file = root_.path() / fs::path(place).relative_path();
    fs::create_directories(file.parent_path());
    fs::create_symlink(target, file);
  }
  void set(const std::string& name, const std::string& value) { variables_[name] = value; }
  void set_path(const std::string& name, const std::string& place) { variables_[name] = path(place); }
  [[nodiscard]] std::string path(const std::string& place) const {
    return (root_.path() / fs::path(place).relative_path()).string();
  }
  [[nodiscard]] NvrtcSearch search() const {
    NvrtcSearch search;
    search.environment = [this](const char* name) {
      const auto at = variables_.find(name);
      return at != variables_.end() ? at->second : std::string();
    };
    search.root = root_.path().string();
    search.own_folder = path("/opt/program");
    search.dynamic_loader = false;
    return search;
  }

 private:
  TemporaryDirectory root_;
  std::map<std::string, std::string> variables_;
};

std::string first(const NvrtcSearchResult& result) {
  return !result.found.empty() && result.found[0].problem.empty() ? result.found[0].path : "";
}

TEST(NvrtcSearch, LooksInEveryUsualPlace) {
  const std::string places[] = {
      "/usr/local/cuda-13.0/lib64/libnvrtc.so.13",
      "/usr/local/cuda/targets/x86_64-linux/lib/libnvrtc.so.13",
      "/usr/lib/x86_64-linux-gnu/libnvrtc.so.13",
      "/opt/cuda/lib64/libnvrtc.so.13",
      "/toolkit/lib64/libnvrtc.so.13",
      "/other/lib/libnvrtc.so.13",
      "/home/u/.local/share/osdn/nvrtc/libnvrtc.so.13",
      "/home/u/.local/share/osdn/nvrtc/nvidia/cu13/lib/libnvrtc.so.13",
      "/opt/program/nvrtc/libnvrtc.so.13",
      "/venv/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.13",
      "/venv/lib/python3.11/site-packages/nvidia/cu13/lib/libnvrtc.so.13",
      "/conda/lib/libnvrtc.so.13",
      "/conda/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13",
      "/home/u/.local/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13",
      "/home/u/.pyenv/versions/3.11.7/lib/python3.11/site-packages/nvidia/cu13/lib/libnvrtc.so.13",
      "/usr/local/lib/python3.11/dist-packages/nvidia/cu13/lib/libnvrtc.so.13",
      "/usr/lib/python3/dist-packages/nvidia/cu13/lib/libnvrtc.so.13",
      "/python/lib/python3.13/site-packages/nvidia/cu13/lib/libnvrtc.so.13",
      "/loader/libnvrtc.so.13",
  };
  for (const std::string& place : places) {
    Machine machine;
    machine.put(place, OSDN_FAKE_NVRTC, "13.0");
    machine.link("/python/bin/python3", "/bin/true");
    write_all(machine.path("/python/pyvenv.cfg"), "");
    machine.set_path("HOME", "/home/u");
    machine.set_path("CUDA_HOME", "/toolkit");
    machine.set_path("CUDA_PATH", "/other");
    machine.set_path("VIRTUAL_ENV", "/venv");
    machine.set_path("CONDA_PREFIX", "/conda");
    machine.set_path("PATH", "/python/bin");
    machine.set_path("LD_LIBRARY_PATH", "/loader");
    const NvrtcSearchResult result = find_nvrtc(machine.search(), 0);
    EXPECT_EQ(first(result), machine.path(place)) << place;
    EXPECT_EQ(result.found.size(), 1U) << place;
  }
}

TEST(NvrtcSearch, TakesTheNewestThatTheDriverCanUse) {
  Machine machine;
  machine.put("/usr/local/cuda-12.4/lib64/libnvrtc.so.12", OSDN_FAKE_NVRTC_12_4, "12.4");
  machine.put("/venv/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12", OSDN_FAKE_NVRTC_12_9, "12.9");
  machine.put("/usr/local/cuda-13.0/lib64/libnvrtc.so.13", OSDN_FAKE_NVRTC, "13.0");
  machine.put("/usr/local/cuda-11.8/lib64/libnvrtc.so.11.2", OSDN_FAKE_NVRTC_11_8, "11.8");
  machine.set_path("VIRTUAL_ENV", "/venv");
  EXPECT_EQ(find_nvrtc(machine.search(), 13000).found[0].version, 13000);
  EXPECT_EQ(find_nvrtc(machine.search(), 0).found[0].version, 13000);
  const NvrtcSearchResult for_twelve = find_nvrtc(machine.search(), 12020);
  EXPECT_EQ(for_twelve.found[0].version, 12090);  // same major: minor versions are compatible
  ASSERT_EQ(for_twelve.found.size(), 4U);
  EXPECT_NE(for_twelve.found[2].problem.find("13.0 is newer than the driver's 12.2"), std::string::npos);
  EXPECT_NE(for_twelve.found[3].problem.find("older than 12.4"), std::string::npos);
  EXPECT_EQ(first(find_nvrtc(machine.search(), 11080)), "");
}

TEST(NvrtcSearch, AVersionThatNoNameTellsIsAskedOfTheLibrary) {
  Machine machine;
  machine.put("/usr/local/cuda/lib64/libnvrtc.so.12", OSDN_FAKE_NVRTC_12_9);
  machine.put("/opt/cuda/lib64/libnvrtc.so", OSDN_FAKE_NVRTC_13_1);
  write_all(machine.path("/opt/cuda/lib64/libnvrtc.so.14"), "no library at all");
  const NvrtcSearchResult result = find_nvrtc(machine.search(), 0);
  ASSERT_EQ(result.found.size(), 3U);
  EXPECT_EQ(result.found[0].version, 13010);
  EXPECT_EQ(result.found[1].version, 12090);
  EXPECT_FALSE(result.found[2].problem.empty());
}

TEST(NvrtcSearch, OneFolderMayHoldTwoMajors) {
  Machine machine;
  machine.put("/home/u/.local/share/osdn/nvrtc/libnvrtc.so.12", OSDN_FAKE_NVRTC_12_4, "12.4");
  machine.put("/home/u/.local/share/osdn/nvrtc/libnvrtc.so.13", OSDN_FAKE_NVRTC_13_1, "13.1");
  machine.set_path("HOME", "/home/u");
  const NvrtcSearchResult result = find_nvrtc(machine.search(), 0);
  ASSERT_EQ(result.found.size(), 2U);
  EXPECT_EQ(result.found[0].version, 13010);
  EXPECT_EQ(result.found[1].version, 12040);
}

TEST(NvrtcSearch, LinksToOneFileCountOnce) {
  Machine machine;
  machine.put("/usr/local/cuda-13.0/lib64/libnvrtc.so.13.0.88", OSDN_FAKE_NVRTC);
  machine.link("/usr/local/cuda-13.0/lib64/libnvrtc.so.13", "libnvrtc.so.13.0.88");
  machine.link("/usr/local/cuda-13.0/lib64/libnvrtc.so", "libnvrtc.so.13");
  machine.link("/usr/local/cuda", "cuda-13.0");
  const NvrtcSearchResult result = find_nvrtc(machine.search(), 0);
  ASSERT_EQ(result.found.size(), 1U);
  EXPECT_EQ(result.found[0].version, 13000);
}

TEST(NvrtcSearch, TheNamedLibraryIsTheOnlyOneConsidered) {
  Machine machine;
  machine.put("/usr/local/cuda/lib64/libnvrtc.so.13", OSDN_FAKE_NVRTC, "13.0");
  machine.put("/mine/nvidia/cuda_nvrtc/lib/libnvrtc.so.12", OSDN_FAKE_NVRTC_12_4, "12.4");
  machine.set_path("OSDN_NVRTC_LIBRARY", "/mine");  // a folder
  EXPECT_EQ(find_nvrtc(machine.search(), 13000).found.at(0).version, 12040);
  machine.set_path("OSDN_NVRTC_LIBRARY", "/mine/nvidia/cuda_nvrtc/lib/libnvrtc.so.12");  // a file
  EXPECT_EQ(find_nvrtc(machine.search(), 13000).found.at(0).version, 12040);
  NvrtcSearch search = machine.search();
  search.option = OSDN_FAKE_NVRTC_13_1;  // comes before the variable
  EXPECT_EQ(find_nvrtc(search, 13000).found.at(0).version, 13010);
  machine.set_path("OSDN_NVRTC_LIBRARY", "/mine/missing");
  const NvrtcSearchResult nothing = find_nvrtc(machine.search(), 13000);
  EXPECT_TRUE(nothing.found.empty());
  ASSERT_EQ(nothing.places.size(), 1U);
  EXPECT_NE(nothing.places[0].find("/mine/missing"), std::string::npos);
}

TEST(NvrtcSearch, TheErrorNamesEveryPlaceTried) {
  Machine machine;
  machine.set_path("HOME", "/home/u");
  machine.set_path("CUDA_HOME", "/toolkit");
  const NvrtcSearchResult result = find_nvrtc(machine.search(), 12080);
  EXPECT_GT(result.places.size(), 10U);
  const Error error = nvrtc_missing(result, 12080);
  EXPECT_EQ(error.code, ErrorCode::library_not_found);
  EXPECT_NE(error.message.find("pip install nvidia-cuda-nvrtc-cu12"), std::string::npos);
  for (const std::string& place : result.places) EXPECT_NE(error.context.find(place), std::string::npos) << place;
  for (const char* part : {"/toolkit/lib64", "/home/u/.local/share/osdn/nvrtc", "/usr/local/cuda"}) {
    EXPECT_NE(error.context.find(part), std::string::npos) << part;
  }
}

TEST(Nvrtc, OpeningTellsVersionAndArchitectures) {
  const auto nvrtc = open_nvrtc(OSDN_FAKE_NVRTC_12_4).value_or_throw();
  EXPECT_EQ(nvrtc->version, 12040);
  EXPECT_EQ(version_text(nvrtc->version), "12.4");
  EXPECT_EQ(nvrtc->archs, (std::vector<int>{80, 86, 90}));
  const auto no_nvrtc = open_nvrtc(OSDN_NULL_DRIVER);
  ASSERT_FALSE(no_nvrtc);
  EXPECT_NE(no_nvrtc.error().message.find("nvrtcVersion"), std::string::npos);
}

}  // namespace
}  // namespace osdn::runtime::testing
