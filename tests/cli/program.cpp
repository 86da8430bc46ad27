#include "program.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

namespace osdn::test {
namespace {

namespace fs = std::filesystem;

std::string make_folder(const std::string& kind) {
  std::string name = (fs::temp_directory_path() / ("osdn-" + kind + "-XXXXXX")).string();
  return ::mkdtemp(name.data());
}

/// Lives as long as the test program.
class SharedCache {
 public:
  SharedCache() : folder_(make_folder("test-cache")) {}
  ~SharedCache() { fs::remove_all(folder_); }
  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

[[noreturn]] void become(const std::vector<std::string>& arguments, const Environment& environment,
                         std::optional<std::uint64_t> file_limit, const std::string& out, const std::string& err) {
  const int null = ::open("/dev/null", O_RDONLY);
  const int out_file = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int err_file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::dup2(null, 0);
  ::dup2(out_file, 1);
  ::dup2(err_file, 2);
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  if (file_limit) {
    const rlimit limit = {*file_limit, *file_limit};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  std::vector<char*> words = {const_cast<char*>(OSDN_PROGRAM)};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(OSDN_PROGRAM, words.data());
  ::_exit(127);
}

}  // namespace

nlohmann::json Ran::json() const {
  auto parsed = nlohmann::json::parse(out, nullptr, false);
  EXPECT_FALSE(parsed.is_discarded()) << out << err;
  return parsed.is_discarded() ? nlohmann::json::object() : parsed;
}

Running::Running(const std::vector<std::string>& arguments, const Environment& environment,
                 std::optional<std::uint64_t> file_limit) {
  static const SharedCache cache;
  // A machine with a GPU is tested the same way: these tests are of the program, on the device that is everywhere.
  Environment all = {{"OSDN_CACHE_DIR", cache.folder()}, {"OSDN_CUDA_LIBRARY", "/nonexistent/libcuda.so.1"}};
  for (const auto& [name, value] : environment) all[name] = value;
  folder_ = make_folder("ran");
  child_ = ::fork();
  if (child_ == 0) become(arguments, all, file_limit, folder_ + "/out", folder_ + "/err");
}

Running::~Running() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    wait();
  }
  fs::remove_all(folder_);
}

void Running::signal(int number) const {
  if (child_ > 0) ::kill(child_, number);
}

std::string Running::err() const {
  return read_all(folder_ + "/err");
}

Ran Running::wait() {
  int status = 0;
  ::waitpid(child_, &status, 0);
  child_ = 0;
  Ran ran;
  ran.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ran.out = read_all(folder_ + "/out");
  ran.err = read_all(folder_ + "/err");
  return ran;
}

Ran osdn(const std::vector<std::string>& arguments, const Environment& environment,
         std::optional<std::uint64_t> file_limit) {
  return Running(arguments, environment, file_limit).wait();
}

int interrupted_osdn(const std::vector<std::string>& arguments, const std::string& cache, int signal,
                     std::chrono::milliseconds delay) {
  Running running(arguments, {{"OSDN_CACHE_DIR", cache}});
  std::this_thread::sleep_for(delay);
  running.signal(signal);
  return running.wait().exit_code;
}

std::string golden(const std::string& name) {
  return OSDN_TEST_DATA "/golden/" + name + ".safetensors";
}

Program::Program() : folder_(make_folder("program")) {}

Program::~Program() {
  fs::remove_all(folder_);
}

std::vector<std::string> Program::files() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename().string());
  return names;
}

}  // namespace osdn::test
