// osdn pack and unpack: kernels made ahead of time serve where nothing can be compiled.
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "program.hpp"

namespace osdn::test {
namespace {

namespace fs = std::filesystem;

/// The golden case's problem, whose pass is one kernel, and with cuts four more.
const std::string deltanet = "osdn_forward:type=fp32,k=32,v=32,precondition=none";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string problem_of_deltanet() {
  return osdn({"verify", "--input", golden("deltanet"), "--device", "reference", "--json"})
      .json()["cases"][0]["problem"];
}

/// Nothing can be compiled, and the user's cache is empty.
Environment bare(const std::string& packs, const std::string& cache) {
  return {{"OSDN_PACKS", packs}, {"OSDN_CACHE_DIR", cache}, {"OSDN_NVRTC_LIBRARY", "/nowhere/libnvrtc.so"}};
}

TEST_F(Program, APackServesWithoutAnNvrtc) {
  const std::string pack = path("kernels.osdnpack");
  const Ran made = osdn({"pack", "--problem", problem_of_deltanet(), "--arch", "sm_80", "--output", pack, "--json"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_GE(made.json()["kernels"].get<int>(), 2);
  EXPECT_EQ(made.json()["configurations"], 2);  // the default, and with cuts

  const std::vector<std::string> verify = {"verify", "--device", "emulator", "--input", golden("deltanet"), "--json"};
  EXPECT_EQ(osdn(verify, bare("", path("cache"))).exit_code, 3);
  const Ran served = osdn(verify, bare(pack, path("cache")));
  ASSERT_EQ(served.exit_code, 0) << served.err;
  EXPECT_TRUE(served.json()["passed"].get<bool>());
  EXPECT_EQ(served.json()["cases"][0]["kernels"][0]["source"], "pack");
  EXPECT_EQ(served.json()["cache"]["misses"], 0);

  const Ran listed = osdn({"pack", "--list", pack, "--json"}, bare("", path("cache")));
  EXPECT_EQ(listed.exit_code, 0) << listed.err;
  EXPECT_EQ(listed.json()["items"].size(), 2U);
  EXPECT_EQ(listed.json()["items"][0]["why"], "default");
  EXPECT_EQ(listed.json()["items"][1]["why"], "cut");
  EXPECT_EQ(listed.json()["items"][1]["usable"], "yes");
}

TEST_F(Program, DoctorSaysWhatPacksServe) {
  const auto pack_for = [&](const std::string& name, const std::string& arch) {
    std::string pack = path(name);
    const Ran made = osdn({"pack", "--problem", problem_of_deltanet(), "--arch", arch, "--output", pack});
    EXPECT_EQ(made.exit_code, 0) << made.err;
    return pack;
  };
  const std::string own = pack_for("own", "sm_80");
  const std::string ptx = pack_for("ptx", "compute_80");
  const std::string newer = pack_for("newer", "sm_90");
  const std::string open = path("open");
  fs::copy_file(own, open);
  ::chmod(open.c_str(), 0666);
  const std::string damaged = path("damaged");
  std::string bytes = read(own);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(damaged, std::ios::binary) << bytes;

  const std::vector<std::string> all = {own, ptx, newer, open, damaged, path("none")};
  std::string variable;
  for (const std::string& file : all) variable += file + ":";
  const auto found = [](const Ran& ran) {
    std::vector<nlohmann::json> packs;
    const auto report = ran.json();
    for (const auto& finding : report["findings"]) {
      if (finding.contains("pack")) packs.push_back(finding);
    }
    return packs;
  };
  const Ran ran = osdn({"doctor", "--json"}, bare(variable, path("cache")));
  EXPECT_EQ(ran.exit_code, 0) << "what the pack holds runs here\n" << ran.out;
  const auto packs = found(ran);
  ASSERT_EQ(packs.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(packs[i]["pack"]["file"], all[i]);
    EXPECT_EQ(packs[i]["found"], i < 3) << packs[i];
  }
  const std::size_t kernels = packs[0]["pack"]["kernels"];
  EXPECT_GT(kernels, 1U);
  EXPECT_EQ(packs[0]["pack"]["archs"], nlohmann::json({{"sm_80", kernels}}));
  EXPECT_EQ(packs[0]["pack"]["own"], kernels);
  EXPECT_EQ(packs[0]["pack"]["serves"], true);
  EXPECT_EQ(packs[1]["pack"]["ptx"], kernels);
  EXPECT_EQ(packs[1]["pack"]["own"], 0);
  EXPECT_EQ(packs[1]["pack"]["serves"], true);
  EXPECT_EQ(packs[2]["pack"]["serves"], false);
  EXPECT_NE(packs[2]["detail"].get<std::string>().find("does not serve sm_80"), std::string::npos) << packs[2];
  EXPECT_NE(packs[3]["pack"]["refused"].get<std::string>().find("chmod go-w"), std::string::npos) << packs[3];
  EXPECT_NE(packs[3]["advice"].get<std::string>().find("nothing here compiles"), std::string::npos) << packs[3];
  EXPECT_EQ(packs[4]["pack"]["damaged"].size(), 1U) << packs[4];
  EXPECT_TRUE(packs[4]["pack"]["refused"].is_null());

  // The option goes before the variable; and nothing runs where no pack serves.
  const Ran asked = osdn({"doctor", "--pack", newer, "--json"}, bare(own, path("cache")));
  EXPECT_EQ(asked.exit_code, 3) << asked.out;
  ASSERT_EQ(found(asked).size(), 1U);
  EXPECT_EQ(found(asked)[0]["pack"]["file"], newer);
  // Nor does it have to be code for this very architecture.
  for (const std::string& pack : {own, ptx}) {
    Environment newer_device = bare(pack, path("cache"));
    newer_device["OSDN_EMULATOR_ARCH"] = "sm_86";
    const Ran related = osdn({"doctor"}, newer_device);
    EXPECT_EQ(related.exit_code, 0) << related.out;
    EXPECT_NE(related.out.find("serves sm_86"), std::string::npos) << related.out;
  }
  const Ran people = osdn({"doctor", "--pack", own}, bare("", path("cache")));
  EXPECT_NE(people.out.find("found    pack: " + own), std::string::npos) << people.out;
  EXPECT_NE(people.out.find("found    a case of the packs on the emulator"), std::string::npos) << people.out;
  EXPECT_NE(people.out.find("osdn runs here what its packs hold"), std::string::npos) << people.out;
}

TEST_F(Program, TheSameInputsGiveTheSamePack) {
  const std::vector<std::string> words = {"pack", "--problem", problem_of_deltanet(), "--arch", "sm_80", "--no-tuning"};
  const auto pack = [&](const std::string& to, const std::string& jobs, const Environment& environment) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--jobs", jobs, "--output", path(to)});
    EXPECT_EQ(osdn(all, environment).exit_code, 0);
    return read(path(to));
  };
  const std::string first = pack("a", "1", {});
  const std::string anew = pack("b", "2", {{"OSDN_CACHE_DIR", path("cache")}});
  EXPECT_FALSE(first.empty());
  EXPECT_TRUE(first == anew);
}

TEST_F(Program, APackIsUsableWhateverTheUmask) {
  const std::string pack = path("kernels.osdnpack");
  const mode_t mask = ::umask(0);  // the program inherits it: new files are for everyone to write
  const Ran made = osdn({"pack", "--problem", problem_of_deltanet(), "--arch", "sm_80", "--output", pack});
  ::umask(mask);
  ASSERT_EQ(made.exit_code, 0) << made.err;
  struct stat status = {};
  ASSERT_EQ(::stat(pack.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0644U);
  EXPECT_EQ(osdn({"pack", "--list", pack}).exit_code, 0);
}

TEST_F(Program, APackOfAnotherVersionIsListedAsSuch) {
  const std::string pack = path("kernels.osdnpack");
  ASSERT_EQ(osdn({"pack", "--problem", problem_of_deltanet(), "--arch", "sm_80", "--output", pack}).exit_code, 0);
  // As if this library wrote another kernel for the configuration that is named: the name is changed instead.
  std::string bytes = read(pack);
  const std::size_t at = bytes.rfind("chunk=");
  ASSERT_NE(at, std::string::npos);
  const Ran sound = osdn({"pack", "--list", pack});
  EXPECT_EQ(sound.exit_code, 0) << sound.out;
  bytes[at] = 'x';
  std::ofstream(pack, std::ios::binary) << bytes;
  const Ran damaged = osdn({"pack", "--list", pack});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_NE(damaged.out.find("manifest"), std::string::npos) << damaged.out;
}

TEST_F(Program, UnpackingFillsTheCachesOrAFolder) {
  const std::string pack = path("kernels.osdnpack");
  ASSERT_EQ(osdn({"pack", "--problem", problem_of_deltanet(), "--arch", "sm_80", "--output", pack}).exit_code, 0);
  const Environment environment = {{"OSDN_CACHE_DIR", path("cache")}};
  const Ran unpacked = osdn({"unpack", pack, "--json"}, environment);
  ASSERT_EQ(unpacked.exit_code, 0) << unpacked.err;
  const Ran verified = osdn({"verify", "--device", "emulator", "--input", golden("deltanet"), "--json"}, environment);
  EXPECT_EQ(verified.json()["cases"][0]["kernels"][0]["source"], "disk");
  ASSERT_EQ(osdn({"unpack", pack, "--output", path("files")}).exit_code, 0);
  std::size_t cubins = 0;
  for (const auto& file : fs::directory_iterator(path("files"))) cubins += file.path().extension() == ".cubin" ? 1 : 0;
  EXPECT_EQ(cubins, unpacked.json()["kernels"].get<std::size_t>());
  EXPECT_EQ(read(path("files/manifest.json")).substr(0, 1), "{");
}

TEST_F(Program, UnpackingSaysWhyItFailsAndLeavesNothingOfADamagedPack) {
  const std::string pack = path("kernels.osdnpack");
  ASSERT_EQ(osdn({"pack", "--problem", problem_of_deltanet(), "--arch", "sm_80", "--output", pack}).exit_code, 0);
  const Ran full = osdn({"unpack", pack, "--cache", path("full")}, {}, 1000);
  EXPECT_EQ(full.exit_code, 3);
  EXPECT_NE(full.err.find("kernels could not be written"), std::string::npos) << full.err;
  EXPECT_NE(full.err.find(std::strerror(EFBIG)), std::string::npos) << full.err;
  std::string bytes = read(pack);
  bytes[bytes.rfind("chunk=")] = 'x';  // in the manifest, behind all kernels
  std::ofstream(pack, std::ios::binary) << bytes;
  EXPECT_EQ(osdn({"unpack", pack, "--output", path("files")}).exit_code, 2);
  EXPECT_FALSE(fs::exists(path("files")));
}

TEST_F(Program, PacksThatCannotBeAreRefused) {
  const std::string out = path("kernels.osdnpack");
  const std::vector<std::string> right = {"--problem", deltanet, "--arch", "sm_80", "--output", out};
  const auto without = [&](std::size_t option, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"pack"};
    for (std::size_t i = 0; i < right.size(); i += 2) {
      if (i / 2 != option) words.insert(words.end(), {right[i], right[i + 1]});
    }
    words.insert(words.end(), more.begin(), more.end());
    return osdn(words).exit_code;
  };
  EXPECT_EQ(without(0), 2);
  EXPECT_EQ(without(1), 2);
  EXPECT_EQ(without(2), 2);
  EXPECT_EQ(without(0, {"--problem", "osdn_forward:k=17"}), 2);
  EXPECT_EQ(without(1, {"--arch", "sm_70"}), 2);
  EXPECT_EQ(without(3, {"--config", "chunk=48"}), 2);
  EXPECT_EQ(without(3, {"--no-tuning", "--tuning", path("none")}), 2);
  EXPECT_EQ(without(3, {"--tuning", path("none")}), 3);
  EXPECT_TRUE(files().empty());
  std::ofstream(out) << "no pack";
  EXPECT_EQ(osdn({"pack", "--list", out}).exit_code, 2);
  EXPECT_EQ(osdn({"unpack", out}).exit_code, 2);
  EXPECT_EQ(osdn({"unpack", path("none")}).exit_code, 3);
  ::chmod(out.c_str(), 0666);
  const Ran open = osdn({"pack", "--list", out});
  EXPECT_EQ(open.exit_code, 3);
  EXPECT_NE(open.err.find("chmod go-w"), std::string::npos) << open.err;
}

}  // namespace
}  // namespace osdn::test
