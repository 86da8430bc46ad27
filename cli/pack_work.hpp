// What osdn pack puts into a file: which kernels, and how they are compiled.
#pragma once

#include <string>
#include <vector>

#include "autotune/database/database.hpp"
#include "cli/report.hpp"
#include "generator/plan.hpp"
#include "runtime/compiler.hpp"
#include "runtime/pack.hpp"

namespace osdn::cli {

/// One configuration of one problem on one architecture.
struct PackItem {
  Problem problem;  ///< canonical
  generator::Architecture architecture;
  std::string arch;  ///< what is compiled for: "sm_90", or "compute_90": PTX only
  Config config;
  std::string why;  ///< "default", "cut", "tuned", "pinned", "asked for"
};

/// Every configuration that an Engine or a Tuner with this pack and nothing else would ask for: the default, the
/// default with cuts, what `tuned` says for that architecture, and `configs` (texts over the default). Each once.
/// Errors: those of the texts, and of a problem that an architecture cannot have.
expected<std::vector<PackItem>> pack_items(const std::vector<Problem>& problems, const std::vector<std::string>& archs,
                                           const std::vector<std::string>& configs,
                                           const std::vector<autotune::Entry>& tuned);

/// The key of a kernel in a pack, and what is compiled for it.
struct PackKernel {
  runtime::CacheKey key;
  runtime::CompileInput input;
};
/// The kernels of an item. Errors: those of generator::plan.
expected<std::vector<PackKernel>> pack_kernels(const PackItem& item);

struct PackProgress {
  std::size_t done = 0;
  std::size_t all = 0;
  std::size_t compiled = 0;
};
/// Compiles what is not in the user's cache, on as many threads as the compiler has, and puts everything together. What
/// differs from run to run (times, logs) is left out. Errors: the first that a compilation had.
expected<runtime::PackContents> compile_pack(runtime::Compiler& compiler, const std::vector<PackItem>& items,
                                             const std::vector<autotune::Entry>& tuned, PackProgress& progress);

/// What a manifest says. Errors: corrupt.
struct Manifest {
  struct Item {
    PackItem item;
    std::vector<std::string> kernels;  ///< keys
  };
  std::string version;  ///< of the library that made it
  std::vector<Item> items;
};
expected<Manifest> read_manifest(const std::string& text);

}  // namespace osdn::cli
