#include "runtime/operation_table.hpp"

#include <cstdint>
#include <utility>

namespace osdn::runtime {
namespace {

class Hash {
 public:
  template <class... Values>
  Hash& add(Values... values) {
    ((state_ = (state_ ^ static_cast<std::uint64_t>(values)) * 0x9E3779B97F4A7C15U), ...);
    return *this;
  }
  [[nodiscard]] std::size_t value() const { return state_ >> 40; }

 private:
  std::uint64_t state_ = 0x243F6A8885A308D3U;
};

std::size_t hash(const Problem& p, const std::optional<Config>& config) {
  Hash hash;
  hash.add(p.operation, p.type, p.k, p.v, p.precondition, p.apf, p.norm, p.beta_aware, p.qk_l2norm, p.beta_type, p.math,
           p.decay, p.erase, p.value, p.micro_steps);
  if (config) {
    const Config& c = *config;
    hash.add(c.chunk, c.warps, c.stages, c.value_split, c.preconditioner, c.preconditioner_warps, c.inverse);
  }
  return hash.value();
}

}  // namespace

OperationTable::~OperationTable() {
  for (auto& bucket : buckets_) {
    for (Node* node = bucket.load(std::memory_order_relaxed); node != nullptr;) {
      delete std::exchange(node, node->next);
    }
  }
}

const OperationTable::Value* OperationTable::find(const Problem& problem, const std::optional<Config>& config) const {
  const auto& bucket = buckets_[hash(problem, config) % bucket_count];
  for (const Node* node = bucket.load(std::memory_order_acquire); node != nullptr; node = node->next) {
    if (node->problem == problem && node->config == config) return &node->value;
  }
  return nullptr;
}

void OperationTable::insert(const Problem& problem, const std::optional<Config>& config, Value value) {
  const std::lock_guard lock(inserting_);
  if (find(problem, config) != nullptr) return;
  auto& bucket = buckets_[hash(problem, config) % bucket_count];
  bucket.store(new Node{problem, config, std::move(value), bucket.load(std::memory_order_relaxed)},
               std::memory_order_release);
}

}  // namespace osdn::runtime
