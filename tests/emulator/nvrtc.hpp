// A C++ source to PTX. Only for these tests.
#pragma once

#include <dlfcn.h>

#include <string>
#include <vector>

#include "runtime/nvrtc.hpp"

namespace emulator::test {

class Nvrtc {
 public:
  /// The NVRTC that the project's own search takes, opened as the runtime opens it.
  Nvrtc() {
    const auto search = osdn::runtime::find_nvrtc(osdn::runtime::default_nvrtc_search({}), 0);
    if (search.found.empty() || !search.found.front().problem.empty()) return;
    if (const auto opened = osdn::runtime::open_nvrtc(search.found.front().path)) {
      library_ = dlopen((*opened)->library.c_str(), RTLD_NOW | RTLD_LOCAL);
    }
  }
  [[nodiscard]] bool found() const { return library_ != nullptr; }

  /// The PTX, or an empty string and the compiler's log in `log`.
  std::string compile(const std::string& source, const std::string& arch, std::string& log,
                      const std::vector<std::string>& further = {}) const {
    const auto create =
        symbol<int (*)(void**, const char*, const char*, int, const char**, const char**)>("nvrtcCreateProgram");
    const auto build = symbol<int (*)(void*, int, const char**)>("nvrtcCompileProgram");
    const auto ptx_size = symbol<int (*)(void*, std::size_t*)>("nvrtcGetPTXSize");
    const auto ptx = symbol<int (*)(void*, char*)>("nvrtcGetPTX");
    const auto log_size = symbol<int (*)(void*, std::size_t*)>("nvrtcGetProgramLogSize");
    const auto program_log = symbol<int (*)(void*, char*)>("nvrtcGetProgramLog");
    const auto destroy = symbol<int (*)(void**)>("nvrtcDestroyProgram");
    void* program = nullptr;
    if (create(&program, source.c_str(), "test.cu", 0, nullptr, nullptr) != 0) return {};
    const std::string option = "-arch=" + arch;
    std::vector<const char*> options = {option.c_str()};
    for (const std::string& each : further) options.push_back(each.c_str());
    const bool good = build(program, static_cast<int>(options.size()), options.data()) == 0;
    std::size_t size = 0;
    log_size(program, &size);
    log.resize(size);
    program_log(program, log.data());
    std::string result;
    if (good && ptx_size(program, &size) == 0) {
      result.resize(size);
      ptx(program, result.data());
    }
    destroy(&program);
    return result;
  }

 private:
  template <class F>
  F symbol(const char* name) const {
    return reinterpret_cast<F>(dlsym(library_, name));
  }
  void* library_ = nullptr;
};

}  // namespace emulator::test
