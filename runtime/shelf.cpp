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

bool runs_on(int driver_version, const CompiledKernel& kernel, CodeUse use) {
  if (driver_version == 0) return true;
  return use == CodeUse::ptx ? kernel.nvrtc_version <= driver_version
                             : kernel.nvrtc_version / 1000 <= driver_version / 1000;
}

std::vector<Relative> relatives(std::string_view arch) {
  const auto own = portable_number(arch);
  std::vector<Relative> out;
  if (!own) return out;
  for (int number = *own - 1; number / 10 == *own / 10; --number)
    out.push_back({fmt::format("sm_{}", number), CodeUse::machine_code});
  for (int number = *own; number >= oldest_arch; --number) {
    for (const char* prefix : {"sm_", "compute_"}) out.push_back({fmt::format("{}{}", prefix, number), CodeUse::ptx});
  }
  return out;
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

std::optional<Shelf::Served> Shelf::find(std::string_view kernel, const RefusedCode& refused) {
  return find(kernel, CodeUse::machine_code, refused);
}

std::optional<Shelf::Served> Shelf::find(std::string_view kernel, CodeUse use, const RefusedCode& refused) {
  for (const auto& pack : packs_) {
    auto found = pack->find(kernel);
    if (!found) {
      reject(found.error().message);
      continue;
    }
    if (!*found) continue;
    CompiledKernel& one = (*found)->kernel;
    if (use == CodeUse::ptx) one.cubin.clear();
    if (refused.holds(one)) continue;
    if (runs_on(driver_version_, one, use)) return Served{std::move(one), pack.get()};
    log_.debug(fmt::format("{}: {} was compiled by NVRTC {}, too new for this driver", pack->path(), (*found)->entry,
                           version_text(one.nvrtc_version)));
  }
  return std::nullopt;
}

std::optional<Shelf::Served> Shelf::find_relative(const CompileInput& input, const RefusedCode& refused) {
  if (packs_.empty()) return std::nullopt;
  CompileInput other = input;
  for (const Relative& relative : relatives(input.arch)) {
    other.arch = relative.arch;
    auto found = find(kernel_record(cache_record(other, 0)), relative.use, refused);
    if (!found) continue;
    CompiledKernel& kernel = found->kernel;
    if (relative.use == CodeUse::machine_code) {
      if (!kernel.cubin.empty()) return found;
    } else if (!kernel.ptx.empty()) {
      kernel.resources = {};  // the driver's assembler does not say
      kernel.arch = "compute" + relative.arch.substr(relative.arch.find('_'));
      return found;
    }
  }
  return std::nullopt;
}

std::string Shelf::why_not(std::string_view kernel) const {
  std::string lines;
  for (const auto& pack : packs_) {
    const auto found = pack->find(kernel);
    if (!found) {
      lines += found.error().message + '\n';
    } else if (!*found) {
      lines += fmt::format("the pack {} has {} kernels, this one not\n", pack->path(), pack->size());
    } else if (const CompiledKernel& one = (*found)->kernel; !runs_on(driver_version_, one, CodeUse::machine_code)) {
      lines += fmt::format("the pack {} has it compiled by NVRTC {}, too new for the driver's {}\n", pack->path(),
                           version_text(one.nvrtc_version), version_text(driver_version_));
    }
  }
  for (const std::string& refusal : refusals_) lines += refusal + '\n';
  return lines;
}

void Shelf::reject(const std::string& why) {
  rejected_.fetch_add(1, std::memory_order_relaxed);
  if (!warned_.test_and_set()) log_.warning(fmt::format("{}; the kernel is looked for elsewhere", why));
}

}  // namespace osdn::runtime
