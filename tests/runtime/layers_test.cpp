// The layers of the compile cache above the user's directory: the host's store and packs.
#include "layers.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "runtime/engine_state.hpp"
#include "runtime/pack.hpp"

namespace osdn::runtime::testing {
namespace {

TEST(HostCache, GetsWhatIsCompiledAndServesTheNextEngine) {
  fresh_books();
  Store store;
  EngineOptions options = null_options();
  options.host_cache = store.cache();
  Engine first = Engine::create(options).value_or_throw();
  EXPECT_EQ(source_of(first.prepare(small_problem())), "compiled");
  EXPECT_EQ(store.entries.size(), 2U);
  Engine second = Engine::create(options).value_or_throw();
  EXPECT_EQ(source_of(second.prepare(small_problem())), "host");
  EXPECT_EQ(second.cache_statistics().host_hits, 2U);
  EXPECT_EQ(second.cache_statistics().misses, 0U);
  EXPECT_EQ(source_of(second.prepare(small_problem())), "memory");
  EXPECT_EQ(store.loads, 4);
}

TEST(HostCache, GetsWhatTheDirectoryHad) {
  fresh_books();
  const TemporaryDirectory home;
  EngineOptions options = null_options();
  options.disk_cache = true;
  options.cache_directory = home.path().string();
  ASSERT_TRUE(Engine::create(options).value_or_throw().prepare(small_problem()));
  Store store;
  options.host_cache = store.cache();
  EXPECT_EQ(source_of(Engine::create(options).value_or_throw().prepare(small_problem())), "disk");
  EXPECT_EQ(store.entries.size(), 2U);
  EXPECT_EQ(source_of(Engine::create(options).value_or_throw().prepare(small_problem())), "host");
}

TEST(HostCache, WhatIsDamagedOrOfAnotherKernelIsCompiledWithOneWarning) {
  fresh_books();
  Store store;
  Messages messages;
  EngineOptions options = null_options();
  options.host_cache = store.cache();
  options.log = messages.callback();
  ASSERT_TRUE(Engine::create(options).value_or_throw().prepare(small_problem()));
  ASSERT_EQ(store.entries.size(), 2U);
  auto& first = store.entries.begin()->second;
  auto& second = std::next(store.entries.begin())->second;
  std::swap(first, second);  // sound, but each under the other's key
  Engine swapped = Engine::create(options).value_or_throw();
  EXPECT_EQ(source_of(swapped.prepare(small_problem())), "compiled");
  EXPECT_EQ(swapped.cache_statistics().rejected, 2U);
  EXPECT_EQ(messages.warnings().size(), 1U) << messages.all();
  first.resize(first.size() / 2);
  second[second.size() / 2] = static_cast<char>(second[second.size() / 2] ^ 1);
  Engine damaged = Engine::create(options).value_or_throw();
  EXPECT_EQ(source_of(damaged.prepare(small_problem())), "compiled");
  EXPECT_EQ(damaged.cache_statistics().rejected, 2U);
}

TEST(HostCache, OneThatThrowsHarmsNobody) {
  fresh_books();
  Messages messages;
  EngineOptions options = null_options();
  options.log = messages.callback();
  options.host_cache.load = [](std::string_view) -> std::optional<std::string> { throw std::runtime_error("out"); };
  options.host_cache.store = [](std::string_view, std::string_view) { throw 7; };
  EXPECT_EQ(source_of(Engine::create(options).value_or_throw().prepare(small_problem())), "compiled");
  EXPECT_EQ(messages.warnings().size(), 1U) << messages.all();
}

TEST(Packs, ServeWithoutAnyNvrtc) {
  fresh_books();
  const TemporaryDirectory home;
  EngineOptions options = without_nvrtc();
  options.packs = {write_pack(home, entries_by(null_options()))};
  Engine engine = Engine::create(options).value_or_throw();
  EXPECT_EQ(source_of(engine.prepare(small_problem())), "pack");
  EXPECT_EQ(engine.cache_statistics().pack_hits, 2U);
  Problem other = small_problem();
  other.v = 128;
  const auto missing = engine.prepare(other);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::library_not_found);
  EXPECT_NE(missing.error().context.find(options.packs[0] + " has 2 kernels, this one not"), std::string::npos)
      << missing.error().context;
}

TEST(Packs, AreLookedAtBeforeTheDirectoryAndTheCompilerWhateverItsVersion) {
  fresh_books();
  const TemporaryDirectory home;
  EngineOptions older = null_options();
  older.nvrtc_library = OSDN_FAKE_NVRTC_12_9;
  const std::string pack = write_pack(home, entries_by(older));
  EngineOptions options = null_options();
  options.disk_cache = true;
  options.cache_directory = home / "cache";
  EXPECT_EQ(source_of(Engine::create(options).value_or_throw().prepare(small_problem())), "compiled");
  EXPECT_EQ(source_of(Engine::create(options).value_or_throw().prepare(small_problem())), "disk");
  options.packs = {pack};
  EXPECT_EQ(source_of(Engine::create(options).value_or_throw().prepare(small_problem())), "pack");
}

TEST(Packs, MachineCodeOfANewerMajorThanTheDriverIsLeft) {
  null_driver::Books& books = fresh_books();
  const TemporaryDirectory home;
  EngineOptions options = without_nvrtc();
  options.packs = {write_pack(home, entries_by(null_options()))};  // by NVRTC 13
  books.driver_version = 12080;
  EXPECT_FALSE(Engine::create(options).value_or_throw().prepare(small_problem()));
  books.driver_version = 13000;
  EXPECT_TRUE(Engine::create(options).value_or_throw().prepare(small_problem()));
}

TEST(Packs, TheVariableNamesThemWhereTheOptionDoesNot) {
  fresh_books();
  const TemporaryDirectory home;
  const std::string pack = write_pack(home, entries_by(null_options()));
  Messages messages;
  EngineOptions options = without_nvrtc();
  options.log = messages.callback();
  const ScopedVariable variable("OSDN_PACKS", ":" + (home / "nowhere") + "::" + pack + ":");
  EXPECT_EQ(source_of(Engine::create(options).value_or_throw().prepare(small_problem())), "pack");
  ASSERT_EQ(messages.warnings().size(), 1U) << messages.all();
  EXPECT_NE(messages.warnings()[0].find("nowhere"), std::string::npos);
  options.packs = {home / "nowhere"};
  EXPECT_FALSE(Engine::create(options).value_or_throw().prepare(small_problem()));
}

TEST(Packs, OfTwoWithOneKernelTheFirstServesUnlessItIsDamaged) {
  fresh_books();
  const TemporaryDirectory home;
  const TemporaryDirectory other;
  EngineOptions older = null_options();
  older.nvrtc_library = OSDN_FAKE_NVRTC_12_9;
  Messages messages;
  EngineOptions options = without_nvrtc();
  options.log = messages.callback();
  const std::vector<std::string> entries = entries_by(older);
  options.packs = {write_pack(home, entries), write_pack(other, entries_by(null_options()))};
  const auto version_served = [&] {
    const Engine engine = Engine::create(options).value_or_throw();
    Compiler& compiler = engine.state()->compiler();
    const RecordFields fields = parse_record(decode_entry(entries[0]).value_or_throw().record).value_or_throw();
    CompileInput input{"kernel", fields.source, {}, fields.options, fields.arch};
    for (const auto& [name, text] : fields.headers) input.headers.push_back({name, text});
    const int version = compiler.compile(input).value_or_throw().kernel.nvrtc_version;
    EXPECT_EQ(compiler.rejected(), version == 12090 ? 0U : 1U);
    return version;
  };
  EXPECT_EQ(version_served(), 12090);
  std::string bytes = read_all(options.packs[0]);
  for (const std::string& entry : entries) bytes[bytes.find(entry) + entry.size() / 2] ^= 1;
  write_all(options.packs[0], bytes);
  EXPECT_EQ(version_served(), 13000);
  EXPECT_EQ(messages.warnings().size(), 1U) << messages.all();
}

TEST(Packs, RelativesServeWhereNothingCanBeCompiled) {
  fresh_books();
  const TemporaryDirectory home;
  const std::vector<std::string> own = entries_by(null_options());
  std::optional<ScopedVariable> poses(std::in_place, "NULL_DRIVER_ARCH", "89");
  const auto pack_of = [&](const std::string& arch) {
    std::vector<std::string> entries;
    for (const std::string& entry : own) entries.push_back(with_arch(entry, arch));
    return write_pack(home, entries);
  };
  const auto report = [&](const std::string& pack, EngineOptions options = without_nvrtc()) {
    options.packs = {pack};
    const Problem problem = small_problem();
    Engine engine = Engine::create(options).value_or_throw();
    const auto config = generator::default_config(problem, *generator::find_architecture("sm_80")).value_or_throw();
    const auto operation = engine.prepare(problem, config);
    return operation ? operation->kernels()[0] : KernelReport{};
  };
  EXPECT_EQ(report(pack_of("sm_89")).arch, "sm_89");
  EXPECT_EQ(report(pack_of("sm_86")).arch, "sm_86");
  EXPECT_EQ(report(pack_of("sm_80")).arch, "sm_80");
  EXPECT_GT(report(pack_of("sm_80")).registers, 0);
  EXPECT_EQ(report(pack_of("compute_86")).arch, "compute_86");
  EXPECT_EQ(report(pack_of("compute_86")).registers, 0);
  for (const char* none : {"sm_90", "sm_80a", "sm_89a", "compute_89a", "compute_90", "sm_120"}) {
    EXPECT_EQ(report(pack_of(none)).source, "") << none;
  }
  // Where something can be compiled, that is better than a relative.
  EXPECT_EQ(report(pack_of("sm_80"), null_options()).source, "compiled");
  // Machine code of another major version does not run; its PTX does.
  poses.reset();
  poses.emplace("NULL_DRIVER_ARCH", "120");
  EXPECT_EQ(report(pack_of("sm_90")).arch, "compute_90");
  EXPECT_EQ(report(pack_of("sm_90")).source, "pack");
}

TEST(Packs, PtxNeedsADriverThatIsNotOlderThanItsCompiler) {
  null_driver::Books& books = fresh_books();
  const TemporaryDirectory home;
  EngineOptions newer = null_options();
  newer.nvrtc_library = OSDN_FAKE_NVRTC_13_1;
  books.driver_version = 13010;
  std::vector<std::string> entries;
  for (const std::string& entry : entries_by(newer)) entries.push_back(with_arch(entry, "compute_80"));
  EngineOptions options = without_nvrtc();
  options.packs = {write_pack(home, entries)};
  EXPECT_TRUE(Engine::create(options).value_or_throw().prepare(small_problem()));
  books.driver_version = 13000;
  EXPECT_FALSE(Engine::create(options).value_or_throw().prepare(small_problem()));
}

TEST(Packs, CodeOfOtherSourcesIsNotTaken) {
  fresh_books();
  const TemporaryDirectory home;
  std::vector<std::string> entries;
  for (const std::string& bytes : entries_by(null_options())) {
    const CacheEntry entry = decode_entry(bytes).value_or_throw();
    const RecordFields fields = parse_record(entry.record).value_or_throw();
    CompileInput input{entry.entry, fields.source, {}, fields.options, fields.arch};
    for (const auto& [name, text] : fields.headers) input.headers.push_back({name, text});
    std::string changed = std::string(input.headers[0].text) + " ";
    input.headers[0].text = changed;
    entries.push_back(encode_entry(cache_record(input, fields.nvrtc_version), entry.entry, entry.kernel));
  }
  EngineOptions options = without_nvrtc();
  options.packs = {write_pack(home, entries)};
  EXPECT_FALSE(Engine::create(options).value_or_throw().prepare(small_problem()));
}

}  // namespace
}  // namespace osdn::runtime::testing
