#include "layers.hpp"

#include "runtime/cache_entry.hpp"
#include "runtime/pack.hpp"

namespace osdn::runtime::testing {

HostCache Store::cache() {
  HostCache cache;
  cache.load = [this](std::string_view key) -> std::optional<std::string> {
    ++loads;
    const std::lock_guard lock(mutex);
    const auto at = entries.find(key);
    return at == entries.end() ? std::nullopt : std::optional(at->second);
  };
  cache.store = [this](std::string_view key, std::string_view entry) {
    const std::lock_guard lock(mutex);
    entries.insert_or_assign(std::string(key), std::string(entry));
  };
  return cache;
}

std::string source_of(const expected<PreparedOperation>& operation) {
  return operation ? operation->kernels()[0].source : operation.error().message;
}

std::vector<std::string> entries_by(EngineOptions options) {
  Store store;
  options.packs = {"/nowhere"};
  options.log = [](LogLevel, std::string_view) {};
  options.host_cache = store.cache();
  Engine engine = Engine::create(options).value_or_throw();
  (void)engine.prepare(small_problem()).value_or_throw();
  std::vector<std::string> entries;
  for (const auto& [key, bytes] : store.entries) entries.push_back(bytes);
  return entries;
}

std::string with_arch(const std::string& entry, const std::string& arch) {
  const CacheEntry before = decode_entry(entry).value_or_throw();
  const RecordFields fields = parse_record(before.record).value_or_throw();
  CompileInput input{before.entry, fields.source, {}, fields.options, arch};
  for (const auto& [name, text] : fields.headers) input.headers.push_back({name, text});
  CompiledKernel kernel = before.kernel;
  kernel.arch = arch;
  return encode_entry(cache_record(input, fields.nvrtc_version), before.entry, kernel);
}

std::string with_code(const std::string& entry, const std::string& ptx, const std::string& cubin) {
  CacheEntry other = decode_entry(entry).value_or_throw();
  other.kernel.ptx = ptx;
  other.kernel.cubin = cubin;
  return encode_entry(other.record, other.entry, other.kernel);
}

std::string write_pack(const TemporaryDirectory& home, const std::vector<std::string>& entries) {
  std::string file = home / "kernels.osdnpack";
  write_all(file, encode_pack({entries, "{}", ""}).value_or_throw());
  return file;
}

EngineOptions without_nvrtc() {
  EngineOptions options = null_options();
  options.nvrtc_library = "/nowhere/libnvrtc.so.13";
  return options;
}

}  // namespace osdn::runtime::testing
