#include "runtime/shelf.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <utility>

namespace osdn::runtime {
namespace {

constexpr int oldest_arch = 80;

/// 86 of "sm_86" and "compute_86"; nothing of "sm_90a".
std::optional<int> portable_number(std::string_view arch) {
  const std::size_t underscore = arch.find('_');
  if (underscore == std::string_view::npos) return std::nullopt;
  int number = 0;
  const char* const end = arch.data() + arch.size();
  const auto [stop, bad] = std::from_chars(arch.data() + underscore + 1, end, number);
  if (bad != std::errc() || stop != end) return std::nullopt;
  return number;
}

}  // namespace

std::vector<std::string> pack_files(const std::vector<std::string>& option) {
  if (!option.empty()) return option;
  const char* variable = std::getenv("OSDN_PACKS");
  std::vector<std::string> files;
  for (std::string_view rest = variable != nullptr ? variable : ""; !rest.empty();) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) files.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return files;
}

Shelf::Shelf(const std::vector<std::string>& files, int driver_version, Log log)
    : driver_version_(driver_version), log_(std::move(log)) {
  for (const std::string& file : files) {
    auto pack = Pack::open(file);
    if (pack) {
      packs_.push_back(*std::move(pack));
    } else {
      refusals_.push_back(pack.error().message);
      log_.warning(pack.error().message);
    }
  }
}

std::optional<CompiledKernel> Shelf::find(std::string_view kernel) {
  return find(kernel, Use::machine_code);
}

std::optional<CompiledKernel> Shelf::find(std::string_view kernel, Use use) {
  for (const auto& pack : packs_) {
    auto found = pack->find(kernel);
    if (!found) {
      reject(found.error().message);
      continue;
    }
    if (!*found) continue;
    CompiledKernel& one = (*found)->kernel;
    const bool runs = driver_version_ == 0 || (use == Use::ptx ? one.nvrtc_version <= driver_version_
                                                               : one.nvrtc_version / 1000 <= driver_version_ / 1000);
    if (runs) return std::move(one);
    log_.debug(fmt::format("{}: {} was compiled by NVRTC {}, too new for this driver", pack->path(), (*found)->entry,
                           version_text(one.nvrtc_version)));
  }
  return std::nullopt;
}

std::optional<CompiledKernel> Shelf::find_relative(const CompileInput& input) {
  const auto own = portable_number(input.arch);
  if (!own || packs_.empty()) return std::nullopt;
  CompileInput other = input;
  const auto look = [&](std::string_view prefix, int number, Use use) {
    other.arch = fmt::format("{}{}", prefix, number);
    return find(kernel_record(cache_record(other, 0)), use);
  };
  for (int number = *own - 1; number / 10 == *own / 10; --number) {
    if (auto found = look("sm_", number, Use::machine_code); found && !found->cubin.empty()) return found;
  }
  for (int number = *own; number >= oldest_arch; --number) {
    for (const char* prefix : {"sm_", "compute_"}) {
      auto found = look(prefix, number, Use::ptx);
      if (!found || found->ptx.empty()) continue;
      found->cubin.clear();
      found->resources = {};  // the driver's assembler does not say
      found->arch = fmt::format("compute_{}", number);
      return found;
    }
  }
  return std::nullopt;
}

void Shelf::reject(const std::string& why) {
  rejected_.fetch_add(1, std::memory_order_relaxed);
  if (!warned_.test_and_set()) log_.warning(fmt::format("{}; the kernel is looked for elsewhere", why));
}

}  // namespace osdn::runtime
