#include "cli/kernel_table.hpp"

#include <fmt/format.h>

#include "cli/report.hpp"
#include "cli/subject.hpp"

namespace osdn::cli {

KernelTable::KernelTable()
    : table_({{"kernel"},
              {"for"},
              {"chunk", Align::right},
              {"arch"},
              {"found"},
              {"compile ms", Align::right},
              {"threads", Align::right},
              {"registers", Align::right},
              {"spilled", Align::right},
              {"shared memory", Align::right}}) {}

void KernelTable::add(const Problem& problem, const Config& config, const std::vector<KernelReport>& kernels) {
  for (const KernelReport& kernel : kernels) {
    if (!seen_.insert(fmt::format("{} {} {} {}", kernel.phase, kernel.arch, to_string(problem), to_string(config)))
             .second)
      continue;
    const bool assembled = kernel.registers > 0;
    table_.add({kernel.phase, brief(problem), fmt::format("{}", config.chunk), kernel.arch, kernel.source,
                fmt::format("{:.0f}", kernel.compile_ms), fmt::format("{}", kernel.threads),
                assembled ? fmt::format("{}", kernel.registers) : "–", assembled ? bytes_text(kernel.spill_bytes) : "–",
                bytes_text(kernel.static_shared_bytes + kernel.dynamic_shared_bytes)});
  }
}

}  // namespace osdn::cli
