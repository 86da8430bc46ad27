#include "measure/measurement.hpp"

namespace emulator {

const std::array<CounterName, 19> kCounterNames = {{
    {"warp_instructions", &Counters::warp_instructions},
    {"thread_instructions", &Counters::thread_instructions},
    {"divergent_instructions", &Counters::divergent_instructions},
    {"split_branches", &Counters::split_branches},
    {"barrier_waits", &Counters::barrier_waits},
    {"tensor_flops", &Counters::tensor_flops},
    {"global_load_bytes", &Counters::global_load_bytes},
    {"global_store_bytes", &Counters::global_store_bytes},
    {"global_requests", &Counters::global_requests},
    {"global_sectors", &Counters::global_sectors},
    {"excess_sectors", &Counters::excess_sectors},
    {"shared_load_bytes", &Counters::shared_load_bytes},
    {"shared_store_bytes", &Counters::shared_store_bytes},
    {"shared_requests", &Counters::shared_requests},
    {"shared_passes", &Counters::shared_passes},
    {"bank_conflicts", &Counters::bank_conflicts},
    {"local_load_bytes", &Counters::local_load_bytes},
    {"local_store_bytes", &Counters::local_store_bytes},
    {"modelled_cycles", &Counters::modelled_cycles},
}};

void Counters::add(const Counters& other) {
  for (const CounterName& counter : kCounterNames) this->*counter.value += other.*counter.value;
}

void Modelled::add(const Modelled& other) {
  Modelled sum = longest_seconds < other.longest_seconds ? other : *this;
  sum.seconds = seconds + other.seconds;
  sum.multiprocessor_seconds = multiprocessor_seconds + other.multiprocessor_seconds;
  sum.memory_seconds = memory_seconds + other.memory_seconds;
  sum.l2_seconds = l2_seconds + other.l2_seconds;
  sum.memory_bytes = memory_bytes + other.memory_bytes;
  *this = sum;
}

void Measurement::add(const Measurement& other) {
  if (!other.measured) return;
  measured = true;
  total.add(other.total);
  modelled.add(other.modelled);
  trace = other.trace;
  for (const auto& [place, line] : other.lines) {
    Line& sum = lines[place];
    sum.own.add(line.own);
    sum.inclusive.add(line.inclusive);
  }
  for (const auto& [place, instruction] : other.instructions) {
    Instruction& sum = instructions[place];
    sum.file = instruction.file;
    sum.line = instruction.line;
    sum.counters.add(instruction.counters);
  }
}

}  // namespace emulator
