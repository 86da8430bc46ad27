// Processes: the environment, a fork, the end of a process, a program in another language.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "api.hpp"

namespace driver_test {
namespace {

struct Outcome {
  int status = -1;
  std::string output;  ///< stdout and stderr
};

Outcome run(const std::string& command) {
  Outcome outcome;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 512> buffer{};
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) outcome.output += buffer.data();
  outcome.status = pclose(pipe);
  return outcome;
}

/// Runs the probe with only the given variables of the emulator's set.
Outcome probe(const std::string& variables, const std::string& question) {
  return run(
      "env -u OSDN_EMULATOR_ARCH -u OSDN_EMULATOR_DEVICES -u OSDN_EMULATOR_MEMORY -u OSDN_EMULATOR_SEED "
      "-u OSDN_EMULATOR_PERTURB -u OSDN_EMULATOR_THREADS -u OSDN_EMULATOR_INSTRUCTION_LIMIT " +
      variables + " '" OSDN_DRIVER_PROBE "' " + question);
}

TEST(ProcessTest, NothingWorksBeforeInit) {
  EXPECT_EQ(probe("", "uninitialized").output,
            std::to_string(CUDA_ERROR_NOT_INITIALIZED) + " " + std::to_string(CUDA_ERROR_INVALID_VALUE) + "\n");
}

TEST(ProcessTest, TheEnvironmentDescribesTheDevices) {
  const std::string defaults = probe("", "describe").output;
  EXPECT_EQ(defaults.find("0 devices=1 cc=80 shared=166912 bytes="), 0U) << defaults;
  EXPECT_EQ(probe("OSDN_EMULATOR_ARCH=sm_90a OSDN_EMULATOR_DEVICES=3 OSDN_EMULATOR_MEMORY=2G", "describe").output,
            "0 devices=3 cc=90 shared=232448 bytes=2147483648\n");
  EXPECT_EQ(probe("OSDN_EMULATOR_ARCH=sm_86 OSDN_EMULATOR_MEMORY=4096", "describe").output,
            "0 devices=1 cc=86 shared=101376 bytes=4096\n");
  EXPECT_EQ(probe("OSDN_EMULATOR_ARCH=sm_120 OSDN_EMULATOR_MEMORY=1M", "describe").output,
            "0 devices=1 cc=120 shared=101376 bytes=1048576\n");
}

TEST(ProcessTest, AMalformedVariableIsNamed) {
  const std::array<std::array<const char*, 2>, 9> cases{{{"OSDN_EMULATOR_ARCH", "sm_81"},
                                                         {"OSDN_EMULATOR_DEVICES", "0"},
                                                         {"OSDN_EMULATOR_DEVICES", "two"},
                                                         {"OSDN_EMULATOR_MEMORY", "12Q"},
                                                         {"OSDN_EMULATOR_MEMORY", "-1"},
                                                         {"OSDN_EMULATOR_MEMORY", "99999999T"},
                                                         {"OSDN_EMULATOR_SEED", "0x10"},
                                                         {"OSDN_EMULATOR_PERTURB", "yes"},
                                                         {"OSDN_EMULATOR_THREADS", "-2"}}};
  for (const auto& [variable, value] : cases) {
    const std::string setting = std::string(variable) + "=" + value;
    const std::string output = probe(setting, "describe").output;
    EXPECT_NE(output.find(setting + " is not usable: allowed is "), std::string::npos) << output;
    EXPECT_NE(output.find("1 devices=0"), std::string::npos) << output;
  }
}

TEST(ProcessTest, AForkedChildIsNotInitialized) {
  int count = 0;
  EXPECT_OK(api().cuDeviceGetCount(&count));
  const pid_t child = fork();
  if (child == 0) {
    const bool refused =
        api().cuDeviceGetCount(&count) == CUDA_ERROR_NOT_INITIALIZED && api().cuInit(0) == CUDA_ERROR_NOT_INITIALIZED;
    _exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_OK(api().cuDeviceGetCount(&count));
}

TEST(ProcessTest, AProcessEndsWhileAKernelRuns) {
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = probe("", "leave");
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(outcome.output, "0\n");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST(ProcessTest, TheEndOfAProcessMayStillCallTheDriver) {
  const Outcome outcome = probe("", "end");
  EXPECT_EQ(outcome.status, 0);
  const std::string ended = std::to_string(CUDA_ERROR_DEINITIALIZED);
  EXPECT_EQ(outcome.output, "1 0 0\n" + ended + " " + ended + "\n");
}

TEST(ProcessTest, AnEndlessKernelMeetsTheInstructionLimit) {
  const Outcome outcome = probe("OSDN_EMULATOR_INSTRUCTION_LIMIT=100000", "limit");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.output.find("0 " + std::to_string(CUDA_ERROR_LAUNCH_TIMEOUT) + "\n"), std::string::npos)
      << outcome.output;
  EXPECT_NE(outcome.output.find("forever"), std::string::npos) << outcome.output;
}

TEST(ProcessTest, WhatWasMeasuredIsWrittenAtTheEnd) {
  const std::string folder = ::testing::TempDir() + "osdn-measure-" + std::to_string(getpid());
  ASSERT_EQ(run("mkdir -p '" + folder + "'").status, 0);
  const std::string profile = folder + "/profile.json", trace = folder + "/trace.json";
  EXPECT_EQ(probe("OSDN_EMULATOR_PROFILE='" + profile + "' OSDN_EMULATOR_TRACE='" + trace + "'", "work").output,
            "0 0\n");
  const std::string counted = run("cat '" + profile + "'").output;
  EXPECT_NE(counted.find(R"("text": "bar.sync 0;")"), std::string::npos) << counted;
  EXPECT_NE(counted.find(R"("barrier_waits": 1)"), std::string::npos) << counted;
  EXPECT_NE(run("cat '" + trace + "'").output.find("work, launch 1, block 0"), std::string::npos);
  const Outcome nowhere = probe("OSDN_EMULATOR_PROFILE=/nonexistent/profile", "work");
  EXPECT_NE(nowhere.output.find("/nonexistent/profile cannot be written"), std::string::npos) << nowhere.output;
  // Replaced as a whole, never emptied first: a second name of the old file still holds it.
  ASSERT_EQ(run("echo old > '" + profile + "' && ln -f '" + profile + "' '" + folder + "/second'").status, 0);
  EXPECT_EQ(probe("OSDN_EMULATOR_PROFILE='" + profile + "'", "work").output, "0 0\n");
  EXPECT_EQ(run("cat '" + folder + "/second'").output, "old\n");
  EXPECT_NE(run("cat '" + profile + "'").output.find("barrier_waits"), std::string::npos);
  EXPECT_EQ(run("ls '" + folder + "'").output, "profile.json\nsecond\ntrace.json\n");
  EXPECT_EQ(run("rm -r '" + folder + "'").status, 0);
}

TEST(ProcessTest, PythonDrivesItThroughCtypes) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "a Python without the sanitizer's runtime cannot load a sanitized library";
#endif
  if (run("python3 -c 'import ctypes'").status != 0) GTEST_SKIP() << "no python3 with ctypes on this machine";
  const Outcome outcome = run("python3 '" OSDN_CTYPES_SCRIPT "' '" OSDN_EMULATOR_LIBRARY "'");
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_NE(outcome.output.find("ok"), std::string::npos) << outcome.output;
}

}  // namespace
}  // namespace driver_test
