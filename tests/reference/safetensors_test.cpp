#include "reference/safetensors.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "reference/whole_file.hpp"

namespace osdn::safetensors {
namespace {

namespace fs = std::filesystem;

/// A folder of this test's own.
class SafetensorsFile : public testing::Test {
 protected:
  SafetensorsFile() {
    std::string name = (fs::temp_directory_path() / "osdn-safetensors-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~SafetensorsFile() override { fs::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
};

std::vector<std::byte> bytes_of(std::uint64_t length, const std::string& header, std::size_t data) {
  std::vector<std::byte> out;
  for (std::size_t i = 0; i < 8; ++i) out.push_back(static_cast<std::byte>(length >> (8 * i)));
  for (const char c : header) out.push_back(static_cast<std::byte>(c));
  out.resize(out.size() + data);
  return out;
}

expected<Header> parse(const std::string& header, std::size_t data) {
  const auto file = bytes_of(header.size(), header, data);
  return parse_header(file, file.size());
}

Tensor floats(const std::vector<float>& values) {
  Tensor tensor{DType::f32, {static_cast<std::int64_t>(values.size())}, {}};
  tensor.data.resize(values.size() * sizeof(float));
  std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

TEST(SafetensorsHeader, ReadsWhatTheFormatAllows) {
  const auto header = parse(
      R"({"__metadata__":{"op":"x"},"b":{"dtype":"F64","shape":[],"data_offsets":[6,14]},)"
      R"("a":{"shape":[3],"data_offsets":[0,6],"dtype":"BF16"},"e":{"dtype":"U8","shape":[0,7],"data_offsets":[6,6]}}  )",
      14);
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->metadata.at("op"), "x");
  EXPECT_EQ(header->tensors.at("a").dtype, DType::bf16);
  EXPECT_EQ(header->tensors.at("a").elements(), 3);
  EXPECT_EQ(header->tensors.at("b").begin, 6U);  // not aligned: the format does not ask for it
  EXPECT_EQ(header->tensors.at("b").elements(), 1);
  EXPECT_EQ(header->tensors.at("e").elements(), 0);
  EXPECT_TRUE(parse("{}", 0));
}

struct BadHeader {
  const char* name;
  std::string header;
  std::size_t data;
  const char* said;  ///< what the message must contain
};

class Corrupt : public testing::TestWithParam<BadHeader> {};

TEST_P(Corrupt, IsAnErrorThatSaysWhat) {
  const auto header = parse(GetParam().header, GetParam().data);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, ErrorCode::corrupt);
  EXPECT_NE(header.error().message.find(GetParam().said), std::string::npos) << header.error().message;
}

std::string one(const std::string& fields) {
  return "{\"a\":{" + fields + "}}";
}

INSTANTIATE_TEST_SUITE_P(
    Headers, Corrupt,
    testing::Values(
        BadHeader{"not_json", "{\"a\"", 0, "not JSON"}, BadHeader{"not_an_object", "[1]", 0, "begin with {"},
        BadHeader{"empty", "", 0, "begin with {"}, BadHeader{"trailing_text", "{} x", 0, "not JSON"},
        BadHeader{"bad_utf8", "{\"\xff\":1}", 0, "not JSON"},
        BadHeader{"unknown_type", one(R"("dtype":"F31","shape":[1],"data_offsets":[0,4])"), 4, "a.dtype is \"F31\""},
        BadHeader{"type_not_text", one(R"("dtype":4,"shape":[1],"data_offsets":[0,4])"), 4, "a.dtype is the number 4"},
        BadHeader{"shape_not_array", one(R"("dtype":"F32","shape":1,"data_offsets":[0,4])"), 4, "a.shape"},
        BadHeader{"negative_size", one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4, "negative number -1"},
        BadHeader{"fraction", one(R"("dtype":"F32","shape":[1.5],"data_offsets":[0,4])"), 4, "the number 1.5"},
        BadHeader{"beyond_64_bits", one(R"("dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4])"), 4,
                  "a.shape is the number"},
        BadHeader{"beyond_63_bits", one(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4])"), 4,
                  "63 bits"},
        BadHeader{"product_overflows", one(R"("dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4])"),
                  4, "63 bits"},
        BadHeader{"wrong_bytes", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), 4, "8 bytes for F32 [2]"},
        BadHeader{"beyond_the_file", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), 4, "truncated"},
        BadHeader{"backwards", one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), 4, "data_offsets is [4, 0]"},
        BadHeader{"three_offsets", one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])"), 4, "more than two"},
        BadHeader{"one_offset", one(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), 4, "has 1 numbers"},
        BadHeader{"missing_field", one(R"("dtype":"F32","shape":[1])"), 4, "a has no data_offsets"},
        BadHeader{"unknown_field", one(R"("dtype":"F32","shape":[1],"stride":[1])"), 4, "stride"},
        BadHeader{"field_twice", one(R"("dtype":"F32","dtype":"F32")"), 4, "a.dtype occurs twice"},
        BadHeader{
            "name_twice",
            R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
            2, "a occurs twice"},
        BadHeader{"metadata_twice", R"({"__metadata__":{},"__metadata__":{}})", 0, "__metadata__ occurs twice"},
        BadHeader{"metadata_key_twice", R"({"__metadata__":{"x":"1","x":"2"}})", 0, "__metadata__.x occurs twice"},
        BadHeader{"metadata_number", R"({"__metadata__":{"x":1}})", 0, "__metadata__.x is the number 1"},
        BadHeader{"tensor_not_object", R"({"a":[]})", 0, "a is an array"},
        BadHeader{
            "overlap",
            R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
            6, "overlaps a"},
        BadHeader{
            "gap",
            R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
            3, "gap after a"},
        BadHeader{"surplus", one(R"("dtype":"U8","shape":[1],"data_offsets":[0,1])"), 9, "9 bytes of data"},
        BadHeader{"depth_bomb", "{\"a\":" + std::string(1'000'000, '['), 0, "a is an array"},
        BadHeader{"object_bomb",
                  [] {
                    std::string text;
                    for (int i = 0; i < 100'000; ++i) text += "{\"a\":";
                    return text;
                  }(),
                  0, "a"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(SafetensorsHeader, ALengthThatCannotBeIsRefused) {
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{99'999'999}, ~std::uint64_t{0}}) {
    const auto file = bytes_of(length, "{}", 0);
    const auto header = parse_header(file, file.size());
    ASSERT_FALSE(header) << length;
    EXPECT_NE(header.error().message.find("header's length"), std::string::npos) << header.error().message;
  }
  EXPECT_FALSE(parse_header({}, 0));
}

TEST_F(SafetensorsFile, WhatIsWrittenIsRead) {
  const std::string name = path("x");
  const std::map<std::string, Tensor> tensors = {{"a", floats({1, 2, 3})}, {"b", {DType::u8, {0, 3}, {}}}};
  ASSERT_TRUE(write(name, {{"note", "é\n\""}}, tensors));
  EXPECT_EQ(files(), 1U);
  const auto reader = Reader::open(name);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(reader->header().metadata.at("note"), "é\n\"");
  EXPECT_EQ(reader->header().bytes % 8, 0U);
  const auto a = reader->load("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->data, tensors.at("a").data);
  EXPECT_EQ(reader->load("b")->shape, (std::vector<std::int64_t>{0, 3}));
  EXPECT_FALSE(reader->load("c"));
}

TEST_F(SafetensorsFile, EveryTruncationIsAnError) {
  ASSERT_TRUE(write(path("whole"), {{"k", "v"}}, {{"a", floats({1, 2, 3})}}));
  std::ifstream in(path("whole"), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  for (std::size_t length = 0; length < whole.size(); ++length) {
    std::ofstream(path("cut"), std::ios::binary) << whole.substr(0, length);
    const auto reader = Reader::open(path("cut"));
    ASSERT_FALSE(reader) << length;
    EXPECT_EQ(reader.error().message.rfind(path("cut"), 0), 0U) << reader.error().message;
  }
}

TEST_F(SafetensorsFile, WhatIsNotAFileIsRefused) {
  EXPECT_EQ(Reader::open(path("absent")).error().code, ErrorCode::io);
  EXPECT_EQ(Reader::open(folder_.string()).error().code, ErrorCode::io);
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(Reader::open(path("pipe")).error().code, ErrorCode::io);  // and does not hang
}

TEST_F(SafetensorsFile, AnOutputThatCannotBeIsRefusedAndLeavesNothing) {
  EXPECT_FALSE(write(path("no/folder"), {}, {}));
  EXPECT_FALSE(reference::check_writable(path("no/folder")));
  EXPECT_FALSE(write(folder_.string(), {}, {}));
  EXPECT_FALSE(write("/dev/null", {}, {}));
  EXPECT_FALSE(reference::check_writable("/dev/null"));
  EXPECT_TRUE(reference::check_writable(path("new")));
  EXPECT_EQ(files(), 0U);
  if (::geteuid() != 0) {
    ::chmod(folder_.c_str(), 0500);
    EXPECT_FALSE(write(path("new"), {}, {}));
    EXPECT_FALSE(reference::check_writable(path("new")));
    ::chmod(folder_.c_str(), 0700);
  }
}

TEST_F(SafetensorsFile, AFullDiskLeavesTheOldFileAndNoOther) {
  ASSERT_TRUE(write(path("x"), {{"version", "old"}}, {}));
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {4096, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const auto written = write(path("x"), {{"version", "new"}}, {{"a", floats(std::vector<float>(5000))}});
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::io);
  EXPECT_EQ(files(), 1U);
  EXPECT_EQ(Reader::open(path("x"))->header().metadata.at("version"), "old");
}

TEST_F(SafetensorsFile, ALinkIsWrittenThrough) {
  ASSERT_TRUE(write(path("target"), {{"version", "old"}}, {}));
  fs::create_symlink("target", folder_ / "link");
  ASSERT_TRUE(write(path("link"), {{"version", "new"}}, {}));
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(Reader::open(path("target"))->header().metadata.at("version"), "new");
}

TEST_F(SafetensorsFile, ANameAsLongAsCanBeIsWritten) {
  const std::string longest(255, 'n');
  ASSERT_TRUE(write(path(longest), {}, {}));
  EXPECT_EQ(files(), 1U);
}

TEST_F(SafetensorsFile, WhatAKilledProcessLeftIsNotInTheWay) {
  for (int i = 0; i < 200; ++i) {
    std::string name = path(".osdn-");
    name.append(std::to_string(::getpid())).append("-").append(std::to_string(i)).append(".tmp");
    std::ofstream(name) << "half";
  }
  ASSERT_TRUE(write(path("x"), {{"version", "new"}}, {}));
  EXPECT_EQ(Reader::open(path("x"))->header().metadata.at("version"), "new");
  EXPECT_EQ(files(), 201U);
}

TEST_F(SafetensorsFile, AWrongTensorIsNotWritten) {
  Tensor wrong = floats({1, 2});
  wrong.shape = {3};
  EXPECT_EQ(write(path("x"), {}, {{"a", wrong}}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(files(), 0U);
}

}  // namespace
}  // namespace osdn::safetensors
