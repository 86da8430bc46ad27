// Blocks that run at the same time on several host threads: what the checks of one see of another is never half done.
#include "../machine.hpp"

namespace emulator::test {
namespace {

class HostThreads : public Machine {
 protected:
  /// Nothing but the host's timing differs between these launches.
  void run_often(const std::string& source, unsigned launches) {
    host_threads_ = 4;
    const auto refused = load(ptx_of(source));
    ASSERT_FALSE(refused) << refused->text();
    for (unsigned i = 0; i < launches; ++i) {
      schedule_ = i;
      std::uint32_t* out = buffer(std::vector<std::uint32_t>(1 << 16, 0));
      const auto fault = launch("kernel", Arguments().add(out));
      memory_.release(reinterpret_cast<std::uint64_t>(out));
      ASSERT_FALSE(fault) << "launch " << i << ": " << fault->text();
    }
  }
};

TEST_F(HostThreads, WritesOfTheSameValueMeet) {
  grid_ = {64, 1, 1};
  run_often(R"(extern "C" __global__ void kernel(unsigned* out) {
  for (unsigned i = 0; i < 1024; ++i) out[i * 32 + threadIdx.x] = i + 1; })",
            10);
}

TEST_F(HostThreads, TheLastBlockKnowsAllOthers) {
  grid_ = {256, 1, 1};
  run_often(R"(extern "C" __global__ void kernel(unsigned* out) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    out[blockIdx.x] = 1;
    __threadfence();
    last = atomicAdd(out + 32768, 1u) == gridDim.x - 1;
    __threadfence();
    if (last) for (unsigned i = 0; i < gridDim.x; ++i) out[1024 + i] = out[i];
  } })",
            100);
}

}  // namespace
}  // namespace emulator::test
