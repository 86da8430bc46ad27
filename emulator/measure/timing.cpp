#include "measure/timing.hpp"

namespace emulator {
namespace {

unsigned& at(std::array<unsigned, kUnits>& table, Unit unit) {
  return table[static_cast<unsigned>(unit)];
}

/// Lanes of an arithmetic pipe of one scheduler decide how long a warp's 32 lanes take (CUDA C++ Programming Guide,
/// "Throughput of Native Arithmetic Instructions", results per cycle and multiprocessor / 4).
struct Row {
  int major, minor;
  unsigned integer, single, half, wide, convert;  // lanes per scheduler
  unsigned matrix_rate;                           // 16-bit multiply-adds, per cycle and scheduler, of mma.sync
  unsigned matrix_double_rate;
  unsigned shared, l2, memory;  // latencies
  unsigned l2_bytes;            // per cycle
};

constexpr std::array kRows{
    Row{7, 5, 16, 16, 16, 1, 16, 128, 0, 23, 236, 430, 1280},
    Row{8, 0, 16, 16, 32, 8, 16, 256, 16, 29, 262, 466, 5120},
    Row{8, 6, 16, 32, 16, 1, 16, 128, 0, 29, 240, 480, 1536},
    Row{8, 7, 16, 32, 16, 1, 16, 256, 0, 29, 240, 480, 1024},
    Row{8, 9, 16, 32, 16, 1, 16, 128, 0, 30, 273, 541, 3072},
    Row{9, 0, 16, 32, 32, 16, 16, 320, 32, 29, 263, 479, 5120},
    Row{10, 0, 16, 32, 32, 16, 16, 256, 16, 29, 263, 479, 8192},
    Row{10, 3, 16, 32, 32, 1, 16, 256, 1, 29, 263, 479, 8192},
    Row{11, 0, 16, 32, 32, 1, 16, 256, 0, 29, 263, 541, 1024},
    Row{12, 0, 32, 32, 32, 1, 16, 64, 0, 30, 358, 877, 5120},
    Row{12, 1, 32, 32, 32, 1, 16, 64, 0, 30, 358, 877, 1536},
};

const Row& row_of(const Profile& profile) {
  const Row* best = &kRows[1];
  for (const Row& row : kRows) {
    if (row.major == profile.major && row.minor <= profile.minor) best = &row;
  }
  return *best;
}

}  // namespace

Timing timing_of(const Profile& profile) {
  const Row& row = row_of(profile);
  constexpr unsigned lanes = 32;
  Timing out;
  out.busy.fill(1);
  out.latency.fill(4);
  at(out.busy, Unit::folded) = 0;
  at(out.busy, Unit::integer) = lanes / row.integer;
  at(out.busy, Unit::multiply) = lanes / 16;
  at(out.busy, Unit::single) = lanes / row.single;
  at(out.busy, Unit::half) = lanes / row.half;
  at(out.busy, Unit::wide) = lanes / row.wide;
  at(out.busy, Unit::special) = lanes / 4;
  at(out.busy, Unit::convert) = lanes / row.convert;
  at(out.busy, Unit::vote) = 2;
  at(out.latency, Unit::folded) = 0;
  at(out.latency, Unit::integer) = row.integer < lanes ? 5 : 4;
  at(out.latency, Unit::multiply) = 5;
  at(out.latency, Unit::half) = 5;
  at(out.latency, Unit::wide) = row.wide >= 8 ? 8 : 40;
  at(out.latency, Unit::special) = 20;
  at(out.latency, Unit::convert) = 10;
  at(out.latency, Unit::vote) = 12;
  at(out.latency, Unit::exchange) = row.shared;
  at(out.latency, Unit::object) = row.shared;
  at(out.latency, Unit::control) = 0;
  out.matrix_rate = row.matrix_rate;
  out.matrix_double_rate = row.matrix_double_rate == 0 ? 1 : row.matrix_double_rate;
  out.shared_latency = row.shared;
  out.l2_latency = row.l2;
  out.memory_latency = row.memory;
  out.l2_bytes_per_cycle = row.l2_bytes;
  return out;
}

}  // namespace emulator
