// Workers and those who hold them: what each side does when the other does not keep to the protocol.
#include "autotune/trial/worker.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "autotune/trial/build_id.hpp"
#include "autotune/trial/device_lock.hpp"
#include "autotune/trial/lines.hpp"
#include "autotune/trial/messages.hpp"
#include "autotune/trial/post.hpp"
#include "tests/autotune/trial/support.hpp"

namespace osdn::autotune {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// A worker on a thread of this process.
class Conversation {
 public:
  Conversation() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ours_ = ends[0];
    theirs_ = ends[1];
    thread_ = std::thread([this] { status_ = run_worker(theirs_); });
  }
  ~Conversation() { end(); }

  void say(const std::string& text) { ::send(ours_, text.data(), text.size(), MSG_NOSIGNAL); }
  std::string hear() { return receive_line(ours_, lines_).value_or("(nothing)"); }
  int end() {
    if (!thread_.joinable()) return status_;
    ::shutdown(ours_, SHUT_WR);
    thread_.join();
    ::close(ours_);
    ::close(theirs_);
    return status_;
  }

 private:
  int ours_ = -1;
  int theirs_ = -1;
  int status_ = -1;
  LineBuffer lines_;
  std::thread thread_;
};

Setup compile_setup() {
  Setup setup;
  setup.problem = problem_of("osdn_forward:type=fp32,k=16,v=16");
  setup.shape = *parse_shape("t=64");
  setup.engine = crew_options("osdn_forward:type=fp32,k=16,v=16", "t=64").engine;
  return setup;
}

std::string line_of(const Setup& setup) {
  Json json = to_json(setup);
  json["request"] = "setup";
  return to_line(json) + "\n";
}

TEST(Worker, EndsWithAWordOnWhatIsNoRequest) {
  const std::string set_up = line_of(compile_setup());
  Json half = to_json(compile_setup());
  half["request"] = "setup";
  half.erase("shape");
  Json wrong_type = to_json(compile_setup());
  wrong_type["request"] = "setup";
  wrong_type["device"] = "first";
  struct Row {
    std::string said;
    const char* answer;
  };
  const std::vector<Row> rows = {
      {"hello\n", "one JSON object a line"},
      {"[1,2]\n", "one JSON object a line"},
      {"{\"config\":\"chunk=16\"}\n", "names what is asked"},
      {"{\"request\":7}\n", "names what is asked"},
      {"{\"request\":\"compile\",\"config\":\"chunk=16\"}\n", "'compile' is not what this worker does"},  // not set up
      {to_line(half) + "\n", "shape is missing"},
      {to_line(wrong_type) + "\n", "device has the wrong type"},
      {std::string(longest_line + 2, 'x'), "longer than a line may be"},
  };
  for (const Row& row : rows) {
    Conversation worker;
    std::thread speaker([&] { worker.say(row.said); });  // the overlong one is not read to its end
    const std::string answer = worker.hear();
    EXPECT_NE(answer.find("malformed request"), std::string::npos) << answer;
    EXPECT_NE(answer.find(row.answer), std::string::npos) << row.said.substr(0, 100) << " -> " << answer;
    speaker.join();
    EXPECT_EQ(worker.end(), 2);
  }
  for (const char* said : {"{\"request\":\"gate\",\"config\":\"chunk=16\"}\n", "{\"request\":\"compile\"}\n",
                           "{\"request\":\"compile\",\"config\":\"chunk=17x\"}\n", "{\"request\":\"dance\"}\n"}) {
    Conversation worker;
    worker.say(set_up);
    EXPECT_NE(worker.hear().find("result"), std::string::npos);
    worker.say(said);
    EXPECT_NE(worker.hear().find("malformed request"), std::string::npos) << said;
    EXPECT_EQ(worker.end(), 2);
  }
}

TEST(Worker, EndsQuietlyWhenTheOtherSideDoes) {
  Conversation worker;
  worker.say(line_of(compile_setup()));
  EXPECT_NE(worker.hear().find("result"), std::string::npos);
  EXPECT_EQ(worker.end(), 0);
}

TEST(Messages, ComeBackAsTheyWereSent) {
  auto setup = compile_setup();
  setup.role = Role::time;
  setup.arch = "sm_90";
  setup.seed = 0xFFFFFFFFFFFFFFFFULL;
  setup.modelled = true;
  setup.driver_version = 12040;
  const auto setup_back = read_setup(Json::parse(to_line(to_json(setup))));
  ASSERT_TRUE(setup_back) << setup_back.error().message;
  EXPECT_EQ(to_json(*setup_back), to_json(setup));
  Measurement measured;
  measured.rounds = {{0.1, 1.0 / 3}, {5e-324, 1.7976931348623157e308}};
  measured.broken = Measurement::Breakage{1, {Outcome::hung, "late \xFF", true}};
  const auto back = read_measurement(Json::parse(to_line(to_json(measured))), 2);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->rounds, measured.rounds);  // to the bit
  EXPECT_EQ(back->broken->index, 1U);
  EXPECT_EQ(back->broken->verdict.outcome, Outcome::hung);
  EXPECT_TRUE(back->broken->verdict.laboratory_lost);
  EXPECT_FALSE(read_measurement(Json::parse("{\"rounds\":[[1.0]]}"), 2));
  EXPECT_FALSE(read_measurement(Json::parse("{\"rounds\":[[1.0,-1.0]]}"), 2));
  EXPECT_FALSE(read_measurement(Json::parse("{\"rounds\":[],\"broken\":{\"index\":2}}"), 2));
  EXPECT_FALSE(read_measurement(Json::parse("[]"), 2));
  EXPECT_FALSE(read_verdict(Json::parse("{\"outcome\":\"fine\",\"reason\":\"\"}")));
}

/// A worker program that is a shell script: descriptor 3 is the socket.
class Script {
 public:
  explicit Script(const std::string& text) {
    std::string name = (std::filesystem::temp_directory_path() / "osdn-test-script-XXXXXX").string();
    const int descriptor = ::mkstemp(name.data());
    ::close(descriptor);
    path_ = name;
    std::ofstream(path_) << "#!/bin/sh\n" << text << "\n";
    ::chmod(path_.c_str(), 0700);
  }
  ~Script() { std::filesystem::remove(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class PostTest : public testing::Test {
 protected:
  Post::Answer ask(const std::string& script) {
    const Script program(script);
    facts_.program = program.path();
    facts_.setup = compile_setup();
    facts_.compile_patience = 400ms;
    facts_.run_patience = 400ms;
    Post post(facts_, spawner_, Role::compile);
    return post.ask({{"request", "compile"}});
  }
  const std::string ready_ =
      "read line <&3; echo '{\"result\":{\"build\":\"" + std::string(build_id()) + "\"}}' >&3; read line <&3\n";
  CrewFacts facts_;
  Spawner spawner_;
};

TEST_F(PostTest, SaysHowAWorkerEnded) {
  using End = Post::Answer::End;
  struct Row {
    std::string script;
    End end;
    const char* reason;
  };
  const std::string begun = ready_ + "echo '{\"doing\":\"preparing\",\"index\":0}' >&3\n";
  const std::vector<Row> rows = {
      {begun + "kill -SEGV $$", End::died, "was ended by signal 11 (SIGSEGV)"},
      {begun + "echo first >&2; echo 'out of cheese' >&2; exit 3", End::died,
       "ended with status 3; its last words: out of cheese"},
      {begun + "sleep 60", End::hung, "was not done within 0.4 s (preparing): killed"},
      {begun + "kill -STOP $$; sleep 60", End::hung, "killed"},
      {begun + "echo hello >&3; sleep 60", End::died, "the worker answered 'hello', which is no answer"},
      {begun + "echo '{\"result' >&3; sleep 60", End::died, "which is no answer"},
      {begun + "echo '{\"error\":{\"code\":\"io\",\"message\":\"no more\"}}' >&3", End::died, "gave up: no more"},
      {begun + "head -c 9000000 /dev/zero >&3; sleep 60", End::died, "a line without an end"},
      {begun + "while :; do echo noise >&2; done", End::hung, "killed"},
      {begun + "echo '{\"result\":{\"a\":1}}' >&3", End::result, ""},
      {"read line <&3; echo '{\"result\":{}}' >&3; sleep 60", End::absent, "another build of osdn"},
      {"read line <&3; echo '{\"result\":{\"build\":\"0123\"}}' >&3; sleep 60", End::absent, "another build of osdn"},
      {"exit 1", End::absent, "ended with status 1"},
      {"read line <&3; echo '{\"error\":{\"code\":\"no_device\",\"message\":\"no GPU\"}}' >&3", End::absent, "no GPU"},
  };
  for (const Row& row : rows) {
    const Post::Answer answer = ask(row.script);
    EXPECT_EQ(static_cast<int>(answer.end), static_cast<int>(row.end)) << row.script << " -> " << answer.reason;
    EXPECT_NE(answer.reason.find(row.reason), std::string::npos) << row.script << " -> " << answer.reason;
  }
}

TEST_F(PostTest, TriesOnceMoreWhenAWorkerIsLostBeforeItBegins) {
  const std::string mark = std::filesystem::temp_directory_path() / ("osdn-test-mark-" + std::to_string(::getpid()));
  std::filesystem::remove(mark);
  // The first one ends when it gets the request, the second one answers.
  const Post::Answer answer =
      ask(ready_ + "test -e " + mark + " || { touch " + mark + "; kill -KILL $$; }\necho '{\"result\":{\"a\":1}}' >&3");
  EXPECT_EQ(static_cast<int>(answer.end), static_cast<int>(Post::Answer::End::result)) << answer.reason;
  std::filesystem::remove(mark);
  const Post::Answer never = ask(ready_ + "kill -KILL $$");
  EXPECT_EQ(static_cast<int>(never.end), static_cast<int>(Post::Answer::End::died));
  EXPECT_NE(never.reason.find("signal 9 (SIGKILL)"), std::string::npos) << never.reason;
}

TEST_F(PostTest, GivesAWorkerNothingOfItsOwnButTheSocket) {
  const int low = ::open("/dev/null", O_RDONLY);
  const int open_file = ::fcntl(low, F_DUPFD, 50);  // without O_CLOEXEC, as a host's may be
  ::close(low);
  ASSERT_GE(open_file, 50);
  const Post::Answer answer =
      ask(ready_ + "seen=$(ls /proc/$$/fd | tr '\\n' ' '); echo \"{\\\"result\\\":{\\\"seen\\\":\\\"$seen\\\"}}\" >&3");
  ::close(open_file);
  ASSERT_EQ(static_cast<int>(answer.end), static_cast<int>(Post::Answer::End::result)) << answer.reason;
  std::istringstream seen(answer.json.value("seen", ""));
  int descriptors = 0;
  for (int descriptor = 0; seen >> descriptor; ++descriptors) {
    EXPECT_LT(descriptor, 16) << answer.json;  // the shell has a few of its own
  }
  EXPECT_GE(descriptors, 4);
}

TEST_F(PostTest, AsksAnotherWorkerWhenSomebodyKilledOneAtItsWork) {
  const std::string mark = std::filesystem::temp_directory_path() / ("osdn-test-kill-" + std::to_string(::getpid()));
  std::filesystem::remove(mark);
  const std::string begun = ready_ + "echo '{\"doing\":\"preparing\",\"index\":0}' >&3\n";
  const Post::Answer answer =
      ask(begun + "test -e " + mark + " || { touch " + mark + "; kill -KILL $$; }\necho '{\"result\":{\"a\":1}}' >&3");
  EXPECT_EQ(static_cast<int>(answer.end), static_cast<int>(Post::Answer::End::result)) << answer.reason;
  std::filesystem::remove(mark);
}

TEST_F(PostTest, CountsNoTimeInWhichItWasStoppedItself) {
  const Script program(ready_ + "echo '{\"doing\":\"checking\",\"index\":0}' >&3\n" +
                       "kill -STOP $PPID; sleep 4; kill -CONT $PPID; sleep 0.3; echo '{\"result\":{\"a\":1}}' >&3");
  const pid_t child = ::fork();
  if (child == 0) {
    Spawner spawner;
    CrewFacts facts;
    facts.program = program.path();
    facts.setup = compile_setup();
    facts.run_patience = 1800ms;
    Post post(facts, spawner, Role::compile);
    ::_exit(post.ask({{"request", "compile"}}).end == Post::Answer::End::result ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(WorkerProcess, OutlivesTheSignalsOfItsGroupWhileItCompiles) {
  Spawner spawner;
  CrewFacts facts;
  facts.program = OSDN_TUNE_WORKER_PROGRAM;
  facts.setup = compile_setup();
  facts.setup.engine.disk_cache = false;
  Post post(facts, spawner, Role::compile);
  ASSERT_TRUE(post.man());
  const pid_t pid = post.pid();
  std::atomic<bool> done{false};
  std::thread pest([&] {
    while (!done) {
      for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::kill(pid, number);
      std::this_thread::sleep_for(1ms);
    }
  });
  const Config usual = default_of("osdn_forward:type=fp32,k=16,v=16");
  const Post::Answer answer = post.ask({{"request", "compile"}, {"config", to_string(usual)}});
  done = true;
  pest.join();
  EXPECT_EQ(static_cast<int>(answer.end), static_cast<int>(Post::Answer::End::result)) << answer.reason;
  EXPECT_EQ(answer.json.value("/verdict/outcome"_json_pointer, ""), "passed") << answer.json;
  EXPECT_EQ(post.pid(), pid);
}

TEST(WorkerProcess, IgnoresInterruptsAndDiesWithItsParent) {
  int told[2] = {-1, -1};
  ASSERT_EQ(::pipe(told), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Spawner spawner;
    CrewFacts facts;
    facts.program = OSDN_PLANTED_WORKER;
    facts.setup = compile_setup();
    Post post(facts, spawner, Role::compile);
    const bool up = post.man().has_value();
    const pid_t pid = up ? post.pid() : 0;
    ::kill(pid, SIGINT);
    // Still there after the interrupt: it answers.
    Config usual = default_of("osdn_forward:type=fp32,k=16,v=16");
    const Post::Answer answer = post.ask({{"request", "compile"}, {"config", to_string(usual)}});
    const pid_t same = answer.end == Post::Answer::End::result && post.pid() == pid ? pid : 0;
    if (::write(told[1], &same, sizeof(same)) != sizeof(same)) ::_exit(1);
    usual.preconditioner = PreconditionerAlgorithm::parallel;
    usual.preconditioner_warps = 2;  // an hour's work: it hears nothing of a closed socket meanwhile
    post.ask({{"request", "compile"}, {"config", to_string(usual)}});
    ::_exit(1);
  }
  pid_t worker = 0;
  ASSERT_EQ(::read(told[0], &worker, sizeof(worker)), static_cast<ssize_t>(sizeof(worker)));
  ::close(told[0]);
  ::close(told[1]);
  ASSERT_GT(worker, 0);
  EXPECT_EQ(::kill(worker, 0), 0);
  std::this_thread::sleep_for(200ms);  // it is at work
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto gone = [&] {
    // A zombie that its new parent has not taken yet is as good as gone.
    std::ifstream stat("/proc/" + std::to_string(worker) + "/stat");
    std::string text;
    return !std::getline(stat, text) || text.find(") Z ") != std::string::npos;
  };
  const auto deadline = Clock::now() + 5s;
  while (!gone() && Clock::now() < deadline) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(gone());
}

TEST(DeviceLock, KeepsOthersOutUntilItIsLetGo) {
  DeviceDescription device;
  device.pci_bus_id = "0000:3b:00.0";
  const std::string file = device_lock_file(std::filesystem::temp_directory_path(), device);
  EXPECT_NE(file.find("osdn-gpu-0000-3b-00-0.lock"), std::string::npos) << file;
  std::atomic<int> waited{0};
  std::atomic<bool> second_in{false};
  auto first = std::make_unique<DeviceLock>(file, [] {});
  EXPECT_EQ(first->refusal(), "");
  std::thread other([&] {
    const DeviceLock second(file, [&] { ++waited; });
    second_in = true;
  });
  while (waited == 0) std::this_thread::sleep_for(1ms);
  EXPECT_FALSE(second_in);
  first.reset();
  other.join();
  EXPECT_TRUE(second_in);
  std::filesystem::remove(file);
  const DeviceLock nowhere("/nowhere/osdn.lock", [] {});
  EXPECT_NE(nowhere.refusal().find("/nowhere/osdn.lock"), std::string::npos);
}

}  // namespace
}  // namespace osdn::autotune
