// osdn unpack: what a pack holds into the compile cache and the tuning database, or into files.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "autotune/database/exchange.hpp"
#include "cli/db.hpp"
#include "cli/pack.hpp"
#include "cli/report.hpp"
#include "reference/whole_file.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/pack.hpp"

namespace osdn::cli {
namespace {

struct Options {
  std::string file;
  std::string output;
  std::string cache;
  std::string tuning;
  bool json = false;
};

/// Names in a pack are somebody else's: one that leads elsewhere is none.
bool plain(const std::string& name) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// All is read before anything is written: a damaged pack leaves nothing behind.
expected<std::vector<runtime::CacheEntry>> read_kernels(const runtime::Pack& pack) {
  std::vector<runtime::CacheEntry> out;
  for (std::size_t i = 0; i < pack.size(); ++i) {
    auto entry = pack.entry(i);
    if (!entry) return entry.error();
    out.push_back(*std::move(entry));
  }
  return out;
}

/// KEY.entry.arch.cu, .ptx and .cubin for every kernel, manifest.json and tuning.jsonl.
expected<Json> write_files(const runtime::Pack& pack, const std::string& directory) {
  const auto entries = read_kernels(pack);
  if (!entries) return entries.error();
  const auto manifest = pack.manifest();
  if (!manifest) return manifest.error();
  const auto tuning = pack.tuning();
  if (!tuning) return tuning.error();
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) {
    return Error{ErrorCode::io, fmt::format("{}: cannot create the folder: {}", directory, failed.message()), {}};
  }
  std::size_t files = 0;
  const auto write = [&](const std::string& name, const std::string& bytes) -> expected<void> {
    if (bytes.empty()) return {};
    ++files;
    return reference::write_whole_file(directory + "/" + name, bytes);
  };
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const runtime::CacheEntry& entry = (*entries)[i];
    auto record = runtime::parse_record(entry.record);
    if (!record) return record.error();
    const std::string& source = record->source;
    const runtime::CompiledKernel& kernel = entry.kernel;
    if (!plain(entry.entry) || !plain(kernel.arch)) {
      return Error{ErrorCode::corrupt, fmt::format("{}: a kernel's name is not one of ours", pack.path()), {}};
    }
    const std::string stem = fmt::format("{}.{}.{}", pack.key(i).hex(), entry.entry, kernel.arch);
    for (const auto& [extension, bytes] :
         {std::pair(".cu", &source), std::pair(".ptx", &kernel.ptx), std::pair(".cubin", &kernel.cubin)}) {
      if (auto ok = write(stem + extension, *bytes); !ok) return ok.error();
    }
  }
  for (const auto& [name, text] : {std::pair("manifest.json", &*manifest), std::pair("tuning.jsonl", &*tuning)}) {
    if (auto ok = write(name, *text); !ok) return ok.error();
  }
  return Json{{"directory", directory}, {"kernels", pack.size()}, {"files", files}};
}

/// Kernels as if they had been compiled here, tuning entries as if they had been imported.
expected<Json> fill_caches(const runtime::Pack& pack, const Options& options) {
  const auto entries = read_kernels(pack);
  if (!entries) return entries.error();
  auto tuning = pack.tuning();
  if (!tuning) return tuning.error();
  runtime::DiskCacheOptions how;
  how.directory = options.cache;
  std::string warning;  // what would be a warning elsewhere is the result here
  how.log = runtime::Log([&warning](LogLevel, std::string_view text) { warning = text; });
  runtime::DiskCache cache(how);
  if (!cache.usable()) return Error{ErrorCode::io, "the compile cache is not used: " + cache.refusal(), {}};
  for (const runtime::CacheEntry& entry : *entries) {
    cache.store(runtime::cache_key(entry.record), entry.record, entry.entry, entry.kernel);
  }
  if (cache.write_failures() > 0) {
    return Error{ErrorCode::io,
                 fmt::format("{}: {} of {} kernels could not be written: {}", cache.directory(), cache.write_failures(),
                             entries->size(), warning),
                 {}};
  }
  Json out = {{"cache", cache.directory()}, {"kernels", entries->size()}, {"tuning_records", 0}};
  if (tuning->empty()) return out;
  auto imported = autotune::import_text(*tuning, pack.path());
  if (!imported) return imported.error();
  DbOptions where;
  where.directory = options.tuning;
  auto database = open_database(where);
  if (!database) return database.error();
  auto merged = autotune::merge(*database, imported->entries);
  if (!merged) return merged.error();
  out["tuning"] = database->directory();
  out["tuning_records"] = merged->added;
  return out;
}

expected<int> unpack(const Options& options) {
  auto pack = runtime::Pack::open(options.file);
  if (!pack) return pack.error();
  const bool files = !options.output.empty();
  auto done = files ? write_files(**pack, options.output) : fill_caches(**pack, options);
  if (!done) return done.error();
  if (options.json) {
    print_json(*done);
  } else if (files) {
    print(fmt::format("wrote {} kernels as {} files to {}", (*pack)->size(), (*done)["files"].get<std::size_t>(),
                      options.output));
  } else {
    print(fmt::format("{} kernels are in {}, {} tuning records are new", (*pack)->size(),
                      (*done)["cache"].get<std::string>(), (*done)["tuning_records"].get<std::int64_t>()));
  }
  return success;
}

}  // namespace

void add_unpack(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("unpack", "Put a pack's kernels and tuning entries into the caches, or into files");
  verb->add_option("file", options->file, "pack")->required();
  verb->add_option("--output", options->output, "folder for sources, PTX, cubins and tuning entries instead");
  verb->add_option("--cache", options->cache, "compile cache ($OSDN_CACHE_DIR, else the user's)");
  verb->add_option("--tuning", options->tuning, "tuning database ($OSDN_TUNING_DIR, else in the user's cache)");
  verb->add_flag("--json", options->json, "print one JSON object");
  verb->callback([options, &exit_code] {
    const auto code = unpack(*options);
    exit_code = code ? *code : fail(code.error(), options->json);
  });
}

}  // namespace osdn::cli
