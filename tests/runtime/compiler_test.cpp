// The Compiler between the cache on disk and NVRTC.
#include "runtime/compiler.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

namespace fs = std::filesystem;

TEST(Compiler, ProcessesThatAreColdAtOnceCompileEachKernelOnce) {
  TemporaryDirectory home;
  const ScopedVariable count("FAKE_NVRTC_COUNT", home / "count");
  const ScopedVariable delay("FAKE_NVRTC_DELAY_MS", "60");
  constexpr int processes = 6;
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      CompilerOptions made;
      made.nvrtc.option = OSDN_FAKE_NVRTC;
      made.cache.directory = home / "cache";
      Compiler compiler(made);
      int failures = 0;
      std::vector<std::thread> threads;
      for (int k = 0; k < 2; ++k) {
        threads.emplace_back([&, k] {
          CompileInput input;
          input.entry = "kernel";
          input.source = "kernel " + std::to_string(k);
          input.arch = "sm_80";
          const auto result = compiler.compile(input);
          if (!result || result->kernel.cubin != "machine code of " + input.source) ++failures;
        });
      }
      for (std::thread& thread : threads) thread.join();
      if (compiler.disk_hits() + compiler.compilations() != 2) ++failures;
      ::_exit(failures);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(read_all(home / "count"), "xx");
  for (const auto& entry : fs::recursive_directory_iterator(home / "cache")) {
    EXPECT_NE(entry.path().extension(), ".lock") << entry.path();
  }
}

TEST(Compiler, AHitNeedsNoNvrtcToBeLoaded) {
  TemporaryDirectory home;
  fs::create_directory(home / "good");
  fs::create_directory(home / "bad");
  fs::copy_file(OSDN_FAKE_NVRTC_12_9, home / "good/libnvrtc.so.12");
  write_all(home / "bad/libnvrtc.so.12", "no library");
  for (const char* folder : {"good", "bad"}) write_all((home / folder) + "/libnvrtc-builtins.so.12.9", "");
  CompilerOptions made;
  made.cache.directory = home / "cache";
  CompileInput input;
  input.entry = "kernel";
  input.source = "x";
  input.arch = "sm_80";
  made.nvrtc.option = home / "good";
  EXPECT_EQ(Compiler(made).compile(input).value_or_throw().origin, Origin::compiled);
  made.nvrtc.option = home / "bad";
  EXPECT_EQ(Compiler(made).compile(input).value_or_throw().origin, Origin::disk);
  input.source = "y";
  const auto failed = Compiler(made).compile(input);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::library_not_found);
}

TEST(Compiler, ALibraryOfAnotherVersionThanItsNamesSayIsKeyedByItsOwn) {
  TemporaryDirectory home;
  fs::copy_file(OSDN_FAKE_NVRTC_12_9, home / "libnvrtc.so.12");
  write_all(home / "libnvrtc-builtins.so.12.4", "");
  CompilerOptions made;
  made.nvrtc.option = home / "libnvrtc.so.12";
  made.cache.directory = home / "cache";
  Compiler compiler(made);
  EXPECT_EQ(compiler.nvrtc()->version, 12040);
  CompileInput input;
  input.entry = "kernel";
  input.source = "x";
  input.arch = "sm_80";
  EXPECT_EQ(compiler.compile(input).value_or_throw().kernel.nvrtc_version, 12090);
  EXPECT_EQ(compiler.nvrtc()->version, 12090);
  ASSERT_EQ(compiler.disk()->list().size(), 1U);
  const CacheEntry entry = compiler.disk()->show("").value_or_throw();
  EXPECT_EQ(parse_record(entry.record).value_or_throw().nvrtc_version, 12090);
}

}  // namespace
}  // namespace osdn::runtime::testing
