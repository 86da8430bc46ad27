// What packs say beside their code: tunings, and manifests that nobody has to believe.
#include <fstream>

#include "program.hpp"
#include "runtime/pack.hpp"

namespace osdn::test {
namespace {

const std::string problem = "osdn_forward:type=fp32,k=32,v=32,precondition=none";

/// Nothing can be compiled, the user's cache is empty and cannot be written, and so is the tuning database.
Environment bare(const std::string& packs, const std::string& empty) {
  return {{"OSDN_PACKS", packs},
          {"OSDN_CACHE_DIR", "/proc/osdn"},
          {"OSDN_TUNING_DIR", empty},
          {"OSDN_NVRTC_LIBRARY", "/nowhere/libnvrtc.so"}};
}

TEST_F(Program, WhatIsPinnedTravelsInThePackWithItsCode) {
  const Environment here = {{"OSDN_TUNING_DIR", path("tuning")}};
  const std::vector<std::string> situation = {"--problem",         problem,    "--shape",
                                              "b=1,t=64,h=2,hv=2", "--device", "emulator"};
  const auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), situation.begin(), situation.end());
    return words;
  };
  const Ran pinned = osdn(with({"db", "pin", "--config", "chunk=16,warps=1", "--json"}), here);
  ASSERT_EQ(pinned.exit_code, 0) << pinned.err;
  const std::string config = pinned.json()["config"];
  const std::string pack = path("kernels.osdnpack");
  ASSERT_EQ(osdn({"pack", "--problem", problem, "--arch", "sm_80", "--output", pack}, here).exit_code, 0);

  const std::vector<std::string> explain = with({"db", "explain", "--json"});
  EXPECT_EQ(osdn(explain, bare("", path("empty"))).json()["source"], "heuristic");
  const Ran explained = osdn(explain, bare(pack, path("empty")));
  ASSERT_EQ(explained.exit_code, 0) << explained.err;
  EXPECT_EQ(explained.json()["source"], "shipped") << explained.out;
  EXPECT_EQ(explained.json()["config"], config);
  EXPECT_NE(explained.json()["explanation"].get<std::string>().find(pack), std::string::npos) << explained.out;

  // And this very configuration's kernels are in it.
  const Ran served = osdn({"verify", "--problem", problem, "--shape", "b=1,t=64,h=2,hv=2", "--device", "emulator",
                           "--config", config, "--json"},
                          bare(pack, path("empty")));
  ASSERT_EQ(served.exit_code, 0) << served.err;
  EXPECT_EQ(served.json()["cases"][0]["kernels"][0]["source"], "pack");
  EXPECT_EQ(served.json()["cases"][0]["config"], config);
}

TEST_F(Program, AManifestThatIsNoneIsSaidAndHarmsNobody) {
  const std::string item = R"({"problem":"osdn_forward:k=32,v=32","arch":"sm_80","config":"","why":"","kernels":[]})";
  const auto around = [](const std::string& items) { return R"({"version":"1","items":)" + items + "}"; };
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = item;
    return around("[" + text.replace(text.find(from), from.size(), to) + "]");
  };
  const std::string deep(1'000'000, '[');
  std::string members;
  for (int i = 0; i < 300'000; ++i) members += "{\"items\":";
  const std::vector<std::string> texts = {
      "",
      "no JSON",
      "[]",
      "null",
      "{}",
      R"({"version":1,"items":[]})",
      R"({"version":"1","items":{}})",
      R"({"version":"1","items":[1]})",
      deep,
      deep + std::string(1'000'000, ']'),
      members,
      around(deep + std::string(1'000'000, ']')),
      changed("[]", deep + std::string(1'000'000, ']')),
      changed("k=32", "k=-1"),
      changed("k=32", "k=99999999999999999999"),
      changed("k=32", "no=field"),
      changed("sm_80", "sm_"),
      changed("sm_80", "sm_99999999999999999999"),
      changed("\"config\":\"\"", "\"config\":\"chunk=\""),
      changed("\"config\":\"\"", "\"config\":\"chunk=48\""),
      changed("\"config\":\"\"", "\"config\":[]"),
      changed("[]", "[1]"),
      changed("[]", "\"x\""),
      "{\"version\":\"\xff\",\"items\":[]}",
  };
  const std::string pack = path("kernels.osdnpack");
  for (const std::string& text : texts) {
    std::ofstream(pack, std::ios::binary) << runtime::encode_pack({{}, text, ""}).value_or_throw();
    const Ran listed = osdn({"pack", "--list", pack, "--json"});
    EXPECT_EQ(listed.exit_code, 1) << text.substr(0, 200) << "\n" << listed.err;
    const auto said = listed.json();
    EXPECT_TRUE(!said["problems"].empty() || said["items"][0]["usable"] != "yes") << listed.out;
    EXPECT_EQ(osdn({"pack", "--list", pack}).exit_code, 1);
  }
  // The baseline of them all.
  std::ofstream(pack, std::ios::binary) << runtime::encode_pack({{}, around("[]"), ""}).value_or_throw();
  EXPECT_EQ(osdn({"pack", "--list", pack}).exit_code, 0);
}

TEST_F(Program, TuningEntriesThatAreNoneAreSaidAndHarmNobody) {
  const std::string pack = path("kernels.osdnpack");
  const std::string deep(1'000'000, '[');
  for (const std::string& text : {std::string("x"), std::string("\0\0", 2), deep,
                                  "{\"checksum\":\"0\",\"a\":" + deep + "\n", std::string("\n")}) {
    std::ofstream(pack, std::ios::binary)
        << runtime::encode_pack({{}, R"({"version":"1","items":[]})", text}).value_or_throw();
    const Ran listed = osdn({"pack", "--list", pack, "--json"});
    EXPECT_EQ(listed.exit_code, 1) << text.substr(0, 100);
    EXPECT_EQ(listed.json()["problems"].size(), 1U) << listed.out;
    const Ran explained = osdn({"db", "explain", "--problem", problem, "--shape", "b=1,t=64,h=2,hv=2", "--device",
                                "emulator", "--directory", path("empty"), "--json"},
                               {{"OSDN_PACKS", pack}});
    EXPECT_EQ(explained.exit_code, 0) << explained.err;
    EXPECT_NE(explained.err.find(pack), std::string::npos) << explained.err;
  }
}

}  // namespace
}  // namespace osdn::test
