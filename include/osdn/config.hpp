// Config: the tunable numbers. Any legal Config of a Problem computes the same thing; only time and rounding differ.
#pragma once

#include <string>
#include <string_view>

#include "osdn/axes.hpp"
#include "osdn/error.hpp"
#include "osdn/export.h"

namespace osdn {

struct Config {
  int chunk = 64;       ///< tokens per chunk: 16, 32, 64, 128
  int warps = 4;        ///< warps of a CTA of the delta rule phase: 1, 2, 4, 8, 16
  int stages = 1;       ///< buffers of q, k, v tiles in shared memory: 1, 2, 3
  int value_split = 1;  ///< CTAs that share one head's value columns; divides V/16
  PreconditionerAlgorithm preconditioner = PreconditionerAlgorithm::parallel;
  int preconditioner_warps = 4;  ///< warps of a CTA of the preconditioner phase: 1, 2, 4, 8
  InverseAlgorithm inverse = InverseAlgorithm::blocked;
  Schedule schedule = Schedule::portable;
  Cut cut = Cut::never;
  int segment = 1024;   ///< tokens of a segment (of the shortest one with Cut::automatic): a power of two, 64 to 65536
  int cut_fill = 50;    ///< Cut::automatic: cut where uncut CTAs fill less than this percentage of the multiprocessors
  int cut_memory = 15;  ///< Cut::automatic: percentage of the bytes of q, k, v and o that the workspace may take
  int cut_d = 16;       ///< d of a sequence with fewer segments than this is replayed segment after segment

  friend bool operator==(const Config&, const Config&) = default;
};

/// Text: `chunk=64,warps=4,stages=1,value_split=1,preconditioner=parallel,preconditioner_warps=4,inverse=blocked`;
/// the fields behind these (schedule and what follows it) only where they differ from their defaults.
/// parse_config starts from `defaults`, so a text may name only what differs.
[[nodiscard]] OSDN_API std::string to_string(const Config& config);
OSDN_API expected<Config> parse_config(std::string_view text, const Config& defaults = {});

}  // namespace osdn
