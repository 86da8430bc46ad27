#include "autotune/trial.hpp"

#include <fmt/format.h>
// NOLINTNEXTLINE(bugprone-macro-parentheses)
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace osdn::autotune {

const char* name(Outcome outcome) {
  switch (outcome) {
    case Outcome::passed:
      return "passed";
    case Outcome::refused:
      return "refused";
    case Outcome::wrong:
      return "wrong";
    case Outcome::not_finite:
      return "not_finite";
    case Outcome::not_repeatable:
      return "not_repeatable";
    case Outcome::out_of_bounds:
      return "out_of_bounds";
    case Outcome::faulted:
      return "faulted";
    case Outcome::hung:
      return "hung";
    case Outcome::died:
      return "died";
  }
  return "unknown";
}

std::string source_hash(const generator::Plan& plan) {
  std::string record;
  // Every text carries its length, so that no two plans have the same record.
  const auto add = [&record](std::string_view text) { record += fmt::format("{}:{}", text.size(), text); };
  for (const generator::KernelPlan& kernel : plan.kernels) {
    add(kernel.source);
    for (const generator::Header& header : kernel.headers) {
      add(header.name);
      add(header.text);
    }
    record += fmt::format("{}/{}/{};", kernel.threads, kernel.dynamic_shared, kernel.ctas_per_head);
  }
  const XXH128_hash_t hash = XXH3_128bits(record.data(), record.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

bool fails_at(const Trial& trial, const Bucket& bucket) {
  if (trial.outcome == Outcome::passed) return false;
  if (trial.outcome != Outcome::hung && trial.outcome != Outcome::died) return true;
  const Bucket probed = bucket_of(trial.shape);
  return probed.heads + probed.tokens <= bucket.heads + bucket.tokens;
}

}  // namespace osdn::autotune
