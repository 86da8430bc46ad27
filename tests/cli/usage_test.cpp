// The command line: help, JSON, what is refused, and that what is listed can be said.
#include "program.hpp"

namespace osdn::test {
namespace {

const std::vector<std::vector<std::string>> verbs = {
    {"doctor"},         {"list"},          {"generate"},        {"compile"},        {"run"},          {"verify"},
    {"cache", "stats"}, {"cache", "show"}, {"cache", "verify"}, {"cache", "clear"}, {"db", "show"},   {"db", "explain"},
    {"db", "export"},   {"db", "import"},  {"db", "merge"},     {"db", "diff"},     {"db", "verify"}, {"db", "compact"},
    {"db", "pin"},      {"db", "unpin"},   {"report"}};

TEST_F(Program, EveryVerbHasHelpAndJson) {
  for (auto arguments : verbs) {
    arguments.emplace_back("--help");
    const Ran ran = osdn(arguments);
    EXPECT_EQ(ran.exit_code, 0) << arguments[0];
    EXPECT_NE(ran.out.find("--json"), std::string::npos) << ran.out;
    EXPECT_TRUE(ran.err.empty()) << ran.err;
  }
  const Ran all = osdn({"--help"});
  EXPECT_EQ(all.exit_code, 0);
  for (const auto& verb : verbs) EXPECT_NE(all.out.find(verb[0]), std::string::npos) << verb[0];
  EXPECT_NE(all.out.find("Exit codes"), std::string::npos);
}

TEST_F(Program, EveryVerbsJsonIsOneObject) {
  const std::string problem = "osdn_forward:type=fp16,k=16,v=16";
  const std::vector<std::vector<std::string>> calls = {
      {"doctor", "--json"},
      {"list", "--json"},
      {"generate", "--problem", problem, "--json"},
      {"compile", "--problem", problem, "--json"},
      {"run", "--input", golden("osdn_single_token"), "--output", path("out"), "--json"},
      {"verify", "--problem", problem, "--json"},
      {"cache", "stats", "--json"},
      {"cache", "show", "--json"},
      {"cache", "verify", "--json"},
      {"cache", "clear", "--json"},
      {"report", path("report.html"), "--json"}};
  for (const auto& call : calls) {
    const Ran ran = osdn(call);
    EXPECT_EQ(ran.exit_code, 0) << call[0] << ran.err;
    EXPECT_TRUE(ran.json().is_object()) << call[0];
  }
}

TEST_F(Program, WhereItRunsIsTheFirstLine) {
  const Ran people = osdn({"verify", "--problem", "osdn_forward:k=16,v=16"});
  EXPECT_EQ(people.exit_code, 0) << people.err;
  EXPECT_EQ(people.out.rfind("no GPU (", 0), 0U) << people.out;
  EXPECT_NE(people.out.substr(0, people.out.find('\n')).find("emulator"), std::string::npos) << people.out;
  EXPECT_TRUE(people.err.empty()) << people.err;
  const Ran machines = osdn({"verify", "--problem", "osdn_forward:k=16,v=16", "--json"});
  EXPECT_EQ(machines.err.rfind("no GPU (", 0), 0U) << machines.err;
  EXPECT_TRUE(machines.json()["device"]["emulated"].get<bool>());
}

struct Misuse {
  const char* name;
  std::vector<std::string> arguments;
  const char* said;
};

class Refused : public testing::TestWithParam<Misuse> {};

TEST_P(Refused, SaysWhatItWasAndWhatIsAllowed) {
  const Ran ran = osdn(GetParam().arguments);
  EXPECT_EQ(ran.exit_code, 2) << ran.err;
  EXPECT_TRUE(ran.out.empty()) << ran.out;
  EXPECT_NE(ran.err.find(GetParam().said), std::string::npos) << ran.err;
  const bool helps = ran.err.find("allowed") != std::string::npos || ran.err.find("known:") != std::string::npos ||
                     ran.err.find("supported") != std::string::npos ||
                     ran.err.find("given twice") != std::string::npos ||
                     ran.err.find("name exactly one") != std::string::npos;
  EXPECT_TRUE(helps) << ran.err;

  auto arguments = GetParam().arguments;
  if (arguments.empty()) return;  // --json belongs to a verb
  arguments.emplace_back("--json");
  const Ran json = osdn(arguments);
  EXPECT_EQ(json.exit_code, 2);
  EXPECT_NE(json.json()["error"]["message"].get<std::string>().find(GetParam().said), std::string::npos) << json.out;
}

INSTANTIATE_TEST_SUITE_P(
    Lines, Refused,
    testing::Values(
        Misuse{"nothing", {}, "subcommand is required"}, Misuse{"unknown_verb", {"frobnicate"}, "frobnicate"},
        Misuse{"unknown_option", {"verify", "--frob"}, "--frob"}, Misuse{"no_input", {"run"}, "--input"},
        Misuse{"no_output", {"run", "--input", "x"}, "--output"}, Misuse{"no_subject", {"verify"}, "--input"},
        Misuse{"no_problem", {"compile"}, "--problem"},
        Misuse{"two_subjects", {"verify", "--input", "x", "--preset", "paper"}, "--input"},
        Misuse{"k_100", {"generate", "--problem", "osdn_forward:k=100"}, "k was '100'"},
        Misuse{"k_272", {"generate", "--problem", "osdn_forward:k=272"}, "k was '272'"},
        Misuse{"unknown_field", {"generate", "--problem", "osdn_forward:kk=64"}, "kk"},
        Misuse{"unknown_operation", {"generate", "--problem", "matmul:k=64"}, "matmul"},
        Misuse{"unknown_preset", {"generate", "--preset", "papper"}, "papper"},
        Misuse{"sm_75", {"generate", "--preset", "paper", "--arch", "sm_75"}, "sm_75"},
        Misuse{"sm_999", {"generate", "--preset", "paper", "--arch", "sm_999"}, "sm_999"},
        Misuse{"chunk", {"generate", "--preset", "paper", "--chunk", "48"}, "chunk was '48'"},
        Misuse{"chunk_zero", {"generate", "--preset", "paper", "--chunk", "0"}, "chunk was '0'"},
        Misuse{"chunk_text", {"generate", "--preset", "paper", "--chunk", "many"}, "many"},
        Misuse{"config", {"generate", "--preset", "paper", "--config", "warps=3"}, "warps was '3'"},
        Misuse{"chunk_twice", {"generate", "--preset", "paper", "--config", "chunk=16", "--chunk", "16"}, "chunk"},
        Misuse{"kernel", {"generate", "--preset", "paper", "--kernel", "third"}, "third"},
        Misuse{"math", {"generate", "--problem", "osdn_forward:type=fp32", "--math", "fp32"}, "--math"},
        Misuse{"shape", {"verify", "--preset", "paper", "--shape", "h=2,hv=3"}, "hv"},
        Misuse{"shape_negative", {"verify", "--preset", "paper", "--shape", "t=-1"}, "t"},
        Misuse{"numbers", {"verify", "--preset", "paper", "--numbers", "eta=fast"}, "eta"},
        Misuse{"numbers_field", {"verify", "--preset", "paper", "--numbers", "etha=1"}, "etha"},
        Misuse{"eta_negative", {"verify", "--preset", "paper", "--numbers", "eta=-1"}, "eta"},
        Misuse{"keys", {"verify", "--preset", "paper", "--keys", "odd"}, "--keys"},
        Misuse{"device", {"verify", "--preset", "paper", "--device", "tpu"}, "--device"},
        Misuse{"reference_chunk", {"verify", "--preset", "paper", "--device", "reference", "--chunk", "16"}, "--chunk"},
        Misuse{"reference_stats", {"verify", "--preset", "paper", "--device", "reference", "--stats"}, "--stats"},
        Misuse{"shape_of_a_file", {"verify", "--input", "x", "--shape", "t=1"}, "--input excludes --shape"},
        Misuse{"seed_of_a_file", {"verify", "--seed", "1", "--input", "x"}, "--input excludes --seed"},
        Misuse{"numbers_twice", {"verify", "--preset", "paper", "--numbers", "eta=1,eta=2"}, "eta twice"},
        Misuse{"numbers_comma", {"verify", "--preset", "paper", "--numbers", "eta=1,"}, "comma"},
        Misuse{"option_for_a_value",
               {"compile", "--preset", "paper", "--arch", "--chunk", "16"},
               "--arch: its value is missing"},
        Misuse{"no_page", {"report"}, "OUT"},
        Misuse{"report_directory", {"report", "x.html", "--directory", "not-there"}, "--directory was not-there"},
        Misuse{"report_problem", {"report", "x.html", "--problem", "osdn_forward:k=100"}, "k was '100'"},
        Misuse{"cache_key", {"cache", "show", "none-begins-so"}, "none-begins-so"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(Program, AnImpossibleConfigurationIsRefusedWithTheNumbers) {
  const Ran ran = osdn({"generate", "--problem", "osdn_forward:type=fp32,k=256,v=256", "--chunk", "128"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_NE(ran.err.find("bytes of shared memory; sm_80 allows 166,912"), std::string::npos) << ran.err;
}

TEST_F(Program, FieldsThatAreNotNamedGiveWay) {
  // 128 tokens a chunk do not fit with the default's other fields, but with others they do.
  const Ran ran = osdn({"generate", "--problem", "osdn_forward:k=64,v=64", "--chunk", "128", "--json"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ran.json()["config"].get<std::string>().rfind("chunk=128,", 0), 0U);
}

TEST_F(Program, WhatIsListedCanBeSaid) {
  const auto all = osdn({"list", "--configurations", "--problem", "osdn_forward:k=64,v=64", "--json"}).json();
  ASSERT_FALSE(all["problems"].empty());
  for (const auto& problem : all["problems"]) {
    const Ran ran = osdn({"generate", "--problem", problem, "--json"});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(ran.json()["problem"], problem);
  }
  for (const auto& preset : all["presets"]) {
    const Ran ran = osdn({"generate", "--preset", preset["name"], "--json"});
    EXPECT_EQ(ran.json()["problem"], preset["problem"]) << ran.err;
    const Ran numbers = osdn(
        {"verify", "--problem", "osdn_forward:k=16,v=16", "--numbers", preset["numbers"], "--device", "reference"});
    EXPECT_EQ(numbers.exit_code, 0) << numbers.err;
  }
  const auto& space = all["configuration_space"];
  std::string defaults;
  for (const auto& field : all["config_fields"]) {
    defaults += std::string(defaults.empty() ? "" : ",")
                    .append(field["name"].get<std::string>())
                    .append("=")
                    .append(field["default"].get<std::string>());
  }
  const Ran spelled_out = osdn({"generate", "--problem", space["problem"], "--config", defaults, "--json"});
  EXPECT_EQ(spelled_out.json()["config"], space["default"]) << spelled_out.err;
  const auto& legal = space["configurations"];
  ASSERT_EQ(legal.size(), space["legal"]);
  for (std::size_t i = 0; i < legal.size(); i += legal.size() / 12) {
    const Ran ran = osdn({"generate", "--problem", space["problem"], "--config", legal[i], "--json"});
    EXPECT_EQ(ran.json()["config"], legal[i]) << ran.err;
  }
  const auto& refusals = space["refusals"];
  ASSERT_EQ(refusals.size(), space["refused"]);
  for (std::size_t i = 0; i < refusals.size(); i += refusals.size() / 12) {
    const Ran ran = osdn({"generate", "--problem", space["problem"], "--config", refusals[i]["config"]});
    EXPECT_EQ(ran.exit_code, 2);
    EXPECT_NE(ran.err.find(refusals[i]["refusal"].get<std::string>().substr(0, 40)), std::string::npos) << ran.err;
  }
  for (const auto& arch : all["architectures"]) {
    EXPECT_EQ(osdn({"generate", "--preset", "paper", "--arch", arch}).exit_code, 0) << arch;
  }
}

TEST_F(Program, WhatIsGeneratedCanBeWritten) {
  const Ran ran = osdn({"generate", "--preset", "paper", "--directory", path("source")});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_TRUE(std::filesystem::exists(path("source/osdn_delta_rule.cu")));
  EXPECT_TRUE(std::filesystem::exists(path("source/osdn_preconditioner.cu")));
  EXPECT_TRUE(std::filesystem::exists(path("source/delta_rule.cuh")));
}

TEST_F(Program, CompilesForOtherArchitecturesWithoutADriver) {
  const Ran ran = osdn({"compile", "--problem", "osdn_forward:k=16,v=16", "--arch", "sm_80", "sm_90a", "compute_80",
                        "--output", path("images"), "--json"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const auto kernels = ran.json()["kernels"];
  ASSERT_EQ(kernels.size(), 6U);
  for (const auto& kernel : kernels) {
    EXPECT_GT(kernel["ptx_bytes"].get<int>(), 0);
    const bool machine_code = kernel["arch"] != "compute_80";
    EXPECT_EQ(kernel["cubin_bytes"].get<int>() > 0, machine_code) << kernel["arch"];
    EXPECT_EQ(kernel["registers"].get<int>() > 0, machine_code);
    for (const auto& file : kernel["files"]) EXPECT_TRUE(std::filesystem::exists(file.get<std::string>())) << file;
  }
}

}  // namespace
}  // namespace osdn::test
