// A cache that fails costs time, never an answer: exit code 0 and one warning.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "program.hpp"

namespace osdn::test {
namespace {

namespace fs = std::filesystem;

/// One kernel, so that one warning is what a run gives.
const std::vector<std::string> verify_deltanet = {"verify", "--input", golden("deltanet"), "--json"};

std::size_t warnings(const Ran& ran) {
  std::size_t count = 0;
  for (std::size_t at = ran.err.find("warning"); at != std::string::npos; at = ran.err.find("warning", at + 1)) ++count;
  return count;
}

void expect_right_with_one_warning(const Ran& ran) {
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_TRUE(ran.json()["passed"].get<bool>());
  EXPECT_EQ(warnings(ran), 1U) << ran.err;
}

std::vector<fs::path> entries(const std::string& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".osdn") out.push_back(entry.path());
  }
  return out;
}

TEST_F(Program, TheSecondRunFindsWhatTheFirstCompiled) {
  const Environment environment = {{"OSDN_CACHE_DIR", path("cache")}};
  const auto first = osdn(verify_deltanet, environment).json();
  EXPECT_EQ(first["cache"]["misses"], 1);
  const Ran second = osdn(verify_deltanet, environment);
  EXPECT_EQ(second.json()["cache"]["misses"], 0);
  EXPECT_EQ(second.json()["cache"]["disk_hits"], 1);
  EXPECT_EQ(second.json()["cases"][0]["kernels"][0]["source"], "disk");
  EXPECT_EQ(second.json()["cases"][0]["tensors"], first["cases"][0]["tensors"]);
  EXPECT_EQ(warnings(second), 0U) << second.err;
  EXPECT_EQ(osdn({"cache", "stats", "--json"}, environment).json()["entries"], 1);

  const auto list = osdn({"cache", "show", "--json"}, environment).json()["entries"];
  ASSERT_EQ(list.size(), 1U);
  const std::string key = list[0]["key"];
  const auto entry = osdn({"cache", "show", key.substr(0, 6), "--json"}, environment).json();
  EXPECT_EQ(entry["entry"], "osdn_delta_rule");
  EXPECT_GT(entry["ptx_bytes"].get<int>(), 0);
  const Ran ptx = osdn({"cache", "show", key, "--print", "ptx"}, environment);
  EXPECT_NE(ptx.out.find(".entry osdn_delta_rule"), std::string::npos);
  EXPECT_EQ(osdn({"cache", "verify"}, environment).exit_code, 0);
  EXPECT_EQ(osdn({"cache", "clear", "--json"}, environment).exit_code, 0);
  EXPECT_EQ(osdn({"cache", "stats", "--json"}, environment).json()["entries"], 0);
  EXPECT_EQ(osdn({"cache", "show", "abc"}, environment).exit_code, 2);
}

TEST_F(Program, ADamagedEntryIsReplaced) {
  const Environment environment = {{"OSDN_CACHE_DIR", path("cache")}};
  osdn(verify_deltanet, environment);
  ASSERT_EQ(entries(path("cache")).size(), 1U);
  const fs::path entry = entries(path("cache"))[0];
  {
    std::fstream file(entry, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fs::file_size(entry) / 2));
    file.write("damaged", 7);
  }
  const Ran damaged = osdn({"cache", "verify", "--json"}, environment);
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_EQ(damaged.json()["damaged"].size(), 1U);
  expect_right_with_one_warning(osdn(verify_deltanet, environment));
  EXPECT_EQ(osdn({"cache", "verify"}, environment).exit_code, 0);

  fs::resize_file(entry, fs::file_size(entry) - 1);
  expect_right_with_one_warning(osdn(verify_deltanet, environment));
  fs::resize_file(entry, 0);
  expect_right_with_one_warning(osdn(verify_deltanet, environment));
}

TEST_F(Program, ACacheThatCannotBeADirectoryIsWarnedOf) {
  std::ofstream(path("file")) << "not a directory";
  expect_right_with_one_warning(osdn(verify_deltanet, {{"OSDN_CACHE_DIR", path("file")}}));
  expect_right_with_one_warning(osdn(verify_deltanet, {{"OSDN_CACHE_DIR", "/proc/osdn/cache"}}));
  EXPECT_EQ(osdn({"cache", "stats"}, {{"OSDN_CACHE_DIR", path("file")}}).exit_code, 3);
}

TEST_F(Program, ACacheThatOthersMayWriteIsNotUsed) {
  fs::create_directory(path("open"));
  ::chmod(path("open").c_str(), 0777);
  expect_right_with_one_warning(osdn(verify_deltanet, {{"OSDN_CACHE_DIR", path("open")}}));
  EXPECT_TRUE(fs::is_empty(path("open")));
}

TEST_F(Program, ACacheWithoutRoomIsWarnedOf) {
  // The entry is larger than a file may be.
  expect_right_with_one_warning(osdn(verify_deltanet, {{"OSDN_CACHE_DIR", path("cache")}}, 50'000));
  EXPECT_TRUE(entries(path("cache")).empty());
}

}  // namespace
}  // namespace osdn::test
