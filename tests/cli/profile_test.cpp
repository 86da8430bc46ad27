// osdn run --profile and --trace: counters, the hottest template lines, warps over modelled time.
#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include "program.hpp"

namespace osdn::test {
namespace {

std::string bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(Program, AProfileNamesTheHottestTemplateLines) {
  const Ran plain = osdn({"run", "--input", golden("osdn_gva_bf16"), "--output", path("plain"), "--stats", "--json"});
  ASSERT_EQ(plain.exit_code, 0) << plain.err;
  const Ran ran =
      osdn({"run", "--profile", "--stats", "--input", golden("osdn_gva_bf16"), "--output", path("out"), "--json"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(bytes_of(path("plain")), bytes_of(path("out"))) << "looking changes nothing";
  EXPECT_EQ(plain.json()["statistics"], ran.json()["statistics"]) << "line information changes no instruction";
  const auto kernels = ran.json()["profile"]["kernels"];
  ASSERT_EQ(kernels.size(), 2U);
  for (const auto& [name, kernel] : kernels.items()) {
    EXPECT_EQ(kernel["modelled_as"], "sm_80");
    EXPECT_GT(kernel["modelled"]["seconds"].get<double>(), 0);
    EXPECT_FALSE(kernel["modelled"]["registers_estimated"].get<bool>()) << "the assembler told";
    const auto counted = ran.json()["statistics"]["kernels"][name];
    EXPECT_EQ(kernel["counters"]["thread_instructions"], counted["thread_instructions"]);
    EXPECT_EQ(kernel["counters"]["tensor_flops"], counted["tensor_flops"]);
    std::uint64_t instructions = 0;
    double share = 0, last = 1;
    bool with_text = false;
    for (const auto& line : kernel["lines"]) {
      instructions += line["own"].value("warp_instructions", std::uint64_t{0});
      share += line["time_share"].get<double>();
      EXPECT_LE(line["time_share"].get<double>(), last) << "the hottest first";
      last = line["time_share"];
      const std::string file = line["file"];
      EXPECT_NE(file[0], '/') << "template names, whatever the working directory: " << file;
      with_text = with_text || (file == "device/tensor.cuh" && !line["text"].get<std::string>().empty());
    }
    EXPECT_TRUE(with_text) << name;
    EXPECT_LE(instructions, kernel["counters"]["warp_instructions"].get<std::uint64_t>());
    // The compiler gives what it moves out of loops no line.
    EXPECT_GT(static_cast<double>(instructions), 0.9 * kernel["counters"]["warp_instructions"].get<double>());
    EXPECT_GT(share, 0.97);
    EXPECT_LE(share, 1.0001);
  }
  // The same numbers each time.
  const Ran again =
      osdn({"run", "--profile", "--stats", "--input", golden("osdn_gva_bf16"), "--output", path("out"), "--json"});
  EXPECT_EQ(again.json()["profile"], ran.json()["profile"]);
}

TEST_F(Program, AProfileIsForPeopleToo) {
  const Ran ran = osdn({"run", "--profile", "--input", golden("deltanet"), "--output", path("out")});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  for (const char* word : {"not a measurement", "modelled time", "bank_conflicts", "hottest lines",
                           "device/tensor_fp32.cuh:", "blocks per SM", "__syncthreads();"}) {
    EXPECT_NE(ran.out.find(word), std::string::npos) << word << "\n" << ran.out;
  }
}

TEST_F(Program, ATraceIsWhatChromeReads) {
  const Ran ran = osdn({"run", "--trace", path("trace"), "--input", golden("deltanet"), "--output", path("out")});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_NE(ran.out.find("perfetto"), std::string::npos) << ran.out;
  const auto trace = nlohmann::json::parse(bytes_of(path("trace")), nullptr, false);
  ASSERT_FALSE(trace.is_discarded());
  std::map<std::pair<int, int>, double> ends;  // by process and thread
  std::map<std::pair<int, int>, bool> named;
  std::map<std::string, int> names;
  for (const auto& event : trace["traceEvents"]) {
    const std::pair<int, int> thread(event["pid"].get<int>(), event.value("tid", -1));
    if (event["ph"] == "M") {
      named[thread] = true;
      EXPECT_FALSE(event["args"]["name"].get<std::string>().empty());
      continue;
    }
    ASSERT_EQ(event["ph"], "X");
    EXPECT_TRUE(named[thread]) << "every warp has a name before its first slice";
    EXPECT_GE(event["dur"].get<double>(), 0);
    EXPECT_GE(event["ts"].get<double>(), ends[thread] - 2e-6) << "slices of a warp lie one behind the other";
    ends[thread] = event["ts"].get<double>() + event["dur"].get<double>();
    ++names[event["name"]];
  }
  EXPECT_GT(names["compute"], 0);
  EXPECT_GT(names["barrier 0"], 0);
  EXPECT_GT(names["asynchronous copies"], 0) << trace["traceEvents"].size();
  EXPECT_LE(ends.rbegin()->first.first, 8) << "at most four blocks of each of two kernels";
}

TEST_F(Program, WhatOnlyTheEmulatorKnowsIsNotAskedOfOthers) {
  const Ran ran =
      osdn({"run", "--device", "reference", "--profile", "--input", golden("deltanet"), "--output", path("out")});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_NE(ran.err.find("--profile: only the emulator"), std::string::npos) << ran.err;
  const Ran nowhere =
      osdn({"run", "--trace", "/nonexistent/folder/trace", "--input", golden("deltanet"), "--output", path("out")});
  EXPECT_EQ(nowhere.exit_code, 3) << nowhere.err;
}

TEST_F(Program, ATraceDoesNotReplaceTheAnswers) {
  const Ran ran = osdn({"run", "--trace", path("./out"), "--input", golden("deltanet"), "--output", path("out")});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_NE(ran.err.find("is the file of --output"), std::string::npos) << ran.err;
  std::filesystem::copy_file(golden("deltanet"), path("in"));  // what a failure would replace
  const Ran over = osdn({"run", "--trace", path("in"), "--input", path("in"), "--output", path("out")});
  EXPECT_EQ(over.exit_code, 2);
  EXPECT_NE(over.err.find("is the file of --input"), std::string::npos) << over.err;
}

}  // namespace
}  // namespace osdn::test
