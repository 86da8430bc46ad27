// A crew of real workers on the emulator.
#include "autotune/trial/crew.hpp"

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "generator/plan.hpp"
#include "tests/autotune/trial/support.hpp"

namespace osdn::autotune {
namespace {

TEST(Crew, CompilesChecksAndTimesTheDefault) {
  auto crew = make_crew(crew_options("osdn_forward:type=fp32,k=16,v=16", "b=1,t=100,h=1,hv=2"));
  ASSERT_TRUE(crew) << crew.error().message;
  EXPECT_TRUE((*crew)->deterministic());
  EXPECT_GE((*crew)->compilers(), 1);
  const Config usual = default_of("osdn_forward:type=fp32,k=16,v=16");
  const Compiled compiled = (*crew)->compile(usual);
  EXPECT_EQ(compiled.verdict.outcome, Outcome::passed) << compiled.verdict.reason;
  EXPECT_GT(compiled.resources.registers, 0);
  EXPECT_GT(compiled.resources.shared_bytes, 0U);
  // Two kernels: the warps of each, 32 threads a warp.
  EXPECT_EQ(compiled.resources.threads, 32 * (usual.warps + usual.preconditioner_warps));
  EXPECT_GT(compiled.resources.workspace_bytes, 0U);
  const Verdict verdict = (*crew)->gate(usual);
  EXPECT_EQ(verdict.outcome, Outcome::passed) << verdict.reason;
  const auto measured = (*crew)->measure(std::vector<Config>{usual, usual}, 2);
  ASSERT_TRUE(measured) << measured.error().message;
  EXPECT_FALSE(measured->broken);
  ASSERT_EQ(measured->rounds.size(), 2U);
  ASSERT_EQ(measured->rounds[0].size(), 2U);
  EXPECT_GT(measured->rounds[0][0], 2e-6);  // the model takes 2 us for a launch alone
  EXPECT_EQ(measured->rounds[0][0], measured->rounds[1][1]);
}

TEST(Crew, CompilesFromSeveralThreads) {
  CrewOptions options = crew_options("osdn_forward:type=fp32,k=16,v=16", "t=64");
  options.compilers = 2;
  auto crew = make_crew(options);
  ASSERT_TRUE(crew) << crew.error().message;
  std::vector<Verdict> verdicts(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    threads.emplace_back([&, i] {
      Config config = default_of("osdn_forward:type=fp32,k=16,v=16");
      config.preconditioner = PreconditionerAlgorithm::parallel;
      config.preconditioner_warps = i < 2 ? 1 : 2;
      verdicts[i] = (*crew)->compile(config).verdict;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Verdict& verdict : verdicts) EXPECT_EQ(verdict.outcome, Outcome::passed) << verdict.reason;
}

TEST(Crew, RefusesWhatBreaksAConstraint) {
  auto crew = make_crew(crew_options("osdn_forward:type=fp32,k=16,v=16", "t=64"));
  ASSERT_TRUE(crew) << crew.error().message;
  Config config = default_of("osdn_forward:type=fp32,k=16,v=16");
  config.value_split = 3;
  const Compiled compiled = (*crew)->compile(config);
  EXPECT_EQ(compiled.verdict.outcome, Outcome::refused);
  EXPECT_NE(compiled.verdict.reason.find("value_split = 3 does not divide"), std::string::npos)
      << compiled.verdict.reason;
}

TEST(Crew, EventsTimeReplays) {
  CrewOptions options = crew_options("osdn_forward:type=fp32,k=16,v=16", "t=50,n=3,h=1,hv=3");
  options.stopwatch = StopwatchKind::events;
  options.engine.validate = true;  // synchronises, which would break the capture
  auto crew = make_crew(options);
  ASSERT_TRUE(crew) << crew.error().message;
  EXPECT_FALSE((*crew)->deterministic());
  const Config usual = default_of("osdn_forward:type=fp32,k=16,v=16");
  Config other = usual;
  other.chunk = 16;  // needs a larger workspace
  auto measured = (*crew)->measure(std::vector<Config>{usual}, 1);
  ASSERT_TRUE(measured) << measured.error().message;
  measured = (*crew)->measure(std::vector<Config>{usual, other}, 3);
  ASSERT_TRUE(measured) << measured.error().message;
  ASSERT_FALSE(measured->broken) << measured->broken->verdict.reason;
  ASSERT_EQ(measured->rounds.size(), 3U);
  for (const auto& round : measured->rounds) {
    ASSERT_EQ(round.size(), 2U);
    for (const double seconds : round) {
      EXPECT_GT(seconds, 1e-5);  // of an emulator's work on 150 rows
      EXPECT_LT(seconds, 1.0);
    }
  }
}

/// The processes that this one has started.
std::vector<pid_t> children() {
  std::vector<pid_t> all;
  DIR* const folder = ::opendir("/proc");
  while (const dirent* entry = ::readdir(folder)) {
    std::ifstream file(std::string("/proc/") + entry->d_name + "/stat");
    std::string text;
    if (!std::getline(file, text)) continue;
    const std::size_t end = text.rfind(") ");
    if (end == std::string::npos) continue;
    char state = 0;
    int parent = 0;
    if (std::sscanf(text.c_str() + end + 2, "%c %d", &state, &parent) == 2 && parent == ::getpid()) {
      all.push_back(std::atoi(entry->d_name));
    }
  }
  ::closedir(folder);
  return all;
}

TEST(Crew, ReplacesWorkersThatSomebodyKillsBetweenRequests) {
  const char* const problem = "osdn_forward:type=fp32,k=16,v=16";
  auto crew = make_crew(crew_options(problem, "t=64"));
  ASSERT_TRUE(crew) << crew.error().message;
  const Config usual = default_of(problem);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ((*crew)->compile(usual).verdict.outcome, Outcome::passed);
    EXPECT_EQ((*crew)->gate(usual).outcome, Outcome::passed);
    const auto measured = (*crew)->measure(std::vector<Config>{usual}, 1);
    ASSERT_TRUE(measured) << measured.error().message;
    EXPECT_FALSE(measured->broken) << measured->broken->verdict.reason;
    EXPECT_EQ(children().size(), 3U);
    for (const pid_t child : children()) ::kill(child, SIGKILL);
  }
  crew = Error{};
  EXPECT_TRUE(children().empty());
}

TEST(Crew, OutlivesALackOfDescriptors) {
  const char* const problem = "osdn_forward:type=fp32,k=16,v=16";
  auto crew = make_crew(crew_options(problem, "t=64"));
  ASSERT_TRUE(crew) << crew.error().message;
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
  const rlimit none{3, usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const Compiled without = (*crew)->compile(default_of(problem));
  // Somebody gives descriptors back while it waits.
  std::thread generous([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    ::setrlimit(RLIMIT_NOFILE, &usual);
  });
  const Compiled with = (*crew)->compile(default_of(problem));
  generous.join();
  EXPECT_EQ(without.verdict.outcome, Outcome::died);
  EXPECT_NE(without.verdict.reason.find("cannot be started: Too many open files"), std::string::npos)
      << without.verdict.reason;
  EXPECT_TRUE(without.verdict.laboratory_lost);
  EXPECT_EQ(with.verdict.outcome, Outcome::passed) << with.verdict.reason;
}

TEST(Crew, TakesACacheOfItsOwnWhereThereIsNone) {
  const char* const problem = "osdn_forward:type=fp32,k=16,v=16";
  CrewOptions options = crew_options(problem, "t=64");
  options.engine.cache_directory = "/dev/null";
  std::mutex mutex;
  std::string warnings;
  options.log = runtime::Log([&](LogLevel, std::string_view text) {
    const std::lock_guard lock(mutex);
    warnings.append(text).append("\n");
  });
  auto crew = make_crew(options);
  ASSERT_TRUE(crew) << crew.error().message;
  const std::size_t at = warnings.find("; /");
  ASSERT_NE(at, std::string::npos) << warnings;
  const std::filesystem::path scratch = warnings.substr(at + 2, warnings.find(" takes its place") - at - 2);
  EXPECT_EQ(std::filesystem::status(scratch).permissions(), std::filesystem::perms::owner_all) << scratch;
  const Compiled compiled = (*crew)->compile(default_of(problem));
  EXPECT_EQ(compiled.verdict.outcome, Outcome::passed) << compiled.verdict.reason;
  std::size_t entries = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(scratch)) {
    if (file.path().extension() == ".osdn") ++entries;
  }
  EXPECT_EQ(entries, 2U);  // the two kernels, for the other workers to find
  crew = Error{};
  EXPECT_FALSE(std::filesystem::exists(scratch));
}

TEST(Crew, SaysWhyItCannotBegin) {
  CrewOptions options = crew_options("osdn_forward:type=fp32,k=16,v=16", "t=64");
  options.engine.driver_library = "/nowhere/libcuda.so.1";
  auto crew = make_crew(options);
  ASSERT_FALSE(crew);
  EXPECT_EQ(crew.error().code, ErrorCode::library_not_found) << crew.error().message;
  EXPECT_NE(crew.error().message.find("/nowhere/libcuda.so.1"), std::string::npos) << crew.error().message;

  options = crew_options("osdn_forward:type=fp32,k=16,v=16", "t=64");
  options.arch = "sm_12";
  crew = make_crew(options);
  ASSERT_FALSE(crew);
  EXPECT_EQ(crew.error().code, ErrorCode::invalid_argument) << crew.error().message;
  EXPECT_NE(crew.error().message.find("sm_12"), std::string::npos) << crew.error().message;

  options = crew_options("osdn_forward:type=fp32,k=16,v=16", "t=64");
  options.worker = "/bin/true";
  crew = make_crew(options);
  ASSERT_FALSE(crew);
  EXPECT_NE(crew.error().message.find("/bin/true ended with status 0"), std::string::npos) << crew.error().message;

  options.worker = "/nowhere/worker";
  crew = make_crew(options);
  ASSERT_FALSE(crew);
  EXPECT_EQ(crew.error().code, ErrorCode::library_not_found);
}

TEST(Crew, TimesWithoutTheDevicesLockButSaysSo) {
  const char* const problem = "osdn_forward:type=fp32,k=16,v=16";
  CrewOptions options = crew_options(problem, "t=20");
  options.stopwatch = StopwatchKind::events;
  std::string warnings;
  options.log = runtime::Log([&](LogLevel, std::string_view text) { warnings.append(text).append("\n"); });
  const char* const before = std::getenv("TMPDIR");
  const std::string usual = before != nullptr ? before : "";
  ::setenv("TMPDIR", "/proc", 1);  // no file can be made there
  auto crew = make_crew(options);
  const auto measured = crew ? (*crew)->measure(std::vector<Config>{default_of(problem)}, 1) : crew.error();
  before != nullptr ? ::setenv("TMPDIR", usual.c_str(), 1) : ::unsetenv("TMPDIR");
  ASSERT_TRUE(measured) << measured.error().message;
  EXPECT_EQ(measured->rounds.size(), 1U);
  EXPECT_NE(warnings.find("without the lock of the device"), std::string::npos) << warnings;
  EXPECT_NE(warnings.find("/proc/osdn-emulator-"), std::string::npos) << warnings;
}

TEST(Crew, BlamesNoCandidateForALackOfNvrtc) {
  const char* const problem = "osdn_forward:type=fp32,k=16,v=16";
  CrewOptions options = crew_options(problem, "t=20");
  options.engine.nvrtc_library = "/nowhere/libnvrtc.so";
  auto crew = make_crew(options);
  ASSERT_TRUE(crew) << crew.error().message;
  const Compiled compiled = (*crew)->compile(default_of(problem));
  EXPECT_EQ(compiled.verdict.outcome, Outcome::died);
  EXPECT_TRUE(compiled.verdict.laboratory_lost);
  EXPECT_NE(compiled.verdict.reason.find("no NVRTC found: install one"), std::string::npos) << compiled.verdict.reason;
  const auto measured = (*crew)->measure(std::vector<Config>{default_of(problem)}, 1);
  ASSERT_FALSE(measured) << "not a configuration that broke";
  EXPECT_NE(measured.error().message.find("no NVRTC found: install one"), std::string::npos)
      << measured.error().message;
}

TEST(Crew, ModelledTimesAreTheSameInEveryProcessWithAnyThreads) {
  const char* const problem = "osdn_forward:type=bf16,k=32,v=32,apf=per_token";
  std::vector<std::vector<double>> all;
  const Config usual = default_of(problem);
  Config other = usual;
  other.chunk = 32;
  for (const char* threads : {"1", "2", "5"}) {
    ::setenv("OSDN_EMULATOR_THREADS", threads, 1);
    CrewOptions options = crew_options(problem, "b=2,t=150,h=1,hv=3");
    options.seed = all.size();  // of the gate and of orders: no time hangs on it
    options.arch = "sm_90";
    auto crew = make_crew(options);
    ASSERT_TRUE(crew) << crew.error().message;
    const auto measured = (*crew)->measure(std::vector<Config>{usual, other}, 1);
    ASSERT_TRUE(measured) << measured.error().message;
    ASSERT_FALSE(measured->broken) << measured->broken->verdict.reason;
    all.push_back(measured->rounds[0]);
  }
  ::unsetenv("OSDN_EMULATOR_THREADS");
  EXPECT_EQ(all[0], all[1]);  // to the bit
  EXPECT_EQ(all[0], all[2]);
  EXPECT_NE(all[0][0], all[0][1]);
}

TEST(FindWorker, SaysWhereItLooked) {
  const auto named = find_worker("/nowhere/osdn-tune-worker");
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code, ErrorCode::library_not_found);
  EXPECT_NE(named.error().message.find("/nowhere/osdn-tune-worker (option worker) is not there"), std::string::npos)
      << named.error().message;
  const auto beside = find_worker({});  // test programs stand where the worker does
  ASSERT_TRUE(beside) << beside.error().context;
}

}  // namespace
}  // namespace osdn::autotune
