#include "measure/reorder.hpp"

#include <algorithm>
#include <unordered_map>

#include "execute/operations.hpp"

namespace emulator {
namespace {

constexpr std::size_t kWindow = 48;

bool ends_stretch(Unit unit) {
  return unit == Unit::control || unit == Unit::barrier || unit == Unit::warp_barrier || unit == Unit::fence ||
         unit == Unit::copy_commit || unit == Unit::copy_wait || unit == Unit::object;
}

/// Numbers of stretches, in the order of the code.
std::vector<std::uint32_t> find_stretches(const Program& program) {
  const std::size_t size = program.code.size();
  std::vector<bool> begins(size + 1, false);
  for (const FunctionFrame& function : program.functions) begins[std::min<std::size_t>(function.code, size)] = true;
  for (std::size_t i = 0; i < size; ++i) {
    const Instruction& in = program.code[i];
    if (ends_stretch(program.notes[i].cost.unit)) begins[i] = begins[i + 1] = true;
    if (in.handler == control::branch) begins[static_cast<std::size_t>(in.immediate)] = true;
    if (in.handler != control::branch_indexed) continue;
    for (std::int64_t k = 0; k < in.immediate; ++k) begins[static_cast<std::size_t>(in.list[k])] = true;
  }
  std::vector<std::uint32_t> numbers(size);
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < size; ++i) {
    number += begins[i] ? 1 : 0;
    numbers[i] = number;
  }
  return numbers;
}

struct Edge {
  std::uint32_t to = 0;
  std::uint32_t latency = 0;  ///< cycles
};

struct Node {
  std::vector<Edge> edges;
  std::uint32_t waits = 0;     ///< for so many others
  std::uint64_t ready = 0;     ///< cycle
  std::uint64_t priority = 0;  ///< cycles from here to the end of the stretch
  std::uint32_t busy = 0;
};

/// One stretch: instructions first … first + size - 1.
class Stretch {
 public:
  Stretch(const Program& program, const Timing& timing, std::size_t first, std::size_t size)
      : program_(program), timing_(timing), first_(first), nodes_(size) {
    for (std::uint32_t i = 0; i < size; ++i) connect(i);
    for (std::size_t i = size; i-- > 0;) {
      Node& node = nodes_[i];
      node.priority = node.busy;
      for (const Edge& edge : node.edges) {
        node.priority = std::max(node.priority, edge.latency + nodes_[edge.to].priority);
      }
    }
  }

  /// Fills in the places of the stretch's instructions.
  void list(std::vector<std::uint32_t>& place) {
    std::vector<std::uint32_t> waiting;
    std::uint32_t next = 0;
    std::uint64_t time = 0;
    for (std::uint32_t position = 0; position < nodes_.size(); ++position) {
      while (waiting.size() < kWindow && next < nodes_.size()) waiting.push_back(next++);
      const auto best = pick(waiting, time);
      Node& node = nodes_[*best];
      time = std::max(time, node.ready);
      place[first_ + *best] = position;
      for (const Edge& edge : node.edges) {
        Node& after = nodes_[edge.to];
        after.ready = std::max(after.ready, time + edge.latency);
        --after.waits;
      }
      time += node.busy;
      waiting.erase(best);
    }
  }

 private:
  std::vector<std::uint32_t>::iterator pick(std::vector<std::uint32_t>& waiting, std::uint64_t time) {
    auto best = waiting.end();
    const auto better = [&](std::uint32_t a, std::uint32_t b) {
      const std::uint64_t when_a = std::max(nodes_[a].ready, time), when_b = std::max(nodes_[b].ready, time);
      return when_a != when_b ? when_a < when_b : nodes_[a].priority > nodes_[b].priority;
    };
    for (auto at = waiting.begin(); at != waiting.end(); ++at) {
      if (nodes_[*at].waits == 0 && (best == waiting.end() || better(*at, *best))) best = at;
    }
    return best;  // the oldest one waits for nobody
  }

  void depend(std::uint32_t before, std::uint32_t after, std::uint32_t latency) {
    if (before == after) return;
    nodes_[before].edges.push_back({after, latency});
    ++nodes_[after].waits;
  }

  [[nodiscard]] std::uint32_t latency_of(std::uint32_t node) const {
    const InstructionNote& note = program_.notes[first_ + node];
    switch (note.cost.unit) {
      case Unit::memory:
        return note.space == ptx::Space::shared ? timing_.shared_latency : timing_.l2_latency;
      case Unit::matrix:
        return timing_.matrix_latency * 2;
      default:
        return timing_.latency[static_cast<unsigned>(note.cost.unit)] * std::max<unsigned>(note.cost.weight, 1);
    }
  }

  void connect(std::uint32_t i) {
    const ValueUse& use = program_.uses[first_ + i];
    const Cost& cost = program_.notes[first_ + i].cost;
    nodes_[i].busy = cost.unit == Unit::folded ? 0 : cost.unit == Unit::matrix ? 1 : cost.weight;
    for (std::uint32_t k = use.first; k < use.first + use.reads; ++k) {
      Value& value = values_[program_.use_list[k]];
      if (value.written) depend(value.writer, i, latency_of(value.writer));
      value.readers.push_back(i);
    }
    for (std::uint32_t k = use.first + use.reads; k < use.first + use.reads + use.writes; ++k) {
      Value& value = values_[program_.use_list[k]];
      if (value.written) depend(value.writer, i, 0);
      for (const std::uint32_t reader : value.readers) depend(reader, i, 0);
      value.readers.clear();
      value.written = true;
      value.writer = i;
    }
    order_memory(i);
  }

  /// Loads stay behind the stores before them, stores behind both, where they may meet.
  void order_memory(std::uint32_t i) {
    using Traffic = InstructionNote::Traffic;
    const InstructionNote& note = program_.notes[first_ + i];
    if (note.traffic == Traffic::none || note.cost.unit == Unit::folded) return;
    const auto in_space = [&](bool shared) {
      Space& space = spaces_[shared ? 1 : 0];
      if (space.stored) depend(space.store, i, 1);
      if (note.traffic == Traffic::load) return space.loads.push_back(i);
      for (const std::uint32_t load : space.loads) depend(load, i, 1);
      space.loads.clear();
      space.stored = true;
      space.store = i;
    };
    if (note.traffic == Traffic::async_copy || note.space != ptx::Space::global) in_space(true);
    if (note.traffic != Traffic::async_copy && note.space != ptx::Space::shared) in_space(false);
  }

  struct Value {
    bool written = false;
    std::uint32_t writer = 0;
    std::vector<std::uint32_t> readers;
  };
  struct Space {
    bool stored = false;
    std::uint32_t store = 0;
    std::vector<std::uint32_t> loads;
  };
  const Program& program_;
  const Timing& timing_;
  std::size_t first_;
  std::vector<Node> nodes_;
  std::unordered_map<std::uint32_t, Value> values_;
  std::array<Space, 2> spaces_;
};

}  // namespace

StaticOrder order_statically(const Program& program, const Timing& timing) {
  StaticOrder out;
  out.stretch = find_stretches(program);
  out.place.resize(program.code.size());
  for (std::size_t i = 0; i < program.code.size();) {
    std::size_t end = i;
    while (end < program.code.size() && out.stretch[end] == out.stretch[i]) ++end;
    Stretch(program, timing, i, end - i).list(out.place);
    i = end;
  }
  return out;
}

void reorder(Recording& recording, const StaticOrder& order) {
  const auto earlier = [&](const Event& a, const Event& b) {
    return order.place[a.instruction] < order.place[b.instruction];
  };
  for (std::vector<Event>& events : recording.warps) {
    for (auto begin = events.begin(); begin != events.end();) {
      auto end = begin + 1;
      while (end != events.end() && end->instruction > (end - 1)->instruction &&
             order.stretch[end->instruction] == order.stretch[begin->instruction]) {
        ++end;
      }
      std::sort(begin, end, earlier);
      begin = end;
    }
  }
}

}  // namespace emulator
