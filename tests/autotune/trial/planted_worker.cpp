// A worker whose candidates are broken, each in its own way, by a rule on the configuration. Meant for the problem
// fp32, k = v = 16, whose default passes.
#include <string>
#include <thread>

#include "autotune/trial/worker.hpp"

namespace {

using osdn::Config;
using osdn::InverseAlgorithm;
using osdn::PreconditionerAlgorithm;

/// A shape of so many tokens is timed; the gate has none like it.
const std::string when_timed = "if (p.tokens == 777) ";
const std::string first_thread = "if (blockIdx.x == 0 && threadIdx.x == 0 && p.tokens > 0) ";

/// What the delta rule does before and after its work.
struct Breakage {
  std::string outside;  ///< beside the kernel
  std::string before;
  std::string after;
};

Breakage breakage_of(const Config& config) {
  if (config.inverse == InverseAlgorithm::substitution) return {"", "while (true) asm volatile(\"\");", ""};
  if (config.stages == 2) return {"", "", first_thread + "static_cast<float*>(p.o)[-4] = 1.0F;"};
  if (config.stages == 3) return {"", "", first_thread + "static_cast<float*>(p.o)[5] = __int_as_float(0x7FC00000);"};
  if (config.warps == 2) return {"", "", first_thread + "static_cast<float*>(p.o)[3] += 1.0F;"};
  if (config.warps == 4) return {"#error planted\n", "", ""};
  if (config.warps == 8) return {"", "", first_thread + "static_cast<float*>(p.o)[1 << 28] = 1.0F;"};
  if (config.warps == 16) return {"", when_timed + "while (true) asm volatile(\"\");", ""};
  const bool serial = config.preconditioner == PreconditionerAlgorithm::serial;
  if (config.chunk == 16 && serial)
    return {"", "", first_thread + "static_cast<float*>(const_cast<void*>(p.v))[1] = 7.0F;"};
  if (config.chunk == 16) {
    return {"__device__ unsigned runs;\n", "",
            first_thread + "static_cast<float*>(p.o)[2] += 1e-6F * atomicAdd(&runs, 1U);"};
  }
  if (config.chunk == 64) return {"", when_timed + "asm volatile(\"trap;\");", ""};
  if (serial) return {"", "", first_thread + "p.gain[-1] = 1.0F;"};
  return {};
}

void replace(std::string& text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  if (at != std::string::npos) text.replace(at, what.size(), with);
}

void break_plan(osdn::generator::Plan& plan, bool on_device) {
  const Config& config = plan.config;
  if (config.preconditioner_warps == 1 && !on_device) std::abort();
  if (config.preconditioner_warps == 2 && !on_device) std::this_thread::sleep_for(std::chrono::hours(1));
  const bool parallel = config.preconditioner == PreconditionerAlgorithm::parallel;  // the default has 8, too
  if (parallel && config.preconditioner_warps == 8 && on_device) std::abort();
  if (config.cut != osdn::Cut::never) {
    for (auto& kernel : plan.kernels) {
      replace(kernel.source, "osdn::segment_states<osdn::Traits>(p);",
              "osdn::segment_states<osdn::Traits>(p);\n  __syncthreads();\n  " + first_thread +
                  "p.segment_states[0] += 1.0F;");
    }
  }
  const Breakage broken = breakage_of(config);
  std::string& source = plan.kernels.back().source;
  replace(source, "extern \"C\"", broken.outside + "extern \"C\"");
  replace(source, "osdn::delta_rule<osdn::Traits>(p);",
          broken.before + "\n  osdn::delta_rule<osdn::Traits>(p);\n  __syncthreads();\n  " + broken.after);
}

}  // namespace

int main(int argc, char** argv) {
  return osdn::autotune::worker_main(argc, argv, {break_plan});
}
