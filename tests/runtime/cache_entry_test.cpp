// Keys and bytes of compile cache entries.
#include "runtime/cache_entry.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>

#include "runtime/length_prefixed.hpp"

namespace osdn::runtime::testing {
namespace {

CompileInput some_input() {
  CompileInput input;
  input.entry = "kernel";
  input.source = "#include \"a.cuh\"\nextern \"C\" __global__ void kernel() {}\n";
  input.headers = {{"a.cuh", "struct A {};\n"}, {"b.cuh", ""}};
  input.options = {"--std=c++20", "-default-device"};
  input.arch = "sm_80";
  return input;
}

CompiledKernel some_kernel() {
  CompiledKernel kernel;
  kernel.ptx = std::string("// PTX\0 with a zero", 19);
  kernel.cubin = std::string(
      "\x7f"
      "ELF\0\1\2\3",
      8);
  kernel.arch = "sm_80";
  kernel.log = "a log with \"quotes\", a line\nand a byte that is no UTF-8: \xff";
  kernel.resources = {128, 16, 24, 32, 1024};
  kernel.compile_ms = 12.5;
  kernel.nvrtc_version = 13000;
  return kernel;
}

TEST(CacheKey, IsTheSameForeverForTheSameInput) {
  // Golden: a change of this value makes every user's cache cold, and must come with a new schema.
  EXPECT_EQ(cache_key(cache_record(some_input(), 13000)).hex(), "6833dbbba8d78b2144fbe171889cb8a9");
}

TEST(CacheKey, DependsOnEverythingThatTheResultDependsOn) {
  std::set<std::string> keys{cache_key(cache_record(some_input(), 13000)).hex()};
  const auto differs = [&](const std::function<void(CompileInput&)>& change, int version = 13000) {
    CompileInput input = some_input();
    change(input);
    return keys.insert(cache_key(cache_record(input, version)).hex()).second;
  };
  EXPECT_TRUE(differs([](CompileInput& i) { i.source += " "; }));
  EXPECT_TRUE(differs([](CompileInput& i) { i.headers[0].text = "struct B {};\n"; }));
  EXPECT_TRUE(differs([](CompileInput& i) { i.headers[1].name = "c.cuh"; }));
  EXPECT_TRUE(differs([](CompileInput& i) { i.headers.pop_back(); }));
  EXPECT_TRUE(differs([](CompileInput& i) { i.options.emplace_back("--fmad=false"); }));
  EXPECT_TRUE(differs([](CompileInput& i) { i.arch = "sm_86"; }));
  EXPECT_TRUE(differs([](CompileInput& i) { i.arch = "compute_80"; }));
  EXPECT_TRUE(differs([](CompileInput&) {}, 13010));
  // Text that moves from one field to the next is another record: every field carries its length.
  EXPECT_TRUE(differs([](CompileInput& i) {
    i.headers[0].name = "a.cuhs";
    i.headers[0].text = "truct A {};\n";
  }));
}

TEST(CacheKey, DoesNotDependOnTheOrderOfOptionsNorOnTheEntrysName) {
  CompileInput input = some_input();
  std::swap(input.options[0], input.options[1]);
  input.entry = "other";
  EXPECT_EQ(cache_record(input, 13000), cache_record(some_input(), 13000));
}

TEST(CacheRecord, TellsItsFields) {
  const RecordFields fields = parse_record(cache_record(some_input(), 12040)).value_or_throw();
  EXPECT_EQ(fields.source, some_input().source);
  ASSERT_EQ(fields.headers.size(), 2U);
  EXPECT_EQ(fields.headers[0].first, "a.cuh");
  EXPECT_EQ(fields.headers[0].second, "struct A {};\n");
  EXPECT_EQ(fields.options, (std::vector<std::string>{"--std=c++20", "-default-device"}));
  EXPECT_EQ(fields.arch, "sm_80");
  EXPECT_EQ(fields.nvrtc_version, 12040);
}

TEST(CacheRecord, ATornRecordIsRefusedWhereverItIsTorn) {
  const std::string record = cache_record(some_input(), 12040);
  for (std::size_t length = 0; length < record.size(); ++length) {
    EXPECT_FALSE(parse_record(std::string_view(record).substr(0, length))) << length;
  }
  EXPECT_FALSE(parse_record(record + "x"));
}

TEST(CacheEntry, RoundTrips) {
  const std::string record = cache_record(some_input(), 13000);
  const CompiledKernel kernel = some_kernel();
  const CacheEntry entry = decode_entry(encode_entry(record, "kernel", kernel)).value_or_throw();
  EXPECT_EQ(entry.record, record);
  EXPECT_EQ(entry.entry, "kernel");
  EXPECT_EQ(entry.kernel.ptx, kernel.ptx);
  EXPECT_EQ(entry.kernel.cubin, kernel.cubin);
  EXPECT_EQ(entry.kernel.arch, kernel.arch);
  EXPECT_EQ(entry.kernel.resources, kernel.resources);
  EXPECT_EQ(entry.kernel.compile_ms, kernel.compile_ms);
  EXPECT_EQ(entry.kernel.nvrtc_version, kernel.nvrtc_version);
  EXPECT_NE(entry.kernel.log.find("no UTF-8"), std::string::npos);
}

/// An entry as a forger writes it: one number of its description is another, the checksum is right.
std::string forged(const std::string& field, const std::string& value) {
  const std::string whole = encode_entry(cache_record(some_input(), 13000), "kernel", some_kernel());
  constexpr std::size_t header_bytes = 32;
  FieldReader fields(std::string_view(whole).substr(header_bytes));
  std::string body;
  for (int i = 0; i < 3; ++i) append_text(body, fields.field().value());
  std::string description(fields.field().value());
  const std::size_t at = description.find("\"" + field + "\":") + field.size() + 3;
  description.replace(at, description.find_first_of(",}", at) - at, value);
  append_text(body, description);
  std::string out = whole.substr(0, 8);
  append_number(out, cache_key(body).low);
  append_number(out, cache_key(body).high);
  append_number(out, body.size());
  return out + body;
}

TEST(CacheEntry, NumbersThatNoDeviceHasAreRefused) {
  EXPECT_EQ(decode_entry(forged("registers", "255")).value_or_throw().kernel.resources.registers, 255);
  for (const char* field :
       {"nvrtc_version", "registers", "spill_store_bytes", "spill_load_bytes", "stack_bytes", "static_shared_bytes"}) {
    EXPECT_TRUE(decode_entry(forged(field, "0"))) << field;
    for (const char* value : {"-1", "1e300", "16.5", "4294967296", "18446744073709551615", "null", "\"128\""}) {
      const auto entry = decode_entry(forged(field, value));
      ASSERT_FALSE(entry) << field << " " << value;
      EXPECT_EQ(entry.error().code, ErrorCode::corrupt);
    }
  }
  EXPECT_FALSE(decode_entry(forged("compile_ms", "null")));
}

TEST(CacheRecord, AVersionThatNoCompilerHasIsRefused) {
  std::string record = cache_record(some_input(), 13000);
  ASSERT_TRUE(parse_record(record));
  record.back() = '\x01';
  EXPECT_FALSE(parse_record(record));
}

TEST(CacheEntry, EveryTruncationIsSeen) {
  const std::string bytes = encode_entry(cache_record(some_input(), 13000), "kernel", some_kernel());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto entry = decode_entry(std::string_view(bytes).substr(0, length));
    ASSERT_FALSE(entry) << length;
    EXPECT_EQ(entry.error().code, ErrorCode::corrupt);
  }
  EXPECT_FALSE(decode_entry(bytes + '\0'));
}

TEST(CacheEntry, EveryFlippedBitIsSeen) {
  const std::string bytes = encode_entry(cache_record(some_input(), 13000), "kernel", some_kernel());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      ASSERT_FALSE(decode_entry(damaged)) << "byte " << at << " bit " << bit;
    }
  }
}

TEST(CacheEntry, NoiseIsRefused) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string noise(random() % 200, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    EXPECT_FALSE(decode_entry(noise));
    EXPECT_FALSE(parse_record(noise));
  }
}

}  // namespace
}  // namespace osdn::runtime::testing
