#include "cli/pack_work.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "autotune/database/exchange.hpp"
#include "autotune/database/ladder.hpp"
#include "generator/constraints.hpp"
#include "runtime/in_parallel.hpp"

namespace osdn::cli {
namespace {

/// The architecture that a text names, in the one spelling that keys have.
expected<std::pair<generator::Architecture, std::string>> find_arch(const std::string& text) {
  auto architecture = generator::find_architecture(text);
  if (!architecture) return architecture.error();
  const bool virtual_one = text.starts_with("compute_");
  std::string arch = virtual_one ? fmt::format("compute_{}", architecture->number) : to_string(*architecture);
  return std::pair(*architecture, std::move(arch));
}

/// Collects items, each configuration once.
class Items {
 public:
  Items(const Problem& problem, const generator::Architecture& architecture, std::string arch,
        std::vector<PackItem>& out)
      : problem_(problem), architecture_(architecture), arch_(std::move(arch)), out_(out) {}

  void add(const Config& config, const char* why) {
    if (seen_.insert(to_string(config)).second) out_.push_back({problem_, architecture_, arch_, config, why});
  }

  /// What an entry of the tuning database answers for itself, and for its neighbours: its pin, and what its sweep
  /// found.
  void add(const autotune::Entry& entry) {
    if (entry.pin && generator::plan(problem_, entry.pin->config, architecture_)) add(entry.pin->config, "pinned");
    if (!entry.choice) return;
    for (const autotune::Finalist& finalist : entry.choice->finalists) {
      const std::string now = autotune::current_hash(problem_, finalist.config, architecture_);
      if (now.empty() || (!finalist.sources.empty() && now != finalist.sources)) continue;
      if (refused(entry, finalist.config, now)) continue;
      return add(finalist.config, "tuned");
    }
  }

 private:
  /// A trial says that it is wrong; the ladder passes it by, then.
  static bool refused(const autotune::Entry& entry, const Config& config, const std::string& sources) {
    return std::any_of(entry.trials.begin(), entry.trials.end(), [&](const autotune::Trial& trial) {
      return trial.config == config && trial.sources == sources && autotune::fails_at(trial, entry.key.bucket);
    });
  }

  const Problem& problem_;
  const generator::Architecture& architecture_;
  std::string arch_;
  std::vector<PackItem>& out_;
  std::set<std::string> seen_;
};

runtime::CacheKey key_of(const runtime::CompileInput& input) {
  return runtime::cache_key(runtime::kernel_record(runtime::cache_record(input, 0)));
}

std::string manifest_of(const std::vector<PackItem>& items,
                        const std::vector<std::vector<runtime::CacheKey>>& kernels) {
  Json list = Json::array();
  for (std::size_t i = 0; i < items.size(); ++i) {
    Json keys = Json::array();
    for (const auto& key : kernels[i]) keys.push_back(key.hex());
    list.push_back({{"problem", to_string(items[i].problem)},
                    {"arch", items[i].arch},
                    {"config", to_string(items[i].config)},
                    {"why", items[i].why},
                    {"kernels", std::move(keys)}});
  }
  return Json{{"version", OSDN_VERSION}, {"items", std::move(list)}}.dump(1) + "\n";
}

}  // namespace

expected<std::vector<PackItem>> pack_items(const std::vector<Problem>& problems, const std::vector<std::string>& archs,
                                           const std::vector<std::string>& configs,
                                           const std::vector<autotune::Entry>& tuned) {
  std::vector<PackItem> out;
  std::set<std::pair<std::string, std::string>> seen;
  for (const std::string& text : archs) {
    auto named = find_arch(text);
    if (!named) return named.error();
    const auto& [architecture, arch] = *named;
    for (const Problem& problem : problems) {
      if (!seen.emplace(to_string(problem), arch).second) continue;
      Items items(problem, architecture, arch, out);
      auto usual = generator::default_config(problem, architecture);
      if (!usual) return usual.error();
      items.add(*usual, "default");
      Config cut = *usual;
      cut.cut = Cut::automatic;
      if (generator::plan(problem, cut, architecture)) items.add(cut, "cut");
      for (const std::string& config : configs) {
        auto whole = parse_config(config, *usual);
        if (!whole) return whole.error();
        if (auto legal = generator::plan(problem, *whole, architecture); !legal) return legal.error();
        items.add(*whole, "asked for");
      }
      for (const autotune::Entry& entry : tuned) {
        if (entry.key.problem == problem && entry.key.gpu.arch == architecture.number) items.add(entry);
      }
    }
  }
  return out;
}

expected<std::vector<PackKernel>> pack_kernels(const PackItem& item) {
  auto plan = generator::plan(item.problem, item.config, item.architecture);
  if (!plan) return plan.error();
  std::vector<PackKernel> out;
  for (const generator::KernelPlan& kernel : plan->kernels) {
    runtime::CompileInput input = runtime::compile_input(kernel, item.arch);
    out.push_back({key_of(input), std::move(input)});
  }
  return out;
}

expected<runtime::PackContents> compile_pack(runtime::Compiler& compiler, const std::vector<PackItem>& items,
                                             const std::vector<autotune::Entry>& tuned, PackProgress& progress) {
  std::map<runtime::CacheKey, runtime::CompileInput> inputs;
  std::vector<std::vector<runtime::CacheKey>> kernels(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto some = pack_kernels(items[i]);
    if (!some) return some.error();
    for (PackKernel& kernel : *some) {
      kernels[i].push_back(kernel.key);
      inputs.try_emplace(kernel.key, std::move(kernel.input));
    }
  }
  std::vector<const runtime::CompileInput*> jobs;
  for (const auto& [key, input] : inputs) jobs.push_back(&input);
  runtime::PackContents contents;
  contents.entries.resize(jobs.size());
  progress.all = jobs.size();
  std::mutex mutex;
  std::optional<Error> failed;
  runtime::in_parallel(jobs.size(), compiler.threads(), [&](std::size_t i) {
    {
      const std::lock_guard lock(mutex);
      if (failed) return;
    }
    auto made = compiler.compile(*jobs[i]);
    const std::lock_guard lock(mutex);
    if (!made) {
      if (!failed) failed = made.error();
      return;
    }
    runtime::CompiledKernel& kernel = made->kernel;
    kernel.compile_ms = 0;
    kernel.log.clear();
    contents.entries[i] =
        runtime::encode_entry(runtime::cache_record(*jobs[i], kernel.nvrtc_version), jobs[i]->entry, kernel);
    progress.compiled += made->origin == runtime::Origin::compiled ? 1 : 0;
    osdn::cli::progress(fmt::format("{} of {} kernels", ++progress.done, progress.all));
  });
  osdn::cli::progress({});
  if (failed) return *std::move(failed);
  contents.manifest = manifest_of(items, kernels);
  contents.tuning = autotune::export_text(tuned);
  return contents;
}

expected<Manifest> read_manifest(const std::string& text) {
  const Error bad{ErrorCode::corrupt, "the manifest is not one that osdn pack writes", {}};
  const Json json = Json::parse(text, nullptr, false);
  const auto string = [](const Json& from, const char* name, std::string& to) {
    if (!from.is_object() || !from.contains(name) || !from[name].is_string()) return false;
    to = from[name].get<std::string>();
    return true;
  };
  Manifest out;
  if (!string(json, "version", out.version) || !json.contains("items") || !json["items"].is_array()) return bad;
  for (const Json& one : json["items"]) {
    Manifest::Item item;
    std::string problem;
    std::string config;
    if (!string(one, "problem", problem) || !string(one, "arch", item.item.arch) || !string(one, "config", config) ||
        !string(one, "why", item.item.why) || !one.contains("kernels") || !one["kernels"].is_array()) {
      return bad;
    }
    for (const Json& key : one["kernels"]) {
      if (!key.is_string()) return bad;
      item.kernels.push_back(key.get<std::string>());
    }
    auto parsed = parse_problem(problem);
    auto named = find_arch(item.item.arch);
    if (!parsed || !named) return parsed ? named.error() : parsed.error();
    item.item.problem = *parsed;
    item.item.architecture = named->first;
    auto whole = parse_config(config, Config{});
    if (!whole) return whole.error();
    item.item.config = *whole;
    out.items.push_back(std::move(item));
  }
  return out;
}

}  // namespace osdn::cli
