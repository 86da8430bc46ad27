// What may be missing or refuse around the program.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "program.hpp"
#include "reference/safetensors.hpp"

namespace osdn::test {
namespace {

constexpr const char* no_nvrtc = "/nonexistent/libnvrtc.so";

TEST_F(Program, WithoutNvrtcItSaysWhatToDo) {
  const Environment environment = {{"OSDN_NVRTC_LIBRARY", no_nvrtc}, {"OSDN_CACHE_DIR", path("cache")}};
  const Ran ran = osdn({"run", "--input", golden("deltanet"), "--output", path("out")}, environment);
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_NE(ran.err.find(no_nvrtc), std::string::npos) << ran.err;
  EXPECT_FALSE(std::filesystem::exists(path("out")));
  EXPECT_EQ(osdn({"compile", "--preset", "paper"}, environment).exit_code, 3);

  const Ran doctor = osdn({"doctor"}, environment);
  EXPECT_EQ(doctor.exit_code, 3);
  EXPECT_NE(doctor.out.find("missing  NVRTC"), std::string::npos) << doctor.out;
  EXPECT_NE(doctor.out.find("OSDN_NVRTC_LIBRARY"), std::string::npos) << doctor.out;
  EXPECT_NE(doctor.out.find("osdn cannot run here yet"), std::string::npos) << doctor.out;

  // What needs no compiler works.
  EXPECT_EQ(osdn({"list"}, environment).exit_code, 0);
  EXPECT_EQ(osdn({"generate", "--preset", "paper"}, environment).exit_code, 0);
  EXPECT_EQ(osdn({"verify", "--device", "reference", "--input", golden("deltanet")}, environment).exit_code, 0);
}

TEST_F(Program, DoctorFindsTheWholeWay) {
  const Ran lost = osdn({"doctor"}, {{"OSDN_TUNE_WORKER", "/nonexistent/worker"}, {"OSDN_TUNING_DIR", "/proc/tuning"}});
  EXPECT_NE(lost.out.find("missing  tuning worker"), std::string::npos) << lost.out;
  EXPECT_NE(lost.out.find("/nonexistent/worker"), std::string::npos) << lost.out;
  EXPECT_NE(lost.out.find("missing  tuning database"), std::string::npos) << lost.out;
  const Ran ran = osdn({"doctor", "--json"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out;
  EXPECT_TRUE(ran.json()["runs"].get<bool>());
  bool emulator = false;
  const auto report = ran.json();
  for (const auto& finding : report["findings"]) {
    if (finding["what"] == "a case on the emulator") emulator = finding["found"].get<bool>();
    EXPECT_TRUE(finding["what"] != "GPU" || !finding["found"].get<bool>());
    EXPECT_EQ(finding["found"].get<bool>(), !finding.contains("advice"));
  }
  EXPECT_TRUE(emulator);
}

TEST_F(Program, FindsWhatLiesBesideItWhenItIsCalledByPath) {
  const auto folder = std::filesystem::path(OSDN_PROGRAM).parent_path().string();
  const std::string command =
      "cd / && unset OSDN_TUNE_WORKER && PATH='" + folder + "':$PATH osdn doctor > '" + path("said") + "'";
  std::system(command.c_str());  // NOLINT(cert-env33-c,concurrency-mt-unsafe): a shell's look-up is what is tested
  std::stringstream said;
  said << std::ifstream(path("said")).rdbuf();
  EXPECT_NE(said.str().find("found    tuning worker: " + folder), std::string::npos) << said.str();
  EXPECT_NE(said.str().find("found    a case on the emulator"), std::string::npos) << said.str();
}

TEST_F(Program, AGpuThatIsAskedForAndAbsentIsAnError) {
  const Ran ran = osdn({"run", "--device", "gpu", "--input", golden("deltanet"), "--output", path("out")});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_NE(ran.err.find("/nonexistent/libcuda.so.1"), std::string::npos) << ran.err;
  // Nor is the emulator one, whoever names it.
  const Ran named = osdn({"run", "--device", "gpu", "--input", golden("deltanet"), "--output", path("out")},
                         {{"OSDN_CUDA_LIBRARY", OSDN_EMULATOR_LIBRARY}});
  EXPECT_EQ(named.exit_code, 3);
  EXPECT_NE(named.err.find("is the emulator, not a GPU"), std::string::npos) << named.err;
  EXPECT_TRUE(files().empty());
}

TEST_F(Program, AnOutputThatCannotBeWrittenIsSaidBeforeAnythingRuns) {
  std::filesystem::create_directory(path("folder"));
  for (const std::string& output :
       {path("no/such/folder/out"), path("folder"), std::string("/dev/full"), std::string("/dev/null")}) {
    const Ran ran = osdn({"run", "--input", golden("deltanet"), "--output", output});
    EXPECT_EQ(ran.exit_code, 3) << output;
    EXPECT_NE(ran.err.find(output), std::string::npos) << ran.err;
    EXPECT_TRUE(ran.out.empty()) << ran.out;
  }
  EXPECT_EQ(files(), std::vector<std::string>{"folder"});
  if (::geteuid() == 0) return;  // root may write anywhere
  ::chmod(path("folder").c_str(), 0500);
  EXPECT_EQ(osdn({"run", "--input", golden("deltanet"), "--output", path("folder/out")}).exit_code, 3);
}

TEST_F(Program, AFullDiskUnderTheOutputLeavesTheOldOne) {
  std::ofstream(path("out")) << "old";
  const std::vector<std::string> arguments = {
      "run", "--device", "reference", "--input", golden("osdn_single_token"), "--output", path("out")};
  const Ran ran = osdn(arguments, {}, 100'000);  // of 400,000
  EXPECT_EQ(ran.exit_code, 3) << ran.err;
  EXPECT_NE(ran.err.find(path("out") + ": cannot write the output"), std::string::npos) << ran.err;
  EXPECT_EQ(files(), std::vector<std::string>{"out"});
  std::ifstream in(path("out"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "old");
}

TEST_F(Program, AFileSystemWithoutRoomLeavesNothing) {
  std::filesystem::create_directory(path("small"));
  if (::mount("tmpfs", path("small").c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "mounting a small file system needs root; the test above covers the same path by a file size limit";
  }
  const Ran ran = osdn({"run", "--input", golden("osdn_single_token"), "--output", path("small/out")});
  const bool empty = std::filesystem::is_empty(path("small"));
  ::umount(path("small").c_str());
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_NE(ran.err.find("No space left"), std::string::npos) << ran.err;
  EXPECT_TRUE(empty);
}

TEST_F(Program, AnInterruptionEndsItAtAnyTimeAndLeavesNothingHalfDone) {
  // While NVRTC's front end works, too, which would end the process with exit code 4.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    for (const int delay : {30, 60, 90, 150, 400}) {
      std::filesystem::create_directory(path("out"));
      const int code = interrupted_osdn({"run", "--input", golden("osdn_paper"), "--output", path("out/o")},
                                        path("cache"), signal, std::chrono::milliseconds(delay));
      EXPECT_TRUE(code == 128 + signal || code == 0) << code << " after " << delay << " ms";
      EXPECT_EQ(std::filesystem::is_empty(path("out")), code != 0);
      std::filesystem::remove_all(path("out"));
      std::filesystem::remove_all(path("cache"));
    }
  }
}

/// Through a shell, for redirections: the test's own stdout is a file that can take everything.
int exit_code_in_shell(const std::string& arguments, const std::string& code_file) {
  const std::string command = "'" OSDN_PROGRAM "' " + arguments + "; echo $? > '" + code_file + "'";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream file(code_file);
  int code = -1;
  file >> code;
  return code;
}

TEST_F(Program, StdoutThatCannotTakeTheResultIsAnError) {
  // The second is longer than any buffer, so that it fails before the end.
  for (const char* verb : {"list --json", "list --configurations", "--help", "run --help"}) {
    EXPECT_EQ(exit_code_in_shell(std::string(verb) + " > /dev/full 2> " + path("err"), path("code")), 3) << verb;
  }
}

TEST_F(Program, StderrThatCannotTakeTheMessageChangesNothing) {
  EXPECT_EQ(exit_code_in_shell("nonsense 2> /dev/full", path("code")), 2);
}

}  // namespace
}  // namespace osdn::test
