#include "support.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace osdn::runtime::testing {
namespace {

template <class F>
F symbol(const char* name) {
  static void* const library = ::dlopen(OSDN_NULL_DRIVER, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(::dlerror());
  return reinterpret_cast<F>(::dlsym(library, name));
}

}  // namespace

ScopedVariable::ScopedVariable(const char* name, const std::string& value) : name_(name) {
  const char* now = std::getenv(name);
  was_set_ = now != nullptr;
  if (was_set_) before_ = now;
  ::setenv(name, value.c_str(), 1);
}

ScopedVariable::~ScopedVariable() {
  if (was_set_) {
    ::setenv(name_, before_.c_str(), 1);
  } else {
    ::unsetenv(name_);
  }
}

LogCallback Messages::callback() {
  return [this](LogLevel level, std::string_view text) {
    const std::lock_guard lock(mutex_);
    messages_.emplace_back(level, text);
  };
}

std::vector<std::string> Messages::warnings() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> found;
  for (const auto& [level, text] : messages_) {
    if (level == LogLevel::warning) found.push_back(text);
  }
  return found;
}

std::string Messages::all() const {
  std::string text;
  for (const std::string& one : warnings()) text += one + "\n";
  return text;
}

void Messages::clear() {
  const std::lock_guard lock(mutex_);
  messages_.clear();
}

null_driver::Books& fresh_books() {
  null_driver::Books& books = *symbol<null_driver::GetBooks>("null_driver_books")();
  const std::lock_guard lock(books.mutex);
  books.recording = true;
  books.fail_at = -1;
  books.fail_with = 999;
  books.fail_entry_with = 0;
  books.fail_entry.clear();
  books.refused_code.clear();
  books.refuse_with = 0;
  books.driver_version = 13000;
  books.device_count = 1;
  books.capture_status = 0;
  books.calls.clear();
  books.launches.clear();
  return books;
}

null_driver::SetCurrent set_current() {
  return symbol<null_driver::SetCurrent>("null_driver_set_current");
}
null_driver::GetContext primary_context() {
  return symbol<null_driver::GetContext>("null_driver_primary");
}
null_driver::GetContext other_context() {
  return symbol<null_driver::GetContext>("null_driver_other");
}

EngineOptions null_options() {
  EngineOptions options;
  options.driver_library = OSDN_NULL_DRIVER;
  options.nvrtc_library = OSDN_FAKE_NVRTC;
  options.disk_cache = false;
  return options;
}

Problem small_problem() {
  Problem problem;
  problem.k = 64;
  problem.v = 64;
  return problem;
}

ForwardArguments some_arguments(const PreparedOperation& operation) {
  ForwardArguments a;
  a.shape = {2, 130, 2, 4, 0};
  a.q = 0x10000;
  a.k = 0x20000;
  a.v = 0x30000;
  a.beta = 0x40000;
  a.o = 0x50000;
  a.workspace = 0x100000;
  a.workspace_bytes = operation.workspace_bytes(a.shape);
  return a;
}

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_all(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace osdn::runtime::testing
