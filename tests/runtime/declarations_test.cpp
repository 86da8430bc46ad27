// Our declarations of the driver and of NVRTC. Where a toolkit is found, toolkit_declarations.cpp has compared them
// with its headers by compiling; here every name is looked up in its libraries.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "runtime/driver_api.hpp"
#include "runtime/nvrtc_api.hpp"

namespace {

TEST(Declarations, EveryDriverNameIsInTheToolkitsStub) {
#ifndef OSDN_TOOLKIT_STUB
  GTEST_SKIP() << "no CUDA toolkit was found when this was configured: declarations not compared";
#else
  void* const stub = ::dlopen(OSDN_TOOLKIT_STUB, RTLD_LAZY | RTLD_LOCAL);
  ASSERT_NE(stub, nullptr) << ::dlerror();
#define CHECK(member, plain, symbol, parameters) EXPECT_NE(::dlsym(stub, #symbol), nullptr) << #symbol;
  OSDN_DRIVER_ENTRIES(CHECK)
  OSDN_DRIVER_PLAIN_ENTRIES(CHECK)
  OSDN_DRIVER_OPTIONAL_ENTRIES(CHECK)
#undef CHECK
  EXPECT_EQ(::dlsym(stub, "cuNoSuchEntry"), nullptr);
#endif
}

TEST(Declarations, TheEmulatorExportsEveryDriverName) {
  void* const emulator = ::dlopen(OSDN_EMULATOR_LIBRARY, RTLD_LAZY | RTLD_LOCAL);
  ASSERT_NE(emulator, nullptr) << ::dlerror();
#define CHECK(member, plain, symbol, parameters) EXPECT_NE(::dlsym(emulator, #symbol), nullptr) << #symbol;
  OSDN_DRIVER_ENTRIES(CHECK)
  OSDN_DRIVER_PLAIN_ENTRIES(CHECK)
  OSDN_DRIVER_OPTIONAL_ENTRIES(CHECK)
#undef CHECK
}

}  // namespace
