// What is known of a candidate, and what a sweep decided: the records of the tuning database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/key.hpp"
#include "generator/plan.hpp"
#include "osdn/config.hpp"
#include "osdn/shape.hpp"

namespace osdn::autotune {

/// What became of a candidate.
enum class Outcome {
  passed,          ///< correct at the gate and timed
  refused,         ///< could not be compiled or breaks a limit that only shows after compilation
  wrong,           ///< outside the tolerance of the float64 reference
  not_finite,      ///< an output holds NaN or infinity, or was not written
  not_repeatable,  ///< two runs differed in a bit
  out_of_bounds,   ///< wrote outside its buffers, or into its inputs
  faulted,         ///< the device reported an error
  hung,            ///< was not done in time
  died,            ///< took the worker process with it
};
[[nodiscard]] const char* name(Outcome outcome);

/// Of all kernels of a plan together.
struct Resources {
  int registers = 0;                ///< per thread, the largest
  std::size_t spill_bytes = 0;      ///< per thread, the sum
  std::size_t shared_bytes = 0;     ///< per CTA, the largest
  int threads = 0;                  ///< per CTA, the sum over kernels
  std::size_t workspace_bytes = 0;  ///< at the probed shape
  double compile_ms = 0;            ///< the sum; of no weight in any decision

  friend bool operator==(const Resources&, const Resources&) = default;
};

/// Under which software a record was made. Recorded, never part of a key.
struct Circumstances {
  std::int64_t when = 0;  ///< seconds since 1970
  int driver_version = 0;
  int nvrtc_version = 0;
  std::string library_version;  ///< "0.1.0"
  std::string stopwatch;        ///< "events" (device events) or "modelled" (the emulator's timing model)

  friend bool operator==(const Circumstances&, const Circumstances&) = default;
};

/// One candidate, settled.
struct Trial {
  Config config;
  std::string sources;  ///< source_hash of its plan: a changed kernel invalidates only its own trials
  Shape shape;          ///< that was probed
  Outcome outcome = Outcome::passed;
  std::string reason;         ///< one line; empty when passed
  double median_seconds = 0;  ///< of one operation; 0 when not timed
  double spread = 0;          ///< half the interquartile range over the median
  int samples = 0;
  int discarded = 0;  ///< samples thrown away as disturbed
  double ratio = 0;   ///< median over rounds of its time to the default's in the same round; 0 when not timed
  Resources resources;
  Circumstances circumstances;

  friend bool operator==(const Trial&, const Trial&) = default;
};

/// Whether a failure under one key of a compute capability is one under another with these sizes. A wrong kernel is
/// wrong at any size; one that was too slow for its worker's patience, or took the worker's memory, is no worse than
/// that for what is smaller.
[[nodiscard]] bool fails_at(const Trial& trial, const Bucket& bucket);

/// A candidate that was in the final, by interleaved samples of the same rounds.
struct Finalist {
  Config config;
  std::string sources;
  double median_seconds = 0;
  double spread = 0;
  double ratio = 1;      ///< to the default, paired by round
  double ratio_low = 1;  ///< 95 % confidence interval of it, before the looks after each batch (docs/autotuning.md);
                         ///< of an interrupted sweep, which had no final: the spread of the trial
  double ratio_high = 1;
  Resources resources;
  std::vector<double> samples;  ///< seconds, at most 200 kept

  friend bool operator==(const Finalist&, const Finalist&) = default;
};

/// What a sweep decided for a key. The newest one of a key counts.
struct Choice {
  Shape shape;                      ///< that was probed
  std::vector<Finalist> finalists;  ///< the winner first, then by ratio; the default is always among them
  Config default_config;
  std::string strategy;  ///< "exhaustive", "random+descent"
  std::uint64_t seed = 0;
  std::int64_t candidates = 0;  ///< legal ones in the space
  std::int64_t tried = 0;       ///< settled by trials, in this sweep or before
  std::int64_t gated_out = 0;   ///< of those, not passed
  std::int64_t discarded = 0;   ///< samples of the final
  std::string ended;            ///< "separated", "within noise", "budget", "interrupted"
  Circumstances circumstances;

  friend bool operator==(const Choice&, const Choice&) = default;
};

/// A configuration fixed by hand; an empty `config` text in the database takes the pin away.
struct Pin {
  Config config;
  std::int64_t when = 0;

  friend bool operator==(const Pin&, const Pin&) = default;
};

/// Identifies what a plan compiles: 32 hexadecimal digits over its kernels' sources and every header they include.
[[nodiscard]] std::string source_hash(const generator::Plan& plan);

}  // namespace osdn::autotune
