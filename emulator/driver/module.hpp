// Loaded code: modules of a context, libraries of the process, and the functions in them.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "driver/entry.hpp"

namespace emulator {

/// PTX that was parsed for one device. Its global variables live as long as it does.
struct Code {
  std::unique_ptr<Module> module;
  int ptx_version = 0;     ///< 90 for .version 9.0
  int target_version = 0;  ///< 80 for .target sm_80
};

struct Function {
  CUfunction handle = nullptr;
  std::weak_ptr<Context> context;
  std::shared_ptr<const Code> code;
  const Kernel* kernel = nullptr;
  CUmodule module = nullptr;
  std::atomic<int> max_dynamic_shared{0};  ///< what a launch may ask for
  std::atomic<int> carveout{-1};
  std::atomic<bool> unloaded{false};  ///< its module is gone: what is still to run of it is a fault
};

struct ModuleObject {
  CUmodule handle = nullptr;
  std::weak_ptr<Context> context;
  std::shared_ptr<const Code> code;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Function>> functions;
};

struct LibraryKernel {
  CUkernel handle = nullptr;
  std::weak_ptr<LibraryObject> library;
  std::string name;
};

/// Code that is not bound to a context: each context that uses it gets its own module.
struct LibraryObject {
  CUlibrary handle = nullptr;
  std::string image;
  std::mutex mutex;
  std::vector<std::string> names;
  std::map<std::string, std::shared_ptr<LibraryKernel>> kernels;
  std::map<std::uint64_t, std::shared_ptr<ModuleObject>> modules;  ///< by Context::id
  std::map<std::string, std::map<int, int>> dynamic_shared;        ///< set on a kernel: by name and device
  void forget(const Context& context);
};

/// Parses an image for a device. Throws what a driver returns for it; the reason is the last fault and in `log`.
std::shared_ptr<const Code> load_image(const void* image, Device& device, std::string& log);

/// Creates a module in a context from parsed code and gives it a handle.
std::shared_ptr<ModuleObject> make_module(const ContextPtr& context, std::shared_ptr<const Code> code);

/// The function of that name. Throws CUDA_ERROR_NOT_FOUND.
std::shared_ptr<Function> function_in(ModuleObject& module, const std::string& name);

/// Takes the functions of a module that goes away; what is still to run of them is a fault.
void unload_functions(CUmodule module);

/// The function behind a CUfunction or, as drivers since 12.0 allow, behind a CUkernel in the current context.
std::shared_ptr<Function> function_of(CUfunction handle);

/// Blocks per multiprocessor by threads, block slots and shared memory. Registers are not known from PTX and do not
/// count: a real device may hold fewer blocks.
int resident_blocks(const Function& function, const Device& device, int threads, std::size_t dynamic_shared);

/// How many bytes of dynamic shared memory a function may be allowed on a device. Throws for more.
void allow_dynamic_shared(Function& function, const Device& device, int bytes);

/// A function's attribute on a device; throws for an unknown one.
int attribute_of(const Function& function, const Device& device, CUfunction_attribute attribute);
void set_attribute(Function& function, const Device& device, CUfunction_attribute attribute, int value);

/// What cuModuleLoad reads.
std::string read_file(const char* path);

/// The log buffers among a load's options.
class JitLog {
 public:
  JitLog(unsigned count, const CUjit_option* options, void** values);
  void write_error(const std::string& text) {
    write(CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, text);
  }
  void write_info(const std::string& text) { write(CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, text); }

 private:
  void write(CUjit_option buffer, CUjit_option bytes, const std::string& text);
  unsigned count_;
  const CUjit_option* options_;
  void** values_;
};

/// load_image with the options' log buffers written.
std::shared_ptr<const Code> load_image(const void* image, Device& device, JitLog log);

}  // namespace emulator
