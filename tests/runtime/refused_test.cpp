// Code that the driver refuses to load is a miss: whoever else has the kernel is asked, and in the end NVRTC.
#include <gtest/gtest.h>

#include "layers.hpp"
#include "runtime/cache_entry.hpp"

namespace osdn::runtime::testing {
namespace {

constexpr int no_binary_for_gpu = 209;

/// The small problem's kernels with code that says whose it is.
std::vector<std::string> entries_of(const std::string& whose) {
  std::vector<std::string> out;
  for (const std::string& entry : entries_by(null_options())) {
    const std::string name = decode_entry(entry).value_or_throw().entry;
    out.push_back(with_code(entry, whose + " PTX of " + name, whose + " code of " + name));
  }
  return out;
}

void refuse(const std::string& code, int with = no_binary_for_gpu) {
  null_driver::Books& books = fresh_books();
  const std::lock_guard lock(books.mutex);
  books.refused_code = code;
  books.refuse_with = with;
}

TEST(Refused, CodeOfAPackIsLookedForInTheNext) {
  fresh_books();
  const TemporaryDirectory home;
  const TemporaryDirectory other;
  Messages messages;
  EngineOptions options = without_nvrtc();
  options.log = messages.callback();
  options.packs = {write_pack(home, entries_of("bad")), write_pack(other, entries_of("good"))};
  refuse("bad code");
  Engine engine = Engine::create(options).value_or_throw();
  EXPECT_EQ(source_of(engine.prepare(small_problem())), "pack");
  EXPECT_EQ(engine.cache_statistics().rejected, 2U);
  EXPECT_EQ(engine.cache_statistics().pack_hits, 2U);
  ASSERT_EQ(messages.warnings().size(), 1U) << messages.all();
  EXPECT_NE(messages.warnings()[0].find("the pack " + options.packs[0] + ": the driver refuses"), std::string::npos);
  EXPECT_EQ(source_of(engine.prepare(small_problem())), "memory");
  EXPECT_EQ(engine.cache_statistics().rejected, 2U);
}

TEST(Refused, EveryLayerIsAskedThenNvrtcAndWhatItCompilesTakesTheirPlace) {
  fresh_books();
  const TemporaryDirectory home;
  Store store;
  EngineOptions options = null_options();
  options.disk_cache = true;
  options.cache_directory = home / "cache";
  options.host_cache = store.cache();
  options.log = [](LogLevel, std::string_view) {};
  (void)Engine::create(options).value_or_throw().prepare(small_problem()).value_or_throw();
  for (auto& [key, entry] : store.entries) {
    write_all(home / ("cache/" + key.substr(0, 2) + "/" + key.substr(2) + ".osdn"), with_code(entry, "", "bad disk"));
    entry = with_code(entry, "", "bad host");
  }
  options.packs = {write_pack(home, entries_of("bad pack"))};
  refuse("bad ");
  {
    Engine engine = Engine::create(options).value_or_throw();
    EXPECT_EQ(source_of(engine.prepare(small_problem())), "compiled");
    const CacheStatistics statistics = engine.cache_statistics();
    EXPECT_EQ(statistics.rejected, 6U);
    EXPECT_EQ(statistics.host_hits + statistics.pack_hits + statistics.disk_hits, 0U);
    EXPECT_EQ(statistics.misses, 2U);
    EXPECT_EQ(fresh_books().modules.size(), 2U);
  }
  refuse("bad ");
  EXPECT_EQ(source_of(Engine::create(options).value_or_throw().prepare(small_problem())), "host");
  options.host_cache = {};
  options.packs = {"/nowhere"};
  EXPECT_EQ(source_of(Engine::create(options).value_or_throw().prepare(small_problem())), "disk");
}

TEST(Refused, TheSameBytesAreNotTriedTwice) {
  fresh_books();
  const TemporaryDirectory home;
  const TemporaryDirectory other;
  EngineOptions options = null_options();
  options.log = [](LogLevel, std::string_view) {};
  options.packs = {write_pack(home, entries_of("bad")), write_pack(other, entries_of("bad"))};
  refuse("bad ");
  Engine engine = Engine::create(options).value_or_throw();
  EXPECT_EQ(source_of(engine.prepare(small_problem())), "compiled");
  EXPECT_EQ(engine.cache_statistics().rejected, 2U);
}

TEST(Refused, MachineCodesOwnPtxServesWhereNothingCompiles) {
  fresh_books();
  const TemporaryDirectory home;
  EngineOptions options = without_nvrtc();
  options.log = [](LogLevel, std::string_view) {};
  options.packs = {write_pack(home, entries_of("shipped"))};
  refuse("shipped code");
  Engine engine = Engine::create(options).value_or_throw();
  const auto operation = engine.prepare(small_problem());
  ASSERT_EQ(source_of(operation), "pack");
  EXPECT_EQ(operation->kernels()[0].arch, "compute_80");
  EXPECT_EQ(engine.cache_statistics().rejected, 2U);
}

TEST(Refused, AnErrorSaysWhoseCodeAndByWhomWhereNothingCompiles) {
  fresh_books();
  const TemporaryDirectory home;
  EngineOptions options = without_nvrtc();
  options.log = [](LogLevel, std::string_view) {};
  options.packs = {write_pack(home, entries_of("shipped"))};
  refuse("shipped");
  const auto failed = Engine::create(options).value_or_throw().prepare(small_problem());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::library_not_found);
  EXPECT_NE(failed.error().message.find("the driver refused"), std::string::npos) << failed.error().message;
  for (const std::string& part :
       {"the pack " + options.packs[0] + ", code for sm_80", std::string("code for compute_80"),
        std::string("refused by the driver ") + OSDN_NULL_DRIVER, std::string("(209)")}) {
    EXPECT_NE(failed.error().context.find(part), std::string::npos) << part << " is not in:\n"
                                                                    << failed.error().context;
  }
  EXPECT_EQ(failed.error().context.find("this one not"), std::string::npos) << failed.error().context;
}

TEST(Refused, OnlyWhatSaysSomethingOfTheCodeIsAMiss) {
  fresh_books();
  const TemporaryDirectory home;
  EngineOptions options = null_options();
  options.log = [](LogLevel, std::string_view) {};
  options.packs = {write_pack(home, entries_of("shipped"))};
  for (const int code : {200, 209, 218, 221, 222, 223, 300, 500, 801}) {
    refuse("shipped", code);
    EXPECT_EQ(source_of(Engine::create(options).value_or_throw().prepare(small_problem())), "compiled") << code;
  }
  for (const int code : {2, 201, 700, 719, 999}) {
    refuse("shipped", code);
    Engine engine = Engine::create(options).value_or_throw();
    const auto failed = engine.prepare(small_problem());
    ASSERT_FALSE(failed) << code;
    EXPECT_EQ(failed.error().code, code == 2 ? ErrorCode::out_of_memory : ErrorCode::driver);
    EXPECT_EQ(engine.cache_statistics().rejected, 0U);
    EXPECT_EQ(engine.cache_statistics().misses, 0U);
  }
}

TEST(Refused, WhatNvrtcCompiledIsAnErrorWithAllThatWasRefused) {
  fresh_books();
  const TemporaryDirectory home;
  EngineOptions options = null_options();
  options.log = [](LogLevel, std::string_view) {};
  options.packs = {write_pack(home, entries_of("shipped"))};
  refuse("");  // everything
  Engine engine = Engine::create(options).value_or_throw();
  const auto failed = engine.prepare(small_problem());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::driver);
  EXPECT_NE(failed.error().context.find(options.packs[0]), std::string::npos) << failed.error().context;
  EXPECT_NE(failed.error().context.find(OSDN_FAKE_NVRTC), std::string::npos) << failed.error().context;
  EXPECT_TRUE(fresh_books().modules.empty());
}

TEST(Refused, TheEmulatorRefusesPtxThatItDoesNotKnow) {
  const TemporaryDirectory home;
  EngineOptions options;
  options.driver_library = OSDN_EMULATOR_LIBRARY;
  options.disk_cache = false;
  Messages messages;
  const std::vector<std::string> sound = entries_by(options);
  options.log = messages.callback();
  for (const auto& [of, by] : {std::pair(".version ", ".version 9"), std::pair("st.global", "xx.global")}) {
    std::vector<std::string> entries;
    for (const std::string& entry : sound) {
      const CompiledKernel kernel = decode_entry(entry).value_or_throw().kernel;
      std::string ptx = kernel.ptx;
      const std::size_t at = ptx.find(of);
      ASSERT_NE(at, std::string::npos) << of;
      entries.push_back(with_code(entry, ptx.replace(at, std::string(of).size(), by), kernel.cubin));
    }
    options.packs = {write_pack(home, entries)};
    options.nvrtc_library.clear();
    Engine engine = Engine::create(options).value_or_throw();
    EXPECT_EQ(source_of(engine.prepare(small_problem())), "compiled") << messages.all();
    EXPECT_EQ(engine.cache_statistics().rejected, 2U);
    options.nvrtc_library = "/nowhere/libnvrtc.so.13";
    const auto failed = Engine::create(options).value_or_throw().prepare(small_problem());
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().context.find(options.packs[0]), std::string::npos) << failed.error().context;
  }
}

}  // namespace
}  // namespace osdn::runtime::testing
