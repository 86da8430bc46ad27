// An NVRTC of any version that compiles anything at once. It makes searching, racing and failing cheap to test.
// FAKE_NVRTC_COUNT names a file that gets one byte for every compilation, in whatever process; FAKE_NVRTC_DELAY_MS
// makes compilations last; with FAKE_NVRTC_MEET, one fails unless as many of this process are under way together.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>

#include "runtime/nvrtc_api.hpp"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace osdn::runtime::nvrtc {
struct ProgramTag {
  std::string source;
  std::string ptx;
  std::string cubin;
  std::string log;
};
}  // namespace osdn::runtime::nvrtc

using namespace osdn::runtime::nvrtc;

namespace {

/// Waits for the others, but not forever.
bool meet(int expected) {
  static std::mutex mutex;
  static std::condition_variable came;
  static int arrived = 0;
  std::unique_lock lock(mutex);
  ++arrived;
  came.notify_all();
  return came.wait_for(lock, std::chrono::seconds(20), [&] { return arrived >= expected; });
}

}  // namespace

EXPORT Result nvrtcVersion(int* major, int* minor) {
  *major = FAKE_NVRTC_VERSION / 1000;
  *minor = FAKE_NVRTC_VERSION % 1000 / 10;
  return success;
}
EXPORT const char* nvrtcGetErrorString(Result result) {
  return result == error_compilation ? "NVRTC_ERROR_COMPILATION" : "NVRTC_SOMETHING";
}
EXPORT Result nvrtcGetNumSupportedArchs(int* count) {
  *count = 3;
  return success;
}
EXPORT Result nvrtcGetSupportedArchs(int* archs) {
  archs[0] = 80;
  archs[1] = 86;
  archs[2] = 90;
  return success;
}
EXPORT Result nvrtcCreateProgram(Program* program, const char* source, const char*, int, const char* const*,
                                 const char* const*) {
  *program = new ProgramTag{source, {}, {}, {}};
  return success;
}
EXPORT Result nvrtcDestroyProgram(Program* program) {
  delete *program;
  *program = nullptr;
  return success;
}
EXPORT Result nvrtcCompileProgram(Program program, int, const char* const*) {
  if (const char* file = std::getenv("FAKE_NVRTC_COUNT")) {
    const int descriptor = ::open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor >= 0 && ::write(descriptor, "x", 1) != 1) std::abort();
    ::close(descriptor);
  }
  if (const char* delay = std::getenv("FAKE_NVRTC_DELAY_MS")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(delay)));
  }
  if (const char* count = std::getenv("FAKE_NVRTC_MEET"); count != nullptr && !meet(std::atoi(count))) {
    program->log = "the others did not come";
    return error_compilation;
  }
  if (program->source.find("#error") != std::string::npos) {
    program->log = "kernel.cu(1): error: #error directive";
    return error_compilation;
  }
  program->ptx = "// PTX of " + program->source;
  program->cubin = "machine code of " + program->source;
  program->log = "ptxas info    : Used 32 registers, used 1 barriers, 1024 bytes smem";
  return success;
}
EXPORT Result nvrtcGetProgramLogSize(Program program, std::size_t* bytes) {
  *bytes = program->log.size() + 1;
  return success;
}
EXPORT Result nvrtcGetProgramLog(Program program, char* log) {
  std::memcpy(log, program->log.c_str(), program->log.size() + 1);
  return success;
}
EXPORT Result nvrtcGetPTXSize(Program program, std::size_t* bytes) {
  *bytes = program->ptx.size() + 1;
  return success;
}
EXPORT Result nvrtcGetPTX(Program program, char* ptx) {
  std::memcpy(ptx, program->ptx.c_str(), program->ptx.size() + 1);
  return success;
}
EXPORT Result nvrtcGetCUBINSize(Program program, std::size_t* bytes) {
  *bytes = program->cubin.size();
  return success;
}
EXPORT Result nvrtcGetCUBIN(Program program, char* cubin) {
  std::memcpy(cubin, program->cubin.data(), program->cubin.size());
  return success;
}
