// What the kernels of a run are and cost, one row each.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "cli/table.hpp"
#include "osdn/config.hpp"
#include "osdn/engine.hpp"
#include "osdn/problem.hpp"

namespace osdn::cli {

class KernelTable {
 public:
  KernelTable();
  /// Kernels that are in the table already are left out.
  void add(const Problem& problem, const Config& config, const std::vector<KernelReport>& kernels);
  [[nodiscard]] bool empty() const { return table_.empty(); }
  [[nodiscard]] std::string text() const { return table_.text(); }

 private:
  Table table_;
  std::set<std::string> seen_;
};

}  // namespace osdn::cli
