// Libraries: code that is not bound to a context.
#include <algorithm>
#include <utility>

#include "driver/current.hpp"
#include "driver/module.hpp"

namespace emulator {
namespace {

std::shared_ptr<LibraryObject> library_of(CUlibrary handle) {
  auto library = driver().libraries.find(handle);
  require(library != nullptr, CUDA_ERROR_INVALID_HANDLE);
  return library;
}

std::shared_ptr<LibraryKernel> kernel_of(CUkernel handle) {
  auto kernel = driver().kernels.find(handle);
  require(kernel != nullptr, CUDA_ERROR_INVALID_HANDLE);
  return kernel;
}

/// The library of a kernel that was not unloaded.
std::shared_ptr<LibraryObject> owner_of(const LibraryKernel& kernel) {
  auto library = kernel.library.lock();
  require(library != nullptr, CUDA_ERROR_INVALID_HANDLE);
  return library;
}

/// The library's module in a context, loaded at its first use there.
std::shared_ptr<ModuleObject> module_in(LibraryObject& library, const ContextPtr& context) {
  const std::lock_guard lock(library.mutex);
  auto& module = library.modules[context->id];
  if (module) return module;
  std::string log;
  try {
    module = make_module(context, load_image(library.image.c_str(), context->device, log));
  } catch (...) {
    library.modules.erase(context->id);
    throw;
  }
  return module;
}

std::shared_ptr<Function> function_in_context(const LibraryKernel& kernel, const ContextPtr& context) {
  const auto library = owner_of(kernel);
  const auto function = function_in(*module_in(*library, context), kernel.name);
  const std::lock_guard lock(library->mutex);
  const auto set = library->dynamic_shared.find(kernel.name);
  if (set != library->dynamic_shared.end())
    if (const auto bytes = set->second.find(context->device.ordinal); bytes != set->second.end())
      allow_dynamic_shared(*function, context->device, bytes->second);
  return function;
}

/// Parses the image once, so that a bad one is refused at load time and the kernels' names are known.
std::shared_ptr<LibraryObject> make_library(const void* image, JitLog log) {
  const CUcontext current = current_handle();
  const ContextPtr context = current == nullptr ? nullptr : driver().contexts.find(current);
  const auto code = load_image(image, context ? context->device : *driver().devices.front(), log);
  auto library = std::make_shared<LibraryObject>();
  library->image = static_cast<const char*>(image);
  for (const Kernel* kernel : code->module->kernels()) library->names.push_back(kernel->name());
  driver().libraries.insert(library);
  return library;
}

CUkernel kernel_in(const std::shared_ptr<LibraryObject>& library, const std::string& name) {
  require(std::find(library->names.begin(), library->names.end(), name) != library->names.end(), CUDA_ERROR_NOT_FOUND);
  const std::lock_guard lock(library->mutex);
  auto& kernel = library->kernels[name];
  if (!kernel) {
    kernel = std::make_shared<LibraryKernel>();
    kernel->library = library;
    kernel->name = name;
    driver().kernels.insert(kernel);
  }
  return kernel->handle;
}

CUresult load_library(CUlibrary* library, const void* image, JitLog log, const CUlibraryOption* options,
                      unsigned option_count) {
  require(library != nullptr && image != nullptr && (option_count == 0 || options != nullptr));
  driver();
  for (unsigned i = 0; i < option_count; ++i) require(options[i] == CU_LIBRARY_BINARY_IS_PRESERVED);
  *library = make_library(image, log)->handle;
  return CUDA_SUCCESS;
}

}  // namespace

void LibraryObject::forget(const Context& context) {
  const std::lock_guard lock(mutex);
  modules.erase(context.id);
}

CUresult cuLibraryLoadData(CUlibrary* library, const void* image, CUjit_option* jit, void** jit_values, unsigned jits,
                           CUlibraryOption* options, void** /*values*/, unsigned option_count) {
  return entry([&] { return load_library(library, image, JitLog(jits, jit, jit_values), options, option_count); });
}

CUresult cuLibraryLoadFromFile(CUlibrary* library, const char* path, CUjit_option* jit, void** jit_values,
                               unsigned jits, CUlibraryOption* options, void** /*values*/, unsigned option_count) {
  return entry([&] {
    driver();
    const std::string image = read_file(path);
    return load_library(library, image.c_str(), JitLog(jits, jit, jit_values), options, option_count);
  });
}

CUresult cuLibraryUnload(CUlibrary handle) {
  return entry([&] {
    Driver& state = driver();
    const auto library = library_of(handle);
    for (const ContextPtr& context : state.contexts.all()) state.scheduler.drain(*context);
    state.libraries.remove(handle);
    const std::lock_guard lock(library->mutex);
    for (const auto& [name, kernel] : library->kernels) state.kernels.remove(kernel->handle);
    for (const auto& [context, module] : library->modules) {
      const CUmodule gone = module->handle;
      unload_functions(gone);
      state.modules.remove(gone);
    }
  });
}

CUresult cuLibraryGetKernel(CUkernel* kernel, CUlibrary library, const char* name) {
  return entry([&] {
    require(kernel != nullptr && name != nullptr);
    *kernel = kernel_in(library_of(library), name);
  });
}

CUresult cuLibraryGetModule(CUmodule* module, CUlibrary library) {
  return entry([&] {
    require(module != nullptr);
    *module = module_in(*library_of(library), current_context())->handle;
  });
}

CUresult cuLibraryGetGlobal(CUdeviceptr* address, size_t* bytes, CUlibrary library, const char* name) {
  return entry([&] {
    require(name != nullptr);
    const auto global = module_in(*library_of(library), current_context())->code->module->global(name);
    require(global.has_value(), CUDA_ERROR_NOT_FOUND);
    if (address != nullptr) *address = global->address;
    if (bytes != nullptr) *bytes = global->size;
  });
}

CUresult cuLibraryGetKernelCount(unsigned* count, CUlibrary library) {
  return entry([&] {
    require(count != nullptr);
    *count = static_cast<unsigned>(library_of(library)->names.size());
  });
}

CUresult cuLibraryEnumerateKernels(CUkernel* kernels, unsigned count, CUlibrary handle) {
  return entry([&] {
    require(kernels != nullptr);
    const auto library = library_of(handle);
    for (unsigned i = 0; i < std::min<std::size_t>(count, library->names.size()); ++i)
      kernels[i] = kernel_in(library, library->names[i]);
  });
}

CUresult cuKernelGetFunction(CUfunction* function, CUkernel kernel) {
  return entry([&] {
    require(function != nullptr);
    *function = function_in_context(*kernel_of(kernel), current_context())->handle;
  });
}

CUresult cuKernelGetLibrary(CUlibrary* library, CUkernel kernel) {
  return entry([&] {
    require(library != nullptr);
    *library = owner_of(*kernel_of(kernel))->handle;
  });
}

CUresult cuKernelGetName(const char** name, CUkernel kernel) {
  return entry([&] {
    require(name != nullptr);
    *name = kernel_of(kernel)->name.c_str();
  });
}

CUresult cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t* offset, size_t* bytes) {
  return entry([&] {
    const auto function = function_in_context(*kernel_of(kernel), current_context());
    return cuFuncGetParamInfo(function->handle, index, offset, bytes);
  });
}

CUresult cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel kernel, CUdevice device) {
  return entry([&] {
    require(value != nullptr);
    *value = attribute_of(*function_in_context(*kernel_of(kernel), current_context()), device_of(device), attribute);
  });
}

CUresult cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel handle, CUdevice ordinal) {
  return entry([&] {
    const auto kernel = kernel_of(handle);
    const auto library = owner_of(*kernel);
    const Device& device = device_of(ordinal);
    const ContextPtr context = current_context();
    // Only what a later launch is checked against is kept for contexts that do not use the kernel yet.
    set_attribute(*function_in_context(*kernel, context), device, attribute, value);
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return;
    const std::lock_guard lock(library->mutex);
    library->dynamic_shared[kernel->name][ordinal] = value;
  });
}

CUresult cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice device) {
  return entry([&] {
    kernel_of(kernel);
    device_of(device);
    require(config <= CU_FUNC_CACHE_PREFER_EQUAL);
  });
}

}  // namespace emulator
