#include "driver/module.hpp"

#include <algorithm>
#include <utility>

#include "driver/capture.hpp"

namespace emulator {
namespace {

constexpr int kDefaultDynamicShared = 48 * 1024;

std::shared_ptr<ModuleObject> module_of(CUmodule handle) {
  auto module = driver().modules.find(handle);
  require(module != nullptr, CUDA_ERROR_INVALID_HANDLE);
  return module;
}

CUmodule load(const void* image, JitLog log) {
  const ContextPtr context = current_context();
  {
    // Global variables are device memory: loading is an allocation.
    const std::lock_guard lock(driver().mutex);
    forbid_during_capture();
  }
  return make_module(context, load_image(image, context->device, log))->handle;
}

CUresult get_function(CUfunction* function, CUmodule module, const char* name) {
  require(function != nullptr && name != nullptr && *name != '\0');
  current_context();
  *function = function_in(*module_of(module), name)->handle;
  return CUDA_SUCCESS;
}

}  // namespace

std::shared_ptr<ModuleObject> make_module(const ContextPtr& context, std::shared_ptr<const Code> code) {
  auto module = std::make_shared<ModuleObject>();
  module->context = context;
  module->code = std::move(code);
  driver().modules.insert(module);
  return module;
}

std::shared_ptr<Function> function_in(ModuleObject& module, const std::string& name) {
  const std::lock_guard lock(module.mutex);
  auto& function = module.functions[name];
  if (function) return function;
  const Kernel* kernel = module.code->module->kernel(name);
  if (kernel == nullptr) {
    module.functions.erase(name);
    fail(CUDA_ERROR_NOT_FOUND);
  }
  function = std::make_shared<Function>();
  function->context = module.context;
  function->code = module.code;
  function->kernel = kernel;
  function->module = module.handle;
  function->max_dynamic_shared = std::max(0, kDefaultDynamicShared - static_cast<int>(kernel->static_shared()));
  driver().functions.insert(function);
  return function;
}

void unload_functions(CUmodule module) {
  driver().functions.remove_if([module](Function& function) {
    if (function.module != module) return false;
    function.unloaded = true;
    return true;
  });
}

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  return entry([&] {
    require(module != nullptr);
    *module = load(image, JitLog(0, nullptr, nullptr));
  });
}

CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned count, CUjit_option* options, void** values) {
  return entry([&] {
    require(module != nullptr);
    *module = load(image, JitLog(count, options, values));
  });
}

CUresult cuModuleLoadFatBinary(CUmodule* module, const void* image) {
  return cuModuleLoadData(module, image);
}

CUresult cuModuleLoad(CUmodule* module, const char* path) {
  return entry([&] {
    current_context();
    return cuModuleLoadData(module, read_file(path).c_str());
  });
}

CUresult cuModuleUnload(CUmodule handle) {
  return entry([&] {
    const ContextPtr context = current_context();
    const auto module = module_of(handle);
    {
      const std::lock_guard lock(driver().mutex);
      forbid_during_capture();
    }
    // The driver API does not say that a driver waits for the module's work: whoever unloads must have.
    const ContextPtr owner = module->context.lock();
    if (owner && !driver().settings.strict) driver().scheduler.drain(*owner);
    driver().modules.remove(handle);
    unload_functions(handle);
    if (const CUresult sticky = context->sticky; sticky != CUDA_SUCCESS) fail(sticky);
  });
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  return entry([&] {
    driver();
    require(mode != nullptr);
    *mode = CU_MODULE_EAGER_LOADING;
  });
}

CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  return entry([&] { return get_function(function, module, name); });
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* address, size_t* bytes, CUmodule handle, const char* name) {
  return entry([&] {
    require(name != nullptr);
    current_context();
    const auto global = module_of(handle)->code->module->global(name);
    require(global.has_value(), CUDA_ERROR_NOT_FOUND);
    if (address != nullptr) *address = global->address;
    if (bytes != nullptr) *bytes = global->size;
  });
}

CUresult cuModuleGetFunctionCount(unsigned* count, CUmodule module) {
  return entry([&] {
    require(count != nullptr);
    *count = static_cast<unsigned>(module_of(module)->code->module->kernels().size());
  });
}

CUresult cuModuleEnumerateFunctions(CUfunction* functions, unsigned count, CUmodule handle) {
  return entry([&] {
    require(functions != nullptr);
    const auto module = module_of(handle);
    const auto kernels = module->code->module->kernels();
    for (unsigned i = 0; i < std::min<std::size_t>(count, kernels.size()); ++i)
      functions[i] = function_in(*module, kernels[i]->name())->handle;
  });
}

}  // namespace emulator
