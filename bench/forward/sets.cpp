#include "bench/forward/sets.hpp"

#include <algorithm>
#include <numeric>

#include "runtime/engine_state.hpp"

namespace osdn::bench {
namespace {

using autotune::TimingInputs;

constexpr std::size_t caches = 3;  // that the sets exceed
constexpr std::size_t most_sets = 64;
constexpr std::size_t memory_share = 4;  // of the free memory, at most one in so many bytes

std::size_t count_for(std::size_t bytes, Engine& engine) {
  if (engine.device().emulated) return 2;  // no cache to go around; two show that sets are kept apart
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  const runtime::ContextScope scope(engine.state()->device());
  engine.state()->device().driver().memory_get_info(&free_bytes, &total_bytes);
  const std::size_t wanted = caches * engine.device().l2_bytes / bytes + 1;
  return std::clamp<std::size_t>(std::min(wanted, free_bytes / memory_share / bytes), 1, most_sets);
}

}  // namespace

expected<Sets> Sets::make(Engine& engine, const Work& work) {
  auto first = TimingInputs::make(engine, work.problem, work.shape);
  if (!first) return first.error();
  Sets out;
  if (work.shape.packed()) {
    std::vector<std::int64_t> starts(1, 0);
    for (const std::int64_t length : work.lengths) starts.push_back(starts.back() + length);
    auto done = engine.state()->upload(first->arguments().cu_seqlens, starts.data(), starts.size() * sizeof starts[0]);
    if (!done) return done.error();
  }
  const std::size_t count = count_for(std::max<std::size_t>(first->bytes(), 1), engine);
  out.sets_.push_back(*std::move(first));
  while (out.sets_.size() < count) {
    auto twin = out.sets_.front().twin(engine);
    if (!twin && twin.error().code == ErrorCode::out_of_memory) break;  // fewer will do
    if (!twin) return twin.error();
    out.sets_.push_back(*std::move(twin));
  }
  // Copies on the device need not be done yet, and the clock's stream waits for no other.
  if (auto done = engine.synchronize(); !done) return done.error();
  return out;
}

ForwardArguments Sets::arguments(std::size_t i) const {
  ForwardArguments out = sets_[i].arguments();
  out.final_state = 0;  // a decoding step's go where its initial ones are
  out.final_d = 0;
  return out;
}

expected<void> Sets::make_copies(Engine& engine, std::size_t bytes) {
  copy_bytes_ = std::max<std::size_t>(bytes / 2, 1);
  const std::size_t count = count_for(2 * copy_bytes_, engine);
  // Numbers, not zeros: they cost the power that numbers cost.
  std::vector<std::uint32_t> content(copy_bytes_ / sizeof(std::uint32_t) + 1);
  std::uint32_t state = 1;
  for (auto& word : content) word = state = state * 1664525U + 1013904223U;
  for (std::size_t i = 0; i < count; ++i) {
    auto from = engine.allocate(content.size() * sizeof content[0]);
    auto to = engine.allocate(content.size() * sizeof content[0]);
    if (i > 0 && (!from || !to)) break;  // fewer will do
    if (!from) return from.error();
    if (!to) return to.error();
    if (auto done = from->upload(content.data()); !done) return done;
    copies_.push_back({*std::move(from), *std::move(to)});
  }
  return {};
}

expected<void> Sets::copy(Engine& engine, std::size_t i, Stream stream) const {
  const Copy& pair = copies_[i % copies_.size()];
  const runtime::Driver& driver = engine.state()->device().driver();
  const auto result = driver.copy_on_device_async(pair.to.address(), pair.from.address(), copy_bytes_,
                                                  static_cast<runtime::cuda::Stream>(stream));
  if (result != runtime::cuda::success) return driver.error(result, "copying on the device");
  return {};
}

}  // namespace osdn::bench
