// The main job: cases in, right outputs out, and wrong ones found.
#include <algorithm>
#include <fstream>

#include "program.hpp"
#include "reference/judge.hpp"
#include "reference/random_case.hpp"
#include "reference/tensor.hpp"

namespace osdn::test {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

reference::Outputs outputs_of(const std::string& file) {
  const auto reader = safetensors::Reader::open(file).value_or_throw();
  reference::Outputs out;
  out.o = reader.load("o").value_or_throw();
  out.final_state = reader.load("final_state").value_or_throw();
  if (reader.find("final_d") != nullptr) out.final_d = reader.load("final_d").value_or_throw();
  return out;
}

TEST_F(Program, EveryGoldenCaseIsVerifiedOnTheEmulator) {
  std::vector<std::string> arguments = {"verify", "--device", "emulator", "--json", "--input"};
  for (const auto& entry : fs::directory_iterator(OSDN_TEST_DATA "/golden")) {
    arguments.push_back(entry.path().string());
  }
  const Ran ran = osdn(arguments);
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  const auto report = ran.json();
  EXPECT_TRUE(report["device"]["emulated"].get<bool>());
  ASSERT_EQ(report["cases"].size(), 16U);
  for (const auto& one : report["cases"]) {
    EXPECT_EQ(one["answers"], "file");
    EXPECT_FALSE(one["kernels"].empty()) << one["case"];
    for (const auto& [name, tensor] : one["tensors"].items()) {
      EXPECT_TRUE(tensor["passed"].get<bool>()) << one["case"] << " " << name << " " << tensor;
      EXPECT_LT(tensor["ratio"].get<double>(), 0.75) << one["case"] << " " << name << ": too near to its limit";
    }
  }
}

TEST_F(Program, TheTableIsForPeople) {
  const Ran ran = osdn({"verify", "--input", golden("deltanet"), golden("osdn_gva_bf16")});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  for (const char* word : {"emulator", "deltanet", "osdn_gva_bf16", "final_state", "kernels", "delta_rule",
                           "preconditioner", "compile ms", "registers", "shared memory", "2 of 2 within tolerance"}) {
    EXPECT_NE(ran.out.find(word), std::string::npos) << word << "\n" << ran.out;
  }
  EXPECT_EQ(ran.out.find('\r'), std::string::npos);
  EXPECT_EQ(ran.err.find('\r'), std::string::npos) << "progress belongs on a terminal only";
}

TEST_F(Program, WhatRunWritesIsRightAndTheSameEachTime) {
  for (const char* name : {"osdn_varlen", "osdn_ragged_k64_v128_bf16", "deltanet"}) {
    const Ran ran = osdn({"run", "--input", golden(name), "--output", path(name)});
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    const auto file = safetensors::Reader::open(golden(name)).value_or_throw();
    const auto problem = reference::load_case(file).value_or_throw();
    const auto answers = reference::load_expected(file, problem).value_or_throw();
    const auto outputs = outputs_of(path(name));
    EXPECT_EQ(outputs.o.dtype, problem.q.dtype);
    EXPECT_EQ(outputs.o.shape, problem.v.shape);
    for (const auto& verdict : reference::judge(problem, *answers, outputs)) {
      EXPECT_TRUE(verdict.passed) << name << " " << verdict.tensor << " " << verdict.error;
    }
    ASSERT_EQ(osdn({"run", "--input", golden(name), "--output", path("again")}).exit_code, 0);
    EXPECT_EQ(bytes_of(path(name)), bytes_of(path("again")));
  }
}

/// The case of a golden file with its answers changed, or without them.
void rewrite(const std::string& from, const std::string& to, double factor) {
  const auto file = safetensors::Reader::open(from).value_or_throw();
  const auto problem = reference::load_case(file).value_or_throw();
  auto answers = reference::load_expected(file, problem).value_or_throw();
  for (double& value : answers->o) value *= factor;
  reference::store_case(to, problem, factor == 0 ? nullptr : &*answers).value_or_throw();
}

TEST_F(Program, AWrongAnswerFails) {
  rewrite(golden("osdn_varlen"), path("wrong"), 1.01);
  const Ran ran = osdn({"verify", "--input", path("wrong"), golden("deltanet")});
  EXPECT_EQ(ran.exit_code, 1) << ran.err;
  EXPECT_NE(ran.out.find("WRONG"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("1 of 2 within tolerance"), std::string::npos) << ran.out;
  const auto report = osdn({"verify", "--input", path("wrong"), "--json"}).json();
  EXPECT_FALSE(report["passed"].get<bool>());
  EXPECT_FALSE(report["cases"][0]["tensors"]["o"]["passed"].get<bool>());
  EXPECT_NEAR(report["cases"][0]["tensors"]["o"]["error"].get<double>(), 0.0099, 1e-3);
  EXPECT_TRUE(report["cases"][0]["tensors"]["final_state"]["passed"].get<bool>());
}

TEST_F(Program, RunDoesNotLookAtTheAnswers) {
  rewrite(golden("osdn_varlen"), path("wrong"), 3.0);
  rewrite(golden("osdn_varlen"), path("bare"), 0);
  for (const char* name : {"wrong", "bare"}) {
    ASSERT_EQ(osdn({"run", "--input", path(name), "--output", path(std::string(name) + ".out")}).exit_code, 0);
  }
  EXPECT_EQ(bytes_of(path("wrong.out")), bytes_of(path("bare.out")));
  // Without answers, verify makes them.
  const Ran verified = osdn({"verify", "--input", path("bare"), "--json"});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
  EXPECT_EQ(verified.json()["cases"][0]["answers"], "reference");
}

TEST_F(Program, ChunksArchitecturesAndMathAreChosen) {
  for (const char* chunk : {"16", "32", "64", "128"}) {
    const Ran ran = osdn({"verify", "--chunk", chunk, "--input", golden("osdn_ragged_k64_v128_bf16"), "--json"});
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(ran.json()["cases"][0]["config"].get<std::string>().rfind(std::string("chunk=") + chunk + ",", 0), 0U);
  }
  const auto hopper = osdn({"verify", "--arch", "sm_90", "--input", golden("deltanet"), "--json"}).json();
  EXPECT_EQ(hopper["device"]["arch"], "sm_90");
  EXPECT_EQ(hopper["cases"][0]["kernels"][0]["arch"], "sm_90");
  const auto exact = osdn({"verify", "--math", "tf32x3", "--input", golden("osdn_varlen"), "--json"}).json();
  EXPECT_EQ(exact["cases"][0]["tensors"]["o"]["tolerance"], 2e-5);
  EXPECT_TRUE(exact["passed"].get<bool>()) << exact;
}

TEST_F(Program, RandomCasesAreVerifiedToo) {
  for (const char* keys : {"unit", "scaled", "nearly_equal", "zero"}) {
    const Ran ran =
        osdn({"verify", "--problem", "osdn_forward:type=bf16,k=32,v=48,apf=per_channel", "--shape",
              "b=1,t=70,h=1,hv=2,n=4", "--numbers", "eta=1,apf_anchor=1", "--keys", keys, "--seed", "11", "--json"});
    EXPECT_EQ(ran.exit_code, 0) << keys << ran.out << ran.err;
    EXPECT_EQ(ran.json()["cases"][0]["case"], "random, seed 11");
  }
}

TEST_F(Program, StatsCountWhatTheKernelsDid) {
  const Ran ran = osdn({"run", "--stats", "--input", golden("deltanet"), "--output", path("out"), "--json"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const auto kernel = ran.json()["statistics"]["kernels"]["osdn_delta_rule"];
  EXPECT_EQ(kernel["launches"], 1);
  EXPECT_GT(kernel["warp_instructions_by_kind"]["mma.sync"].get<int>(), 0) << kernel;
  const Ran people = osdn({"run", "--stats", "--input", golden("deltanet"), "--output", path("out")});
  EXPECT_NE(people.out.find("mma.sync"), std::string::npos) << people.out;
}

TEST_F(Program, EmptyCasesRun) {
  Problem problem;
  problem.k = 16;
  problem.v = 16;
  const auto empty = reference::random_case(problem, {.b = 2, .t = 0, .h = 1, .hv = 2}, {}).value_or_throw();
  ASSERT_TRUE(reference::store_case(path("empty"), empty, nullptr));
  const Ran ran = osdn({"run", "--input", path("empty"), "--output", path("out")});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const auto outputs = outputs_of(path("out"));
  EXPECT_EQ(outputs.o.elements(), 0);
  EXPECT_EQ(outputs.final_state.data, empty.initial_state->data);
  EXPECT_EQ(outputs.final_d->data, empty.initial_d->data);
}

TEST_F(Program, WhatACaseDoesNotHaveIsSaid) {
  const auto file = safetensors::Reader::open(golden("deltanet")).value_or_throw();
  auto metadata = file.header().metadata;
  metadata["d_mim"] = "0.5";
  std::map<std::string, safetensors::Tensor> tensors;
  for (const auto& [name, info] : file.header().tensors) tensors[name] = file.load(name).value_or_throw();
  ASSERT_TRUE(safetensors::write(path("odd"), metadata, tensors));
  const Ran ran = osdn({"verify", "--device", "reference", "--input", path("odd")});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_NE(ran.err.find("d_mim"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace osdn::test
