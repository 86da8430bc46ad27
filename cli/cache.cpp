// osdn cache: what the compile cache on disk holds.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <functional>
#include <memory>

#include "cli/report.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "runtime/cache_entry.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/nvrtc.hpp"

namespace osdn::cli {
namespace {

struct Options {
  std::string directory;
  std::string key;
  std::string part;
  bool json = false;
};

expected<runtime::DiskCache*> open(std::optional<runtime::DiskCache>& cache, const Options& options) {
  runtime::DiskCacheOptions how;
  how.directory = options.directory;
  how.log = runtime::Log([](LogLevel, std::string_view) {});  // what keeps it from being used is the result here
  cache.emplace(how);
  if (cache->usable()) return &*cache;
  return Error{ErrorCode::io, "the compile cache is not used: " + cache->refusal(), {}};
}

std::string date(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(seconds));
}

expected<int> stats(const Options& options) {
  std::optional<runtime::DiskCache> held;
  auto cache = open(held, options);
  if (!cache) return cache.error();
  const auto files = (*cache)->list();
  std::uint64_t bytes = 0;
  for (const auto& file : files) bytes += file.bytes;
  if (options.json) {
    print_json(Json{{"directory", (*cache)->directory()},
                    {"entries", files.size()},
                    {"bytes", bytes},
                    {"max_bytes", (*cache)->max_bytes()}});
  } else {
    print(fmt::format("{}\n{} kernels, {} of at most {}", (*cache)->directory(), files.size(), bytes_text(bytes),
                      bytes_text((*cache)->max_bytes())));
  }
  return success;
}

expected<int> show_list(const runtime::DiskCache& cache, bool json) {
  Table table({{"key"}, {"bytes", Align::right}, {"last used"}});
  Json out = Json::array();
  for (const auto& file : cache.list()) {
    table.add({file.key, bytes_text(file.bytes), date(file.used)});
    out.push_back({{"key", file.key}, {"path", file.path}, {"bytes", file.bytes}, {"used", file.used}});
  }
  if (json)
    print_json(Json{{"entries", out}});
  else
    print(table.empty() ? "no kernels" : table.text());
  return success;
}

Json describe(const runtime::CacheEntry& entry, const runtime::RecordFields& record) {
  Json headers = Json::array();
  for (const auto& [name, text] : record.headers) headers.push_back(name);
  const auto& resources = entry.kernel.resources;
  return {{"entry", entry.entry},
          {"arch", entry.kernel.arch},
          {"asked_for", record.arch},
          {"nvrtc_version", runtime::version_text(record.nvrtc_version)},
          {"options", record.options},
          {"includes", headers},
          {"compile_ms", entry.kernel.compile_ms},
          {"registers", resources.registers},
          {"spill_bytes", resources.spill_store_bytes + resources.spill_load_bytes},
          {"stack_bytes", resources.stack_bytes},
          {"static_shared_bytes", resources.static_shared_bytes},
          {"ptx_bytes", entry.kernel.ptx.size()},
          {"cubin_bytes", entry.kernel.cubin.size()},
          {"source", record.source}};
}

expected<int> show(const Options& options) {
  std::optional<runtime::DiskCache> held;
  auto cache = open(held, options);
  if (!cache) return cache.error();
  if (options.key.empty() && options.part.empty()) return show_list(**cache, options.json);
  auto entry = (*cache)->show(options.key);
  if (!entry) return entry.error();
  auto record = runtime::parse_record(entry->record);
  if (!record) return record.error();
  const Json all = describe(*entry, *record);
  if (options.json) {
    print_json(all);
  } else if (options.part == "source") {
    print(record->source);
  } else if (options.part == "ptx") {
    print(entry->kernel.ptx);
  } else if (options.part == "log") {
    print(entry->kernel.log);
  } else if (options.part.empty()) {
    for (const auto& [name, value] : all.items()) {
      if (name != "source")
        print(fmt::format("{:20}{}", name, value.is_string() ? value.get<std::string>() : value.dump()));
    }
  } else {
    return Error{
        ErrorCode::invalid_argument, fmt::format("--print is {}; allowed: source, ptx or log", options.part), {}};
  }
  return success;
}

expected<int> verify(const Options& options) {
  std::optional<runtime::DiskCache> held;
  auto cache = open(held, options);
  if (!cache) return cache.error();
  std::size_t damaged = 0;
  Json out = Json::array();
  const auto all = (*cache)->verify();
  for (const auto& [file, problem] : all) {
    if (problem.empty()) continue;
    ++damaged;
    out.push_back({{"key", file.key}, {"path", file.path}, {"problem", problem}});
    if (!options.json) print(fmt::format("{}: {}", file.path, problem));
  }
  if (options.json)
    print_json(Json{{"entries", all.size()}, {"damaged", out}});
  else
    print(fmt::format("{} of {} kernels are sound", all.size() - damaged, all.size()));
  return damaged == 0 ? success : not_passed;
}

expected<int> clear(const Options& options) {
  std::optional<runtime::DiskCache> held;
  auto cache = open(held, options);
  if (!cache) return cache.error();
  auto cleared = (*cache)->clear();
  if (!cleared) return cleared.error();
  if (options.json)
    print_json(Json{{"files", cleared->files}, {"bytes", cleared->bytes}});
  else
    print(fmt::format("removed {} files, {}", cleared->files, bytes_text(cleared->bytes)));
  return success;
}

}  // namespace

void add_cache(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* cache = app.add_subcommand("cache", "Look into the compile cache");
  cache->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, expected<int> (*verb)(const Options&)) {
    CLI::App* action = cache->add_subcommand(name, what);
    action->add_option("--directory", options->directory, "cache to look into ($OSDN_CACHE_DIR, else the user's)");
    action->add_flag("--json", options->json, "print one JSON object");
    action->callback([options, verb, &exit_code] {
      const auto code = verb(*options);
      exit_code = code ? *code : fail(code.error(), options->json);
    });
    return action;
  };
  add("stats", "How many kernels, how many bytes", stats);
  CLI::App* one = add("show", "List the kernels, or unpack one", show);
  one->add_option("key", options->key, "key of a kernel, or an unambiguous beginning of one");
  one->add_option("--print", options->part, "print only its source, ptx or log");
  add("verify", "Check every entry; exit code 1 when one is damaged", verify);
  add("clear", "Remove every entry", clear);
}

}  // namespace osdn::cli
