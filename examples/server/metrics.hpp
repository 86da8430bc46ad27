// What a server tells of itself, in the text form that Prometheus reads.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

namespace server {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Metrics {
  long long requests = 0;
  long long prompt_tokens = 0;
  long long new_tokens = 0;
  std::vector<double> prefill_seconds;  // of one request, its first output included
  std::vector<double> step_seconds;     // of one batch of new tokens
  std::vector<double> launch_seconds;   // the host's share of a step: one graph launch

  void add(const Metrics& other) {
    requests += other.requests, prompt_tokens += other.prompt_tokens, new_tokens += other.new_tokens;
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(prefill_seconds, other.prefill_seconds);
    append(step_seconds, other.step_seconds);
    append(launch_seconds, other.launch_seconds);
  }
};

inline void print_quantiles(const char* name, std::vector<double> seconds) {
  if (seconds.empty()) return;
  std::sort(seconds.begin(), seconds.end());
  for (const double quantile : {0.5, 0.99}) {
    const auto at = static_cast<std::size_t>(quantile * static_cast<double>(seconds.size() - 1));
    std::printf("%s{quantile=\"%g\"} %.6f\n", name, quantile, seconds[at]);
  }
}

}  // namespace server
