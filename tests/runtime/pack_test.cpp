// Packs as files: what is written is read back, and whatever else lies there is refused.
#include "runtime/pack.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "runtime/length_prefixed.hpp"
#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

namespace fs = std::filesystem;

CompileInput input_of(const std::string& source) {
  CompileInput input;
  input.entry = "kernel";
  input.source = source;
  input.headers = {{"a.cuh", "struct A {};\n"}};
  input.options = {"--std=c++20"};
  input.arch = "sm_80";
  return input;
}

std::string entry_of(const std::string& source, int nvrtc = 13000) {
  CompiledKernel kernel;
  kernel.ptx = "// PTX of " + source;
  kernel.cubin = "code of " + source;
  kernel.arch = "sm_80";
  kernel.nvrtc_version = nvrtc;
  return encode_entry(cache_record(input_of(source), nvrtc), "kernel", kernel);
}

std::string kernel_of(const std::string& source) {
  return std::string(kernel_record(cache_record(input_of(source), 0)));
}

PackContents some_contents() {
  return {{entry_of("one"), entry_of("two"), entry_of("three", 12090)}, "{\"manifest\":1}", "{\"tuning\":1}\n"};
}

std::string some_pack() {
  return encode_pack(some_contents()).value_or_throw();
}

/// What can be read of a pack without a complaint: 3 kernels, a manifest and tuning entries make 5.
int sound_parts(const std::string& bytes) {
  const auto pack = Pack::of_bytes(bytes, "the pack");
  if (!pack) {
    EXPECT_EQ(pack.error().code, ErrorCode::corrupt) << pack.error().message;
    return 0;
  }
  int sound = 0;
  for (const char* source : {"one", "two", "three"}) {
    const auto found = (*pack)->find(kernel_of(source));
    if (!found || !*found) continue;
    EXPECT_EQ((*found)->kernel.cubin, std::string("code of ") + source);
    ++sound;
  }
  if (const auto text = (*pack)->manifest()) sound += *text == some_contents().manifest ? 1 : 0;
  if (const auto text = (*pack)->tuning()) sound += *text == some_contents().tuning ? 1 : 0;
  return sound;
}

TEST(Pack, GivesBackWhatWasPutIn) {
  const TemporaryDirectory home;
  write_all(home / "kernels.osdnpack", some_pack());
  const auto pack = Pack::open(home / "kernels.osdnpack").value_or_throw();
  EXPECT_EQ(pack->size(), 3U);
  EXPECT_EQ(pack->bytes(), some_pack().size());
  const auto three = pack->find(kernel_of("three")).value_or_throw();
  ASSERT_TRUE(three);
  EXPECT_EQ(three->kernel.ptx, "// PTX of three");
  EXPECT_EQ(three->kernel.nvrtc_version, 12090);
  EXPECT_FALSE(pack->find(kernel_of("four")).value_or_throw());
  EXPECT_EQ(pack->manifest().value_or_throw(), "{\"manifest\":1}");
  EXPECT_EQ(pack->tuning().value_or_throw(), "{\"tuning\":1}\n");
  for (std::size_t i = 0; i < pack->size(); ++i) {
    EXPECT_EQ(cache_key(kernel_record(pack->entry(i).value_or_throw().record)), pack->key(i));
  }
}

TEST(Pack, TheOrderOfItsContentsDoesNotMatter) {
  PackContents other = some_contents();
  std::swap(other.entries[0], other.entries[2]);
  EXPECT_EQ(encode_pack(other).value_or_throw(), some_pack());
}

TEST(Pack, OneKernelTwiceIsRefusedAlsoOfTwoCompilers) {
  PackContents twice = some_contents();
  twice.entries.push_back(entry_of("two", 12040));
  const auto pack = encode_pack(twice);
  ASSERT_FALSE(pack);
  EXPECT_EQ(pack.error().code, ErrorCode::invalid_argument);
}

/// At each limit a pack is written and read; beyond it neither.
TEST(Pack, WhatIsBeyondALimitIsNeitherWrittenNorRead) {
  std::size_t largest = 0;
  for (const std::string& entry : some_contents().entries) largest = std::max(largest, entry.size());
  PackContents contents = some_contents();
  contents.tuning = contents.manifest + "\n";  // each section is once the larger one
  const auto check = [](const PackContents& some, const PackLimits& at, const PackLimits& below, const char* what) {
    const std::string bytes = encode_pack(some, at).value_or_throw();
    EXPECT_TRUE(Pack::of_bytes(bytes, "at", at)) << what;
    const auto written = encode_pack(some, below);
    ASSERT_FALSE(written) << what;
    EXPECT_EQ(written.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(written.error().message.find(what), std::string::npos) << written.error().message;
    const auto read = Pack::of_bytes(bytes, "beyond", below);
    ASSERT_FALSE(read) << what;
    EXPECT_EQ(read.error().code, ErrorCode::corrupt);
  };
  check(contents, {.kernels = 3}, {.kernels = 2}, "3 kernels; allowed: at most 2");
  check(contents, {.entry_bytes = largest}, {.entry_bytes = largest - 1}, "a kernel of");
  check(contents, {.section_bytes = 15}, {.section_bytes = 14}, "tuning entries of 15 bytes");
  contents.tuning.clear();
  check(contents, {.section_bytes = 14}, {.section_bytes = 13}, "a manifest of 14 bytes");
}

TEST(Pack, AnEmptyOneIsSound) {
  const auto pack = Pack::of_bytes(encode_pack({}).value_or_throw(), "empty").value_or_throw();
  EXPECT_EQ(pack->size(), 0U);
  EXPECT_FALSE(pack->find(kernel_of("one")).value_or_throw());
}

TEST(Pack, EveryTruncationIsSeenWhenItIsOpened) {
  const std::string bytes = some_pack();
  ASSERT_EQ(sound_parts(bytes), 5);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(Pack::of_bytes(bytes.substr(0, length), "the pack")) << length;
  }
  EXPECT_FALSE(Pack::of_bytes(bytes + "x", "the pack"));
}

TEST(Pack, EveryFlippedBitIsSeenByWhoeverReadsIt) {
  const std::string bytes = some_pack();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    // In the index nothing is left; elsewhere exactly the part that holds it is missing.
    const int sound = sound_parts(flipped);
    EXPECT_TRUE(sound == 0 || sound == 4) << at << ": " << sound;
  }
}

/// A pack whose index was made by somebody who can compute hashes.
std::string forged(std::uint64_t count, std::uint64_t entry_length, std::uint64_t manifest_length,
                   const std::string& body, std::uint64_t rows = 1, std::uint64_t index_length = 0) {
  std::string index;
  for (const std::uint64_t length : {manifest_length, std::uint64_t{0}}) {
    append_number(index, length);
    append_number(index, 0);
    append_number(index, 0);
  }
  append_number(index, count);
  for (std::uint64_t i = 0; i < rows; ++i) {
    append_number(index, i);
    append_number(index, 0);
    append_number(index, entry_length);
  }
  std::string bytes = "osdnp1\r\n";
  const CacheKey hash = cache_key(index);
  append_number(bytes, hash.high);
  append_number(bytes, hash.low);
  append_number(bytes, index_length != 0 ? index_length : index.size());
  return bytes + index + body;
}

TEST(Pack, ForgedIndexesAreRefused) {
  const std::uint64_t huge = ~std::uint64_t{0};
  ASSERT_TRUE(Pack::of_bytes(forged(1, 4, 2, "coded{"), "sound")) << "the forger's baseline";
  struct Case {
    const char* what;
    std::string bytes;
  };
  for (const Case& one :
       {Case{"count", forged(huge, 4, 2, "coded{")}, Case{"count + 1", forged(2, 4, 2, "coded{")},
        Case{"count - 1", forged(0, 4, 2, "coded{")}, Case{"entry", forged(1, huge, 2, "coded{")},
        Case{"entry + 1", forged(1, 5, 2, "coded{")}, Case{"section", forged(1, 4, huge, "coded{")},
        Case{"wrap", forged(2, huge / 2 + 4, 2, "coded{", 2)}, Case{"sum wraps", forged(1, 4, huge - 3, "coded{")},
        Case{"index", forged(1, 4, 2, "coded{", 1, huge)}, Case{"rows", forged(3, 1, 2, "coded{", 2)}}) {
    const auto pack = Pack::of_bytes(one.bytes, "the pack");
    ASSERT_FALSE(pack) << one.what;
    EXPECT_EQ(pack.error().code, ErrorCode::corrupt) << one.what;
  }
}

TEST(Pack, AnEntryUnderAnothersKeyIsRefused) {
  // Sound by every hash, but the code of one kernel lies where the other is looked for.
  std::string bytes = some_pack();
  PackContents only_one{{entry_of("one")}, "", ""};
  std::string pack = encode_pack(only_one).value_or_throw();
  const std::string replacement = entry_of("two");
  ASSERT_EQ(replacement.size(), entry_of("one").size());
  pack.replace(pack.size() - replacement.size(), replacement.size(), replacement);
  const auto opened = Pack::of_bytes(pack, "the pack").value_or_throw();
  const auto found = opened->find(kernel_of("one"));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::corrupt);
}

TEST(Pack, NoiseIsRefused) {
  const std::uint64_t seed = std::random_device{}();
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (i % 2 == 0) bytes.insert(0, "osdnp1\r\n");
    EXPECT_FALSE(Pack::of_bytes(bytes, "noise")) << seed;
  }
}

TEST(Pack, AFileThatOthersCanWriteIsRefused) {
  const TemporaryDirectory home;
  const std::string file = home / "a.osdnpack";
  write_all(file, some_pack());
  for (const mode_t mode : {0666, 0664, 0602}) {
    ::chmod(file.c_str(), mode);
    const auto pack = Pack::open(file);
    ASSERT_FALSE(pack) << mode;
    EXPECT_NE(pack.error().message.find("chmod go-w"), std::string::npos) << pack.error().message;
  }
  ::chmod(file.c_str(), 0444);
  EXPECT_TRUE(Pack::open(file));
  fs::create_directory(home / "open");
  fs::rename(file, home / "open/a.osdnpack");
  ::chmod((home / "open").c_str(), 0777);
  EXPECT_FALSE(Pack::open(home / "open/a.osdnpack"));
}

TEST(Pack, WhatALinkLeadsToIsWhatIsChecked) {
  const TemporaryDirectory home;
  fs::create_directory(home / "open");
  write_all(home / "good.osdnpack", some_pack());
  fs::create_symlink("good.osdnpack", home / "link.osdnpack");
  EXPECT_TRUE(Pack::open(home / "link.osdnpack"));
  write_all(home / "open/bad.osdnpack", some_pack());
  ::chmod((home / "open").c_str(), 0777);
  fs::create_symlink("open/bad.osdnpack", home / "way.osdnpack");
  EXPECT_FALSE(Pack::open(home / "way.osdnpack"));
  fs::create_symlink("loop", home / "loop");
  EXPECT_FALSE(Pack::open(home / "loop"));
  EXPECT_FALSE(Pack::open(home / "nowhere"));
}

TEST(Pack, ADirectoryAPipeAndADeviceAreRefused) {
  const TemporaryDirectory home;
  ASSERT_EQ(::mkfifo((home / "pipe").c_str(), 0600), 0);
  for (const std::string& path : {home.path().string(), home / "pipe", std::string("/dev/zero")}) {
    const auto pack = Pack::open(path);
    ASSERT_FALSE(pack) << path;
    EXPECT_EQ(pack.error().code, ErrorCode::io);
  }
}

TEST(Pack, OneThatIsReplacedWhileOpenStaysWhatItWas) {
  const TemporaryDirectory home;
  const std::string file = home / "a.osdnpack";
  write_all(file, some_pack());
  const auto pack = Pack::open(file).value_or_throw();
  write_all(home / "b.osdnpack", encode_pack({}).value_or_throw());
  fs::rename(home / "b.osdnpack", file);
  EXPECT_TRUE(pack->find(kernel_of("one")).value_or_throw());
}

TEST(Pack, OneThatIsCutOffWhileOpenIsDamageAndNoCrash) {
  const TemporaryDirectory home;
  const std::string file = home / "a.osdnpack";
  write_all(file, some_pack());
  const auto pack = Pack::open(file).value_or_throw();
  ASSERT_EQ(::truncate(file.c_str(), 100), 0);
  const auto found = pack->find(kernel_of("one"));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::corrupt);
  EXPECT_NE(found.error().message.find("shorter"), std::string::npos);
  EXPECT_FALSE(pack->manifest());
}

}  // namespace
}  // namespace osdn::runtime::testing
