// Case files: what is stored is loaded, and what does not fit is refused by name.
#include "reference/case.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>

#include "reference/random_case.hpp"
#include "reference/tensor.hpp"

namespace osdn::reference {
namespace {

namespace fs = std::filesystem;
using safetensors::DType;
using safetensors::Tensor;

class CaseFile : public testing::Test {
 protected:
  CaseFile() {
    std::string name = (fs::temp_directory_path() / "osdn-case-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~CaseFile() override { fs::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  fs::path folder_;
};

Case packed_case(ElementType type = ElementType::bf16) {
  Problem problem;
  problem.type = type;
  problem.k = 16;
  problem.v = 32;
  problem.apf = Apf::per_channel;
  problem.norm = Norm::add;
  problem.beta_aware = false;
  problem.beta_type = BetaType::element;
  Numbers numbers;
  numbers.eta = 0.1 + 0.2;  // 0.30000000000000004
  numbers.anchor = 1;
  numbers.scale = 0.25;
  RandomOptions options;
  options.lengths = {4, 0, 7};
  return random_case(problem, {.b = 1, .t = 11, .h = 2, .hv = 4, .n = 3}, numbers, options).value_or_throw();
}

TEST_F(CaseFile, WhatIsStoredIsLoaded) {
  for (const ElementType type : {ElementType::bf16, ElementType::fp16}) {
    const Case stored = packed_case(type);
    const Expected answers = solve(stored).value_or_throw();
    ASSERT_TRUE(store_case(path("case"), stored, &answers));
    const auto reader = safetensors::Reader::open(path("case")).value_or_throw();
    const auto loaded = load_case(reader);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->problem, stored.problem);
    EXPECT_EQ(loaded->shape, stored.shape);
    EXPECT_EQ(loaded->numbers, stored.numbers);
    EXPECT_EQ(loaded->q.data, stored.q.data);
    EXPECT_EQ(loaded->log_gamma->data, stored.log_gamma->data);
    EXPECT_EQ(loaded->initial_d->data, stored.initial_d->data);
    EXPECT_EQ(loaded->cu_seqlens->data, stored.cu_seqlens->data);
    EXPECT_TRUE(loaded->unknown.empty());
    const auto read = load_expected(reader, *loaded).value_or_throw();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->o, answers.o);
    EXPECT_EQ(read->final_state, answers.final_state);
    EXPECT_EQ(read->final_d, answers.final_d);
  }
}

TEST_F(CaseFile, RunningNeverLooksAtTheAnswers) {
  // Answers that could not even be read do not keep a case from being loaded.
  const Case stored = packed_case();
  ASSERT_TRUE(store_case(path("case"), stored, nullptr));
  const auto reader = safetensors::Reader::open(path("case")).value_or_throw();
  auto tensors = std::map<std::string, Tensor>{{"expected.o", {DType::u8, {0}, {}}}};
  for (const auto& [name, info] : reader.header().tensors) tensors[name] = reader.load(name).value_or_throw();
  ASSERT_TRUE(safetensors::write(path("odd"), reader.header().metadata, tensors));
  const auto odd = safetensors::Reader::open(path("odd")).value_or_throw();
  const auto loaded = load_case(odd);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_FALSE(load_expected(odd, *loaded));
  EXPECT_FALSE(load_expected(reader, *loaded).value_or_throw());
}

TEST_F(CaseFile, OutputsHaveTheTypesOfTheProblem) {
  const Case problem = packed_case();
  ASSERT_TRUE(store_outputs(path("out"), problem, to_outputs(problem, solve(problem).value_or_throw())));
  const auto reader = safetensors::Reader::open(path("out")).value_or_throw();
  EXPECT_EQ(reader.find("o")->dtype, DType::bf16);
  EXPECT_EQ(reader.find("o")->shape, (std::vector<std::int64_t>{1, 11, 4, 32}));
  EXPECT_EQ(reader.find("final_state")->dtype, DType::f32);
  EXPECT_EQ(reader.find("final_state")->shape, (std::vector<std::int64_t>{3, 4, 16, 32}));
  EXPECT_EQ(reader.find("final_d")->dtype, DType::f32);
  EXPECT_EQ(reader.find("final_d")->shape, (std::vector<std::int64_t>{3, 4, 16}));
}

using Metadata = std::map<std::string, std::string>;
using Tensors = std::map<std::string, Tensor>;

struct BadCase {
  const char* name;
  std::function<void(Metadata&, Tensors&)> change;
  const char* said;
};

class RefusedCase : public CaseFile, public testing::WithParamInterface<BadCase> {};

TEST_P(RefusedCase, NamesFileFieldAndWhatIsAllowed) {
  ASSERT_TRUE(store_case(path("good"), packed_case(), nullptr));
  const auto good = safetensors::Reader::open(path("good")).value_or_throw();
  ASSERT_TRUE(load_case(good));
  Metadata metadata = good.header().metadata;
  Tensors tensors;
  for (const auto& [name, info] : good.header().tensors) tensors[name] = good.load(name).value_or_throw();
  GetParam().change(metadata, tensors);
  ASSERT_TRUE(safetensors::write(path("bad"), metadata, tensors));
  const auto loaded = load_case(path("bad"));
  ASSERT_FALSE(loaded);
  const std::string& message = loaded.error().message;
  EXPECT_EQ(message.rfind(path("bad") + ": ", 0), 0U) << message;
  EXPECT_NE(message.find(GetParam().said), std::string::npos) << message;
  EXPECT_TRUE(message.find("allowed") != std::string::npos || message.find("missing") != std::string::npos) << message;
}

void set(Tensors& tensors, const std::string& name, std::size_t index, float value) {
  std::memcpy(tensors[name].data.data() + index * 4, &value, 4);
}

Tensor zeros(DType dtype, std::vector<std::int64_t> shape) {
  Tensor tensor{dtype, std::move(shape), {}};
  tensor.data.resize(static_cast<std::size_t>(tensor.elements()) * size_of(dtype));
  return tensor;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RefusedCase,
    testing::Values(
        BadCase{"no_op", [](Metadata& m, Tensors&) { m.erase("op"); }, "__metadata__.op is missing"},
        BadCase{"other_op", [](Metadata& m, Tensors&) { m["op"] = "matmul"; }, "op is \"matmul\""},
        BadCase{"apf", [](Metadata& m, Tensors&) { m["apf"] = "per_row"; }, "apf is \"per_row\""},
        BadCase{"norm", [](Metadata& m, Tensors&) { m["norm"] = "two"; }, "norm is \"two\""},
        BadCase{"boolean", [](Metadata& m, Tensors&) { m["beta_aware"] = "1"; }, "beta_aware is \"1\""},
        BadCase{"eta_text", [](Metadata& m, Tensors&) { m["eta"] = "0.1x"; }, "eta is \"0.1x\""},
        BadCase{"eta_nan", [](Metadata& m, Tensors&) { m["eta"] = "nan"; }, "eta is nan"},
        BadCase{"eta_missing", [](Metadata& m, Tensors&) { m.erase("eta"); }, "eta is missing"},
        BadCase{"eta_negative", [](Metadata& m, Tensors&) { m["eta"] = "-1"; }, "eta is -1"},
        BadCase{"d_max", [](Metadata& m, Tensors&) { m["d_max"] = "0.1"; }, "d_max is 0.1"},
        BadCase{"too_large", [](Metadata& m, Tensors&) { m["scale"] = "1e300"; }, "scale is 1e+300"},
        BadCase{"no_q", [](Metadata&, Tensors& ts) { ts.erase("q"); }, "q is missing"},
        BadCase{"no_beta", [](Metadata&, Tensors& ts) { ts.erase("beta"); }, "beta is missing"},
        BadCase{"q_type",
                [](Metadata&, Tensors& ts) {
                  ts["q"] = zeros(DType::f64, {1, 11, 2, 16});
                },
                "q has the type F64"},
        BadCase{"k_type",
                [](Metadata&, Tensors& ts) {
                  ts["k"] = zeros(DType::f16, {1, 11, 2, 16});
                },
                "k has the type F16"},
        BadCase{"q_rank",
                [](Metadata&, Tensors& ts) {
                  ts["q"].shape = {11, 2, 16};
                },
                "q has the shape [11, 2, 16]"},
        BadCase{"k_shape",
                [](Metadata&, Tensors& ts) {
                  ts["k"].shape = {1, 11, 1, 32};
                },
                "k has the shape"},
        BadCase{"heads",
                [](Metadata&, Tensors& ts) {
                  ts["v"] = zeros(DType::bf16, {1, 11, 3, 32});
                },
                "v has 3 heads"},
        BadCase{"no_heads",
                [](Metadata&, Tensors& ts) {
                  ts["q"] = zeros(DType::bf16, {1, 11, 0, 16});
                },
                "dimension 2"},
        BadCase{"state_shape",
                [](Metadata&, Tensors& ts) {
                  ts["initial_state"].shape = {3, 4, 32, 16};
                },
                "initial_state has the shape"},
        BadCase{"log_gamma_shape", [](Metadata& m, Tensors&) { m["apf"] = "per_token"; }, "log_gamma has the shape"},
        BadCase{"log_gamma_surplus", [](Metadata& m, Tensors&) { m["apf"] = "none"; }, "log_gamma is given"},
        BadCase{"log_gamma_positive", [](Metadata&, Tensors& ts) { set(ts, "log_gamma", 3, 0.5F); },
                "log_gamma, element 3"},
        BadCase{"initial_d_without",
                [](Metadata& m, Tensors& ts) {
                  m["precondition"] = "none";
                  ts.erase("log_gamma");
                },
                "initial_d is given"},
        BadCase{"nan_state", [](Metadata&, Tensors& ts) { set(ts, "initial_state", 9, std::nanf("")); },
                "initial_state, element 9"},
        BadCase{"nan_q", [](Metadata&, Tensors& ts) { ts["q"].data[5] = ts["q"].data[4] = std::byte{0xFF}; },
                "q, element 2"},
        BadCase{"infinite_d", [](Metadata&, Tensors& ts) { set(ts, "initial_d", 1, INFINITY); },
                "initial_d, element 1"},
        BadCase{"decreasing",
                [](Metadata&, Tensors& ts) {
                  ts["cu_seqlens"] = to_tensor(std::vector<std::int64_t>{0, 7, 4, 11}, {4});
                },
                "cu_seqlens[2] is 4, less than"},
        BadCase{"first",
                [](Metadata&, Tensors& ts) {
                  ts["cu_seqlens"] = to_tensor(std::vector<std::int64_t>{1, 4, 4, 11}, {4});
                },
                "cu_seqlens[0] is 1"},
        BadCase{"last",
                [](Metadata&, Tensors& ts) {
                  ts["cu_seqlens"] = to_tensor(std::vector<std::int64_t>{0, 4, 4, 12}, {4});
                },
                "cu_seqlens[3] is 12"},
        BadCase{"cu_seqlens_type", [](Metadata&, Tensors& ts) { ts["cu_seqlens"] = zeros(DType::f32, {4}); },
                "cu_seqlens has the type F32"},
        BadCase{"cu_seqlens_empty", [](Metadata&, Tensors& ts) { ts["cu_seqlens"] = zeros(DType::i64, {0}); },
                "cu_seqlens has the shape [0]"},
        BadCase{"packed_batch",
                [](Metadata&, Tensors& ts) {
                  for (const char* name : {"q", "k", "v"}) ts[name].shape[0] = 11, ts[name].shape[1] = 1;
                },
                "B = 11 with cu_seqlens"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(CaseFile, WhatACaseDoesNotHaveIsNoted) {
  ASSERT_TRUE(store_case(path("good"), packed_case(), nullptr));
  const auto good = safetensors::Reader::open(path("good")).value_or_throw();
  Metadata metadata = good.header().metadata;
  metadata["eta_"] = "3";
  metadata["format"] = "pt";  // what other writers put there
  Tensors tensors = {{"queries", zeros(DType::u8, {1})}};
  for (const auto& [name, info] : good.header().tensors) tensors[name] = good.load(name).value_or_throw();
  ASSERT_TRUE(safetensors::write(path("odd"), metadata, tensors));
  const auto loaded = load_case(path("odd"));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->unknown, (std::vector<std::string>{"metadata eta_", "tensor queries"}));
}

TEST_F(CaseFile, StatesLargerThanMemoryAreRefused) {
  ASSERT_TRUE(store_case(path("good"), packed_case(), nullptr));
  Metadata metadata = safetensors::Reader::open(path("good"))->header().metadata;
  metadata["apf"] = "none";
  const Tensors tensors = {{"q", zeros(DType::bf16, {1, 0, 1, 256})},
                           {"k", zeros(DType::bf16, {1, 0, 1, 256})},
                           {"v", zeros(DType::bf16, {1, 0, 2'000'000'000, 256})},
                           {"beta", zeros(DType::f32, {1, 0, 2'000'000'000})}};
  ASSERT_TRUE(safetensors::write(path("large"), metadata, tensors));
  const auto loaded = load_case(path("large"));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::out_of_memory);
}

TEST_F(CaseFile, HalfAsManyIndexBytesAreFine) {
  Case problem = packed_case();
  const std::int32_t starts[] = {0, 4, 4, 11};
  problem.cu_seqlens = Tensor{DType::i32, {4}, {}};
  problem.cu_seqlens->data.resize(sizeof starts);
  std::memcpy(problem.cu_seqlens->data.data(), starts, sizeof starts);
  ASSERT_TRUE(store_case(path("case"), problem, nullptr));
  const auto loaded = load_case(path("case"));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(solve(*loaded).value_or_throw().o, solve(packed_case()).value_or_throw().o);
}

}  // namespace
}  // namespace osdn::reference
