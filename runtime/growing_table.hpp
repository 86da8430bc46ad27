// A table that is read without a lock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include "osdn/problem.hpp"

namespace osdn::runtime {

/// Of a few integers; for tables in memory, never written down.
class QuickHash {
 public:
  template <class... Values>
  QuickHash& add(Values... values) {
    ((state_ = (state_ ^ static_cast<std::uint64_t>(values)) * 0x9E3779B97F4A7C15U), ...);
    return *this;
  }
  QuickHash& add(const Problem& p) {
    return add(p.operation, p.type, p.k, p.v, p.precondition, p.apf, p.norm, p.beta_aware, p.qk_l2norm, p.beta_type,
               p.math, p.state_type, p.decay, p.erase, p.value, p.micro_steps);
  }
  [[nodiscard]] std::size_t value() const { return state_ >> 40; }

 private:
  std::uint64_t state_ = 0x243F6A8885A308D3U;
};

/// Grows only: readers walk chains whose nodes never change nor go away before the table does. `Key` has == and
/// `std::size_t hash() const`.
template <class Key, class Value>
class GrowingTable {
 public:
  GrowingTable() = default;
  ~GrowingTable() {
    for (auto& bucket : buckets_) {
      for (Node* node = bucket.load(std::memory_order_relaxed); node != nullptr;) {
        delete std::exchange(node, node->next);
      }
    }
  }
  GrowingTable(const GrowingTable&) = delete;
  GrowingTable& operator=(const GrowingTable&) = delete;

  /// Null when it was never inserted.
  [[nodiscard]] const Value* find(const Key& key) const {
    const auto& bucket = buckets_[key.hash() % bucket_count];
    for (const Node* node = bucket.load(std::memory_order_acquire); node != nullptr; node = node->next) {
      if (node->key == key) return &node->value;
    }
    return nullptr;
  }

  /// Keeps the first value of a key.
  void insert(const Key& key, Value value) {
    const std::lock_guard lock(inserting_);
    if (find(key) != nullptr) return;
    auto& bucket = buckets_[key.hash() % bucket_count];
    bucket.store(new Node{key, std::move(value), bucket.load(std::memory_order_relaxed)}, std::memory_order_release);
  }

 private:
  struct Node {
    Key key;
    Value value;
    Node* next = nullptr;
  };
  static constexpr std::size_t bucket_count = 1024;
  std::array<std::atomic<Node*>, bucket_count> buckets_{};
  std::mutex inserting_;
};

}  // namespace osdn::runtime
