// A bug planted in a kernel beside its twin without it: the bug must be caught under every schedule, the twin under
// none.
#pragma once

#include "../machine.hpp"

namespace emulator::test {

struct Planted {
  const char* name;
  const char* source;  ///< CUDA C++: a kernel `planted(unsigned* in, unsigned* out)`; the bug is there #ifdef BUG
  Fault::Kind kind;
  std::vector<const char*> words;  ///< that the fault's text must hold
  unsigned threads = 128;
  unsigned blocks = 1;
  std::optional<Fault::Kind> also{};  ///< what some schedules meet first
  const char* architecture = "compute_80";
};

inline std::ostream& operator<<(std::ostream& out, const Planted& planted) {
  return out << planted.name;
}

class PlantedBugs : public Machine, public ::testing::WithParamInterface<Planted> {
 protected:
  static constexpr unsigned kSchedules = 24;
  static constexpr std::size_t kWords = 4096;

  std::optional<Fault> run_once(std::uint64_t schedule) {
    schedule_ = schedule;
    host_threads_ = 1 + static_cast<int>(schedule % 2);
    std::vector<std::uint32_t> words(kWords);
    for (std::uint32_t i = 0; i < kWords; ++i) words[i] = i;
    std::uint32_t* in = buffer(words);
    std::uint32_t* out = buffer(std::vector<std::uint32_t>(kWords, 0));
    const auto fault = launch("planted", Arguments().add(in).add(out));
    memory_.release(reinterpret_cast<std::uint64_t>(in));
    memory_.release(reinterpret_cast<std::uint64_t>(out));
    return fault;
  }

  void expect_twin_to_pass() {
    prepare(GetParam().source);
    for (unsigned schedule = 0; schedule < kSchedules; ++schedule) {
      const auto fault = run_once(schedule);
      ASSERT_FALSE(fault) << "schedule " << schedule << ": " << fault->text();
    }
  }

  void prepare(const std::string& source) {
    const Planted& planted = GetParam();
    block_ = {planted.threads, 1, 1};
    grid_ = {planted.blocks, 1, 1};
    const auto refused = load(ptx_of(source, planted.architecture));
    ASSERT_FALSE(refused) << refused->text();
  }
};

}  // namespace emulator::test
