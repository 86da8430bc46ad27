// The prepared operations of an Engine: found without a lock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>

#include "osdn/config.hpp"
#include "osdn/problem.hpp"
#include "runtime/prepared.hpp"

namespace osdn::runtime {

/// Grows only: readers walk chains whose nodes never change nor go away before the table does.
class OperationTable {
 public:
  using Value = std::shared_ptr<const PreparedState>;

  OperationTable() = default;
  ~OperationTable();
  OperationTable(const OperationTable&) = delete;
  OperationTable& operator=(const OperationTable&) = delete;

  /// Null when it was never inserted.
  [[nodiscard]] const Value* find(const Problem& problem, const std::optional<Config>& config) const;
  /// Keeps the first value of a key.
  void insert(const Problem& problem, const std::optional<Config>& config, Value value);

 private:
  struct Node {
    Problem problem;
    std::optional<Config> config;
    Value value;
    Node* next = nullptr;
  };
  static constexpr std::size_t bucket_count = 1024;
  std::array<std::atomic<Node*>, bucket_count> buckets_{};
  std::mutex inserting_;
};

}  // namespace osdn::runtime
