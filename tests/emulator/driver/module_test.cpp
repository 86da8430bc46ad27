// Modules, libraries, functions: loading, names, attributes, refusals.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "api.hpp"
#include "kernels.hpp"

namespace driver_test {
namespace {

class ModuleTest : public DriverTest {
 protected:
  CUresult load(const void* image) {
    CUmodule module = nullptr;
    return driver.cuModuleLoadData(&module, image);
  }
  CUmodule loaded(const char* ptx = kKernels) {
    CUmodule module = nullptr;
    EXPECT_OK(driver.cuModuleLoadData(&module, ptx));
    return module;
  }
};

TEST_F(ModuleTest, FunctionsAndGlobalsAreFoundByName) {
  const CUmodule module = loaded();
  CUfunction first = nullptr;
  CUfunction again = nullptr;
  EXPECT_OK(driver.cuModuleGetFunction(&first, module, "scale"));
  EXPECT_OK(driver.cuModuleGetFunction(&again, module, "scale"));
  EXPECT_EQ(first, again);
  EXPECT_RESULT(CUDA_ERROR_NOT_FOUND, driver.cuModuleGetFunction(&first, module, "absent"));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuModuleGetFunction(&first, module, ""));
  const char* name = nullptr;
  EXPECT_OK(driver.cuFuncGetName(&name, again));
  EXPECT_STREQ(name, "scale");
  unsigned count = 0;
  EXPECT_OK(driver.cuModuleGetFunctionCount(&count, module));
  EXPECT_EQ(count, 8U);
  CUdeviceptr global = 0;
  std::size_t bytes = 0;
  EXPECT_OK(driver.cuModuleGetGlobal_v2(&global, &bytes, module, "counter"));
  EXPECT_EQ(bytes, 4U);
  EXPECT_EQ(read<int>(global, 1).at(0), 7);
  EXPECT_RESULT(CUDA_ERROR_NOT_FOUND, driver.cuModuleGetGlobal_v2(&global, &bytes, module, "absent"));
  std::size_t offset = 99;
  EXPECT_OK(driver.cuFuncGetParamInfo(again, 2, &offset, &bytes));
  EXPECT_EQ(offset, 12U);
  EXPECT_EQ(bytes, 4U);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuFuncGetParamInfo(again, 3, &offset, &bytes));
}

TEST_F(ModuleTest, AnUnloadedModuleLeavesOnlyErrors) {
  const CUmodule module = loaded();
  CUfunction store = nullptr;
  ASSERT_OK(driver.cuModuleGetFunction(&store, module, "store"));
  EXPECT_OK(driver.cuModuleUnload(module));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuModuleUnload(module));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuModuleGetFunction(&store, module, "store"));
  void* none[] = {nullptr, nullptr};
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, nullptr, none, nullptr));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuModuleUnload(nullptr));
}

TEST_F(ModuleTest, WorkInFlightIsLostWithItsModule) {
  const CUmodule module = loaded();
  CUfunction store = nullptr;
  ASSERT_OK(driver.cuModuleGetFunction(&store, module, "store"));
  CUdeviceptr memory = allocate(4);
  int value = 5;
  void* parameters[] = {&memory, &value};
  const CUstream order = stream();
  {
    Gate gate(order);
    EXPECT_OK(driver.cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, order, parameters, nullptr));
    EXPECT_OK(driver.cuModuleUnload(module));
  }
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuStreamSynchronize(order));
  EXPECT_NE(newest_fault().find("store runs, but its module"), std::string::npos) << newest_fault();
}

TEST_F(ModuleTest, BinariesAreNotForThisDevice) {
  const unsigned char elf[64] = {0x7F, 'E', 'L', 'F', 2, 1, 1};
  EXPECT_RESULT(CUDA_ERROR_NO_BINARY_FOR_GPU, load(elf));
  EXPECT_NE(newest_fault().find("cubin"), std::string::npos);
  const unsigned char fatbin[64] = {0x50, 0xED, 0x55, 0xBA, 1};
  EXPECT_RESULT(CUDA_ERROR_NO_BINARY_FOR_GPU, load(fatbin));
  const unsigned char wrapper[64] = {0xB1, 0x43, 0x62, 0x46, 1};
  EXPECT_RESULT(CUDA_ERROR_NO_BINARY_FOR_GPU, load(wrapper));
}

TEST_F(ModuleTest, GarbageIsRefusedWithItsReason) {
  EXPECT_RESULT(CUDA_ERROR_INVALID_IMAGE, load(""));
  EXPECT_RESULT(CUDA_ERROR_INVALID_IMAGE, load("\x01\x02\x03"));
  EXPECT_RESULT(CUDA_ERROR_INVALID_PTX, load("not ptx at all"));
  EXPECT_RESULT(CUDA_ERROR_INVALID_PTX, load(".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry x( {"));
  EXPECT_RESULT(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, load(".version 99.0\n.target sm_80\n.address_size 64\n"));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, load(nullptr));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuModuleLoadData(nullptr, kKernels));
}

TEST_F(ModuleTest, VariablesThatFindNoMemoryAreNoFaultOfTheCode) {
  std::size_t before = 0;
  std::size_t after = 0;
  std::size_t total = 0;
  EXPECT_OK(driver.cuMemGetInfo_v2(&before, &total));
  const std::string variables = ".global .align 4 .b8 small[1048576];\n.global .align 4 .b8 large[2147483647];\n";
  EXPECT_RESULT(CUDA_ERROR_OUT_OF_MEMORY,
                load((".version 8.0\n.target sm_80\n.address_size 64\n" + variables).c_str()));
  EXPECT_NE(newest_fault().find("large[2147483647]"), std::string::npos) << newest_fault();
  EXPECT_OK(driver.cuMemGetInfo_v2(&after, &total));
  EXPECT_EQ(after, before);
}

TEST_F(ModuleTest, TargetsAreHeldAgainstTheDevice) {
  const auto with_target = [](const char* target) {
    return ".version 8.0\n.target " + std::string(target) + "\n.address_size 64\n.visible .entry k() { ret; }\n";
  };
  EXPECT_OK(load(with_target("sm_75").c_str()));
  EXPECT_OK(load(("// Generated\n/* by hand */\n" + with_target("sm_80")).c_str()));
  EXPECT_RESULT(CUDA_ERROR_INVALID_PTX, load(with_target("sm_86").c_str()));
  EXPECT_RESULT(CUDA_ERROR_INVALID_PTX, load(with_target("sm_90a").c_str()));
  EXPECT_NE(newest_fault().find("sm_90a does not run on sm_80"), std::string::npos) << newest_fault();
}

TEST_F(ModuleTest, UnknownInstructionsAreNamedWithTheirLine) {
  const char* ptx =
      ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\n  frobnicate.u32 1;\n  ret;\n}\n";
  char log[200] = "untouched";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof(log))};
  CUmodule module = nullptr;
  const CUresult result = driver.cuModuleLoadDataEx(&module, ptx, 2, options, values);
  EXPECT_TRUE(result == CUDA_ERROR_NOT_SUPPORTED || result == CUDA_ERROR_INVALID_PTX) << name_of(result);
  EXPECT_NE(std::string(log).find("frobnicate"), std::string::npos) << log;
  EXPECT_NE(std::string(log).find('6'), std::string::npos) << log;
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(values[1]), std::strlen(log) + 1);
  EXPECT_EQ(newest_fault().substr(0, std::strlen(log)), log);
  char tiny[4] = "xyz";
  values[0] = tiny;
  values[1] = reinterpret_cast<void*>(sizeof(tiny));
  driver.cuModuleLoadDataEx(&module, ptx, 2, options, values);
  EXPECT_EQ(std::strlen(tiny), 3U);
}

TEST_F(ModuleTest, FilesAreRead) {
  const std::string path = ::testing::TempDir() + "emulator_driver_kernels.ptx";
  std::ofstream(path) << kKernels;
  CUmodule module = nullptr;
  EXPECT_OK(driver.cuModuleLoad(&module, path.c_str()));
  std::remove(path.c_str());
  EXPECT_RESULT(CUDA_ERROR_FILE_NOT_FOUND, driver.cuModuleLoad(&module, path.c_str()));
}

TEST_F(ModuleTest, FunctionAttributesAndTheSharedMemoryOptIn) {
  const CUmodule module = loaded();
  CUfunction reverse = nullptr;
  CUfunction bounded = nullptr;
  ASSERT_OK(driver.cuModuleGetFunction(&reverse, module, "reverse"));
  ASSERT_OK(driver.cuModuleGetFunction(&bounded, module, "bounded"));
  const auto get = [&](CUfunction from, CUfunction_attribute which) {
    int value = -1;
    EXPECT_OK(driver.cuFuncGetAttribute(&value, which, from));
    return value;
  };
  EXPECT_EQ(get(reverse, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES), 1024);
  EXPECT_EQ(get(reverse, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK), 1024);
  EXPECT_EQ(get(bounded, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK), 64);
  EXPECT_EQ(get(reverse, CU_FUNC_ATTRIBUTE_PTX_VERSION), 80);
  EXPECT_EQ(get(reverse, CU_FUNC_ATTRIBUTE_BINARY_VERSION), 80);
  EXPECT_EQ(get(reverse, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES), 47 * 1024);
  const auto opt_in = [&](int bytes) {
    return driver.cuFuncSetAttribute(reverse, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes);
  };
  EXPECT_OK(opt_in(162 * 1024));  // with the 1 KiB that it declares: the whole 163
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, opt_in(162 * 1024 + 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, opt_in(-1));
  EXPECT_EQ(get(reverse, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES), 162 * 1024);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuFuncSetAttribute(reverse, CU_FUNC_ATTRIBUTE_NUM_REGS, 10));
  int value = 0;
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE,
                driver.cuFuncGetAttribute(&value, static_cast<CUfunction_attribute>(500), reverse));
}

TEST_F(ModuleTest, OccupancyCountsThreadsBlocksAndSharedMemory) {
  const CUmodule module = loaded();
  CUfunction scale = nullptr;
  CUfunction bounded = nullptr;
  ASSERT_OK(driver.cuModuleGetFunction(&scale, module, "scale"));
  ASSERT_OK(driver.cuModuleGetFunction(&bounded, module, "bounded"));
  const auto blocks = [&](CUfunction of, int threads, std::size_t shared) {
    int value = -1;
    EXPECT_OK(driver.cuOccupancyMaxActiveBlocksPerMultiprocessor(&value, of, threads, shared));
    return value;
  };
  EXPECT_EQ(blocks(scale, 1024, 0), 2);         // 2048 threads
  EXPECT_EQ(blocks(scale, 33, 0), 32);          // 32 blocks
  EXPECT_EQ(blocks(scale, 128, 40 * 1024), 4);  // 164 KiB / (40 + 1)
  EXPECT_EQ(blocks(scale, 128, 163 * 1024), 1);
  EXPECT_EQ(blocks(scale, 128, 164 * 1024), 0);
  EXPECT_EQ(blocks(bounded, 65, 0), 0);
  int grid = 0;
  int block = 0;
  EXPECT_OK(driver.cuOccupancyMaxPotentialBlockSize(&grid, &block, bounded, nullptr, 0, 0));
  EXPECT_EQ(block, 64);
  EXPECT_EQ(grid, 32 * 108);
  std::size_t bytes = 0;
  EXPECT_OK(driver.cuOccupancyAvailableDynamicSMemPerBlock(&bytes, scale, 4, 128));
  EXPECT_EQ(bytes, 40U * 1024);
}

TEST_F(ModuleTest, LibrariesServeEveryContext) {
  CUlibrary library = nullptr;
  ASSERT_OK(driver.cuLibraryLoadData(&library, kKernels, nullptr, nullptr, 0, nullptr, nullptr, 0));
  EXPECT_RESULT(CUDA_ERROR_INVALID_PTX,
                driver.cuLibraryLoadData(&library, "nonsense", nullptr, nullptr, 0, nullptr, nullptr, 0));
  CUkernel kernel = nullptr;
  ASSERT_OK(driver.cuLibraryGetKernel(&kernel, library, "store"));
  EXPECT_RESULT(CUDA_ERROR_NOT_FOUND, driver.cuLibraryGetKernel(&kernel, library, "absent"));
  unsigned count = 0;
  EXPECT_OK(driver.cuLibraryGetKernelCount(&count, library));
  EXPECT_EQ(count, 8U);
  CUcontext second = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&second, 0, 1));
  for (const CUcontext each : {context, second}) {
    EXPECT_OK(driver.cuCtxSetCurrent(each));
    CUfunction store = nullptr;
    ASSERT_OK(driver.cuKernelGetFunction(&store, kernel));
    CUdeviceptr memory = allocate(4);
    unsigned value = 123;
    void* parameters[] = {&memory, &value};
    EXPECT_OK(driver.cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
    EXPECT_EQ(read<unsigned>(memory, 1).at(0), 123U);
    value = 124;  // a kernel serves as the function of the current context
    EXPECT_OK(
        driver.cuLaunchKernel(reinterpret_cast<CUfunction>(kernel), 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
    EXPECT_EQ(read<unsigned>(memory, 1).at(0), 124U);
  }
  EXPECT_OK(driver.cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 100'000, kernel, 1));
  int value = 0;
  EXPECT_OK(driver.cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, kernel, 1));
  EXPECT_EQ(value, 100'000);
  EXPECT_OK(driver.cuLibraryUnload(library));
  CUfunction store = nullptr;
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuKernelGetFunction(&store, kernel));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuLibraryUnload(library));
  EXPECT_OK(driver.cuCtxDestroy_v2(second));
  EXPECT_OK(driver.cuCtxSetCurrent(context));
}

}  // namespace
}  // namespace driver_test
