// How fast the emulator executes single instructions and starts launches. Its speed says nothing about a GPU's.
#include <benchmark/benchmark.h>
#include <dlfcn.h>

#include <stdexcept>
#include <string>

#include "driver/abi.hpp"
#include "execute/execute.hpp"

namespace {

using namespace emulator::abi;  // NOLINT: the driver's own names

constexpr int kRounds = 200;
constexpr int kUnrolled = 32;

/// A kernel that repeats `body` kUnrolled times in each of kRounds rounds.
std::string looped(const std::string& body) {
  std::string text = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry looped()
{
  .reg .pred %p<2>;
  .reg .b32 %r<16>;
  .reg .f32 %f<16>;
  mov.u32 %r1, 0;
  mov.u32 %r2, 1065369472;
  mov.u32 %r3, 1065369472;
  mov.u32 %r4, 1065369472;
  mov.u32 %r5, 1065369472;
  mov.f32 %f1, 0f3F800001;
  mov.f32 %f2, 0f3F000000;
  mov.f32 %f3, 0f00000000;
  mov.f32 %f4, 0f00000000;
  mov.f32 %f5, 0f00000000;
  mov.f32 %f6, 0f00000000;
$again:
)";
  for (int i = 0; i < kUnrolled; ++i) text += body;
  return text + "  add.u32 %r1, %r1, 1;\n  setp.lt.u32 %p1, %r1, " + std::to_string(kRounds) +
         ";\n  @%p1 bra $again;\n  ret;\n}\n";
}

/// One launch of 8 blocks of 128 threads per iteration, on all cores; range(0): strict.
emulator::Statistics run(benchmark::State& state, const std::string& ptx) {
  emulator::Memory memory(1 << 20);
  const emulator::Profile profile;
  auto loaded = emulator::load_module(ptx, memory, profile);
  if (const auto* fault = std::get_if<emulator::Fault>(&loaded)) throw std::runtime_error(fault->text());
  const auto& module = *std::get<0>(loaded);
  emulator::Launch launch;
  launch.kernel = module.kernel("looped");
  launch.grid = {8, 1, 1};
  launch.block = {128, 1, 1};
  launch.strict = state.range(0) != 0;
  emulator::Statistics total;
  for (auto _ : state)
    if (const auto fault = emulator::execute(launch, memory, profile, total)) throw std::runtime_error(fault->text());
  return total;
}

benchmark::Counter rate(std::uint64_t count) {
  return {static_cast<double>(count), benchmark::Counter::kIsRate, benchmark::Counter::kIs1000};
}

void fp32(benchmark::State& state) {
  const auto total = run(state, looped("  fma.rn.f32 %f3, %f3, %f1, %f2;\n"));
  state.counters["thread_instructions/s"] = rate(total.thread_instructions);
}
BENCHMARK(fp32)->ArgName("strict")->Arg(0)->Arg(1)->UseRealTime();

void mma_bf16(benchmark::State& state) {
  const auto total = run(state, looped("  mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f3, %f4, %f5, %f6}, "
                                       "{%r2, %r3, %r4, %r5}, {%r2, %r3}, {%f3, %f4, %f5, %f6};\n"));
  state.counters["tensor_flop/s"] = rate(total.tensor_flops);
  state.counters["mma/s"] = rate(total.tensor_flops / (2 * 16 * 8 * 16));
}
BENCHMARK(mma_bf16)->ArgName("strict")->Arg(0)->Arg(1)->UseRealTime();

/// The driver's entries that a launch needs, loaded as a program loads them.
struct Driver {
  Driver() : library(dlopen(OSDN_EMULATOR_LIBRARY, RTLD_NOW | RTLD_LOCAL)) {
    if (library == nullptr) throw std::runtime_error(dlerror());
    CUcontext context = nullptr;
    CUmodule module = nullptr;
    const char* ptx = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry nothing()\n{\n  ret;\n}\n";
    check(call<CUresult(unsigned)>("cuInit")(0));
    check(call<CUresult(CUcontext*, unsigned, CUdevice)>("cuCtxCreate_v2")(&context, 0, 0));
    check(call<CUresult(CUmodule*, const void*)>("cuModuleLoadData")(&module, ptx));
    check(call<CUresult(CUfunction*, CUmodule, const char*)>("cuModuleGetFunction")(&nothing, module, "nothing"));
  }
  template <class Signature>
  Signature* call(const char* name) const {
    return reinterpret_cast<Signature*>(dlsym(library, name));
  }
  static void check(CUresult result) {
    if (result != CUDA_SUCCESS) throw std::runtime_error("the driver returned " + std::to_string(result));
  }
  void* library;
  CUfunction nothing = nullptr;
};

/// An empty kernel, launched range(0) times before the stream is synchronised.
void empty_launch(benchmark::State& state) {
  static const Driver driver;
  auto* launch = driver.call<CUresult(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                                      CUstream, void**, void**)>("cuLaunchKernel");
  auto* synchronize = driver.call<CUresult(CUstream)>("cuStreamSynchronize");
  for (auto _ : state) {
    for (std::int64_t i = 0; i < state.range(0); ++i)
      Driver::check(launch(driver.nothing, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, nullptr));
    Driver::check(synchronize(nullptr));
  }
  state.counters["launches/s"] = rate(static_cast<std::uint64_t>(state.iterations() * state.range(0)));
}
BENCHMARK(empty_launch)->Arg(1)->Arg(100)->UseRealTime();

}  // namespace
