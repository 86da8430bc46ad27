// Case files that cannot be: named by field, exit code 2, nothing written, no crash.
#include <cstring>
#include <fstream>
#include <functional>

#include "program.hpp"
#include "reference/safetensors.hpp"
#include "reference/tensor.hpp"

namespace osdn::test {
namespace {

using safetensors::DType;
using safetensors::Tensor;

/// The content of a case that a test may bend.
struct Content {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;
};

Content content_of(const std::string& file) {
  const auto reader = safetensors::Reader::open(file).value_or_throw();
  Content content{reader.header().metadata, {}};
  for (const auto& [name, info] : reader.header().tensors) content.tensors[name] = reader.load(name).value_or_throw();
  return content;
}

Tensor zeros(DType dtype, std::vector<std::int64_t> shape) {
  Tensor tensor{dtype, std::move(shape), {}};
  tensor.data.resize(static_cast<std::size_t>(tensor.elements()) * size_of(dtype));
  return tensor;
}

std::string bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Both verbs refuse the file and name what is wrong; run leaves nothing.
void expect_refused(const std::string& file, const std::string& output, const std::string& said) {
  for (const bool json : {false, true}) {
    std::vector<std::string> arguments = {"run", "--input", file, "--output", output};
    if (json) arguments.emplace_back("--json");
    const Ran ran = osdn(arguments);
    EXPECT_EQ(ran.exit_code, 2) << ran.err;
    EXPECT_NE(ran.err.find(said), std::string::npos) << ran.err;
    EXPECT_NE(ran.err.find(file), std::string::npos) << ran.err;
    EXPECT_NE(ran.err.find("allowed"), std::string::npos) << ran.err;
  }
  const Ran verified = osdn({"verify", "--input", file});
  EXPECT_EQ(verified.exit_code, 2) << verified.err;
  EXPECT_NE(verified.err.find(said), std::string::npos) << verified.err;
  EXPECT_FALSE(std::filesystem::exists(output));
}

struct Bent {
  const char* name;
  const char* base;
  std::function<void(Content&)> bend;
  const char* said;
};

class BadCase : public Program, public testing::WithParamInterface<Bent> {};

TEST_P(BadCase, IsRefusedByName) {
  Content content = content_of(golden(GetParam().base));
  GetParam().bend(content);
  ASSERT_TRUE(safetensors::write(path("bent"), content.metadata, content.tensors));
  expect_refused(path("bent"), path("out"), GetParam().said);
  EXPECT_EQ(files(), std::vector<std::string>{"bent"});
}

INSTANTIATE_TEST_SUITE_P(
    Files, BadCase,
    testing::Values(
        Bent{"wrong_dtype", "osdn_single_token",
             [](Content& c) { c.tensors["k"] = zeros(DType::f16, c.tensors["k"].shape); }, "k has the type F16"},
        Bent{"wrong_dtype_of_all", "osdn_single_token",
             [](Content& c) { c.tensors["q"] = zeros(DType::f64, c.tensors["q"].shape); }, "q has the type F64"},
        Bent{"wrong_shape", "osdn_single_token",
             [](Content& c) {
               c.tensors["initial_state"].shape = {2, 3, 128, 128};
             },
             "initial_state has the shape [2, 3, 128, 128]"},
        Bent{"nan", "osdn_single_token", [](Content& c) { std::memset(c.tensors["v"].data.data() + 8, 0xFF, 4); },
             "v, element 2"},
        Bent{"k_100", "osdn_single_token",
             [](Content& c) {
               for (const char* name : {"q", "k"}) c.tensors[name] = zeros(DType::f32, {3, 1, 2, 100});
               c.tensors["initial_state"] = zeros(DType::f32, {3, 2, 100, 128});
               c.tensors["initial_d"] = zeros(DType::f32, {3, 2, 100});
             },
             "k was '100'"},
        Bent{"heads", "osdn_gva_bf16",
             [](Content& c) {
               for (const char* name : {"q", "k"}) c.tensors[name] = zeros(DType::bf16, {1, 128, 2, 128});
             },
             "v has 3 heads"},
        Bent{"decreasing", "osdn_varlen",
             [](Content& c) {
               c.tensors["cu_seqlens"] = reference::to_tensor(std::vector<std::int64_t>{0, 90, 60, 120, 150, 200}, {6});
             },
             "cu_seqlens[2] is 60"},
        Bent{"not_to_the_end", "osdn_varlen",
             [](Content& c) {
               c.tensors["cu_seqlens"] = reference::to_tensor(std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}, {6});
             },
             "cu_seqlens[5] is 5"},
        Bent{"missing_tensor", "osdn_single_token", [](Content& c) { c.tensors.erase("beta"); }, "beta"},
        Bent{"missing_field", "osdn_single_token", [](Content& c) { c.metadata["d_max"] = "low"; }, "d_max is \"low\""},
        Bent{"bounds", "osdn_single_token", [](Content& c) { c.metadata["d_min"] = "3"; }, "d_max"},
        Bent{"positive_log_gamma", "osdn_apf_per_head",
             [](Content& c) { std::memset(c.tensors["log_gamma"].data.data(), 0x3F, 4); }, "log_gamma, element 0"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(Program, ATruncatedCaseIsRefusedWhereverItEnds) {
  const std::string whole = bytes_of(golden("osdn_single_token"));
  for (const std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{100}, std::size_t{927},
                                   std::size_t{928}, std::size_t{5000}, whole.size() - 1}) {
    std::ofstream(path("cut"), std::ios::binary) << whole.substr(0, length);
    expect_refused(path("cut"), path("out"), path("cut") + ": ");
  }
}

TEST_F(Program, AHugeHeaderIsRefused) {
  std::string whole = bytes_of(golden("osdn_single_token"));
  for (const char top : {'\x01', '\x7F', '\xFF'}) {
    whole[7] = top;  // the length's most significant byte
    std::ofstream(path("huge"), std::ios::binary) << whole;
    expect_refused(path("huge"), path("out"), "header's length");
  }
}

TEST_F(Program, OverlappingOffsetsAreRefused) {
  std::string whole = bytes_of(golden("osdn_single_token"));
  const std::size_t at = whole.find("[3072,");
  const std::size_t spaced = whole.find("[3072, ");
  ASSERT_NE(std::min(at, spaced), std::string::npos);
  // k begins where q does; the header keeps its length.
  whole.replace(std::min(at, spaced), 5, "[   0");
  std::ofstream(path("overlap"), std::ios::binary) << whole;
  expect_refused(path("overlap"), path("out"), "data_offsets");
}

TEST_F(Program, NestingThatNeverEndsIsRefused) {
  const std::string header = "{\"q\":" + std::string(2'000'000, '[');
  std::ofstream out(path("deep"), std::ios::binary);
  for (std::size_t i = 0; i < 8; ++i) out.put(static_cast<char>(header.size() >> (8 * i)));
  out << header;
  out.close();
  expect_refused(path("deep"), path("out"), "q is an array");
}

TEST_F(Program, AFileThatIsNotThereIsSaid) {
  const Ran ran = osdn({"run", "--input", path("absent"), "--output", path("out")});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_NE(ran.err.find("No such file"), std::string::npos) << ran.err;
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace osdn::test
