#include "cli/pack_list.hpp"

#include <fmt/format.h>

#include <set>

#include "autotune/database/exchange.hpp"
#include "cli/pack_work.hpp"
#include "cli/report.hpp"
#include "cli/subject.hpp"
#include "cli/table.hpp"

namespace osdn::cli {
namespace {

struct Kernels {
  Json list = Json::array();
  std::vector<std::string> problems;  ///< one line for each damaged entry
  std::set<std::string> keys;
  std::set<std::string> compilers;
};

Kernels read_kernels(const runtime::Pack& pack) {
  Kernels out;
  for (std::size_t i = 0; i < pack.size(); ++i) {
    const std::string key = pack.key(i).hex();
    Json one = {{"key", key}, {"bytes", pack.entry_bytes(i)}};
    if (const auto entry = pack.entry(i); !entry) {
      out.problems.push_back(entry.error().message);
      one["problem"] = entry.error().message;
    } else {
      out.keys.insert(key);
      out.compilers.insert(runtime::version_text(entry->kernel.nvrtc_version));
      one["entry"] = entry->entry;
      one["arch"] = entry->kernel.arch;
      one["nvrtc_version"] = runtime::version_text(entry->kernel.nvrtc_version);
      one["registers"] = entry->kernel.resources.registers;
      one["ptx_bytes"] = entry->kernel.ptx.size();
      one["cubin_bytes"] = entry->kernel.cubin.size();
    }
    out.list.push_back(std::move(one));
  }
  return out;
}

/// "yes" where this library would ask for these kernels and finds them all.
std::string usable(const Manifest::Item& item, const std::set<std::string>& keys) {
  const auto kernels = pack_kernels(item.item);
  if (!kernels) return "no: " + kernels.error().message;
  std::size_t found = 0;
  for (const PackKernel& kernel : *kernels) found += keys.count(kernel.key.hex());
  if (found == kernels->size()) return "yes";
  return fmt::format("no: {} of {} kernels are written differently now", kernels->size() - found, kernels->size());
}

}  // namespace

expected<int> list_pack(const std::string& path, bool json) {
  const auto pack = runtime::Pack::open(path);
  if (!pack) return pack.error();
  Kernels kernels = read_kernels(**pack);
  const auto text = (*pack)->manifest();
  auto manifest = text ? read_manifest(*text) : expected<Manifest>(text.error());
  if (!manifest) kernels.problems.push_back(manifest.error().message);
  const auto tuning = (*pack)->tuning();
  std::size_t entries = 0;
  if (!tuning) {
    kernels.problems.push_back(tuning.error().message);
  } else if (!tuning->empty()) {
    const auto imported = autotune::import_text(*tuning, "the pack's tuning entries");
    if (!imported) kernels.problems.push_back(imported.error().message);
    if (imported) entries = imported->entries.size();
  }

  bool all_usable = true;
  Table table({{"problem"}, {"arch"}, {"why"}, {"kernels", Align::right}, {"configuration"}, {"usable"}});
  Json items = Json::array();
  for (const Manifest::Item& item : manifest ? manifest->items : std::vector<Manifest::Item>()) {
    const std::string use = usable(item, kernels.keys);
    all_usable = all_usable && use == "yes";
    const std::string decode = item.item.problem.operation == Operation::osdn_decode ? " decode" : "";
    table.add({brief(item.item.problem) + decode, item.item.arch, item.item.why, fmt::format("{}", item.kernels.size()),
               to_string(item.item.config), use});
    items.push_back({{"problem", to_string(item.item.problem)},
                     {"arch", item.item.arch},
                     {"why", item.item.why},
                     {"config", to_string(item.item.config)},
                     {"kernels", item.kernels},
                     {"usable", use}});
  }
  const std::string version = manifest ? manifest->version : "";
  if (json) {
    print_json(Json{{"file", path},
                    {"bytes", (*pack)->bytes()},
                    {"version", version},
                    {"kernels", kernels.list},
                    {"items", items},
                    {"tuning_entries", entries},
                    {"problems", kernels.problems}});
  } else {
    std::string compilers;
    for (const std::string& one : kernels.compilers) compilers += (compilers.empty() ? "" : ", ") + one;
    print(fmt::format("{}: {} kernels, {}, {} tuning entries; by osdn {}, NVRTC {}", path, (*pack)->size(),
                      bytes_text((*pack)->bytes()), entries, version, compilers.empty() ? "–" : compilers));
    if (!table.empty()) print("\n" + table.text());
    for (const std::string& problem : kernels.problems) print("damaged: " + problem);
  }
  return kernels.problems.empty() && all_usable ? success : not_passed;
}

}  // namespace osdn::cli
