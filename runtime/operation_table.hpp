// The prepared operations of an Engine: found without a lock.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "osdn/config.hpp"
#include "osdn/problem.hpp"
#include "runtime/growing_table.hpp"
#include "runtime/prepared.hpp"

namespace osdn::runtime {

struct OperationKey {
  Problem problem;
  std::optional<Config> config;

  friend bool operator==(const OperationKey&, const OperationKey&) = default;
  [[nodiscard]] std::size_t hash() const {
    QuickHash hash;
    hash.add(problem);
    if (config) {
      const Config& c = *config;
      hash.add(c.chunk, c.warps, c.stages, c.value_split, c.preconditioner, c.preconditioner_warps, c.inverse,
               c.schedule, c.cut, c.segment, c.cut_fill, c.cut_memory, c.cut_d);
    }
    return hash.value();
  }
};

using OperationTable = GrowingTable<OperationKey, std::shared_ptr<const PreparedState>>;

}  // namespace osdn::runtime
