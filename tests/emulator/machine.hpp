// What the machine's tests share: a device, buffers, launches, and random numbers with a printed seed.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "execute/execute.hpp"
#include "nvrtc.hpp"

namespace emulator::test {

/// OSDN_TEST_SEED, or a fresh seed; printed with every failure through SCOPED_TRACE.
inline std::uint64_t fresh_seed() {
  if (const char* fixed = std::getenv("OSDN_TEST_SEED")) return std::strtoull(fixed, nullptr, 10);
  return std::random_device{}();
}

/// Kernel arguments packed as the driver packs them.
class Arguments {
 public:
  template <class T>
  Arguments& add(const T& value) {
    const std::size_t at = (bytes_.size() + alignof(T) - 1) / alignof(T) * alignof(T);
    bytes_.resize(at + sizeof(T));
    std::memcpy(bytes_.data() + at, &value, sizeof(T));
    return *this;
  }
  [[nodiscard]] const std::byte* data() const { return bytes_.data(); }

 private:
  std::vector<std::byte> bytes_;
};

class Machine : public ::testing::Test {
 protected:
  Machine() : memory_(std::size_t{1} << 30) {}

  static std::string ptx_of(const std::string& source, const std::string& arch = "compute_80",
                            const std::vector<std::string>& options = {}) {
    static const Nvrtc nvrtc;
    if (!nvrtc.found()) {
      ADD_FAILURE() << "no libnvrtc found";
      return {};
    }
    std::string log;
    std::string ptx = nvrtc.compile(source, arch, log, options);
    EXPECT_FALSE(ptx.empty()) << log;
    return ptx;
  }

  /// A header for hand-written PTX.
  static std::string header(const std::string& target = "sm_80") {
    return ".version 8.4\n.target " + target + "\n.address_size 64\n";
  }

  std::optional<Fault> load(const std::string& ptx) {
    auto result = load_module(ptx, memory_, profile_);
    if (auto* fault = std::get_if<Fault>(&result)) return *fault;
    module_ = std::move(std::get<std::unique_ptr<Module>>(result));
    return std::nullopt;
  }

  std::optional<Fault> launch(const std::string& kernel, const Arguments& arguments) {
    const Kernel* entry = module_ == nullptr ? nullptr : module_->kernel(kernel);
    EXPECT_NE(entry, nullptr) << "no kernel " << kernel;
    if (entry == nullptr) return Fault{};
    Launch launch;
    launch.kernel = entry;
    launch.grid = grid_;
    launch.block = block_;
    launch.dynamic_shared = dynamic_shared_;
    launch.parameters = arguments.data();
    launch.seed = schedule_;
    launch.instruction_limit = limit_;
    launch.host_threads = host_threads_;
    launch.cooperative = cooperative_;
    launch.strict = strict_;
    launch.measure = measure_;
    launch.trace_blocks = trace_blocks_;
    launch.registers = registers_;
    launch.perturbation = perturbation_;
    statistics_ = {};
    return execute(launch, memory_, profile_, statistics_);
  }

  /// Loads and launches; a fault fails the test.
  void run(const std::string& ptx, const std::string& kernel, const Arguments& arguments) {
    const auto refused = load(ptx);
    ASSERT_FALSE(refused) << refused->text();
    const auto fault = launch(kernel, arguments);
    ASSERT_FALSE(fault) << fault->text();
  }

  /// Runs `instructions` once per element: they read registers a, b, c and write d, all of the elements' sizes.
  /// Predicates p and q are free for use.
  template <class D, class A, class B = std::uint32_t, class C = std::uint32_t>
  std::vector<D> each(const std::string& instructions, const std::vector<A>& a, const std::vector<B>& b = {},
                      const std::vector<C>& c = {}) {
    const auto declare = [](const char* name, std::size_t bytes) {
      return ".reg .b" + std::to_string(bytes == 1 ? 16 : bytes * 8) + " " + name + ";\n";
    };
    const auto fetch = [](const char* name, const char* parameter, std::size_t bytes, bool present) {
      if (!present) return std::string("mov.b") + std::to_string(bytes * 8) + " " + name + ", 0;\n";
      const std::string size = std::to_string(bytes);
      return "ld.param.u64 at, [" + std::string(parameter) + "];\nmad.wide.u32 at, i, " + size + ", at;\nld.global.b" +
             std::to_string(bytes * 8) + " " + name + ", [at];\n";
    };
    const std::string text =
        header() +
        ".visible .entry each(.param .u64 pd, .param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u32 n) {\n" +
        ".reg .pred p, q, outside;\n.reg .b64 at;\n.reg .b32 i, k, count;\n" + declare("d", sizeof(D)) +
        declare("a", sizeof(A)) + declare("b", sizeof(B)) + declare("c", sizeof(C)) +
        "mov.u32 i, %ctaid.x;\nmov.u32 k, %ntid.x;\nmul.lo.u32 i, i, k;\nmov.u32 k, %tid.x;\nadd.u32 i, i, k;\n"
        "ld.param.u32 count, [n];\nsetp.ge.u32 outside, i, count;\n@outside exit;\n" +
        fetch("a", "pa", sizeof(A), true) + fetch("b", "pb", sizeof(B), !b.empty()) +
        fetch("c", "pc", sizeof(C), !c.empty()) + instructions + "\nld.param.u64 at, [pd];\nmad.wide.u32 at, i, " +
        std::to_string(sizeof(D)) + ", at;\nst.global.b" + std::to_string(sizeof(D) * 8) + " [at], d;\nret;\n}\n";
    const auto count = static_cast<std::uint32_t>(a.size());
    D* d = poisoned<D>(a.size());
    A* pa = buffer(a);
    B* pb = b.empty() ? nullptr : buffer(b);
    C* pc = c.empty() ? nullptr : buffer(c);
    block_ = {256, 1, 1};
    grid_ = {(count + 255) / 256, 1, 1};
    run(text, "each", Arguments().add(d).add(pa).add(pb).add(pc).add(count));
    std::vector<D> result(d, d + count);
    for (void* each_buffer :
         {static_cast<void*>(d), static_cast<void*>(pa), static_cast<void*>(pb), static_cast<void*>(pc)}) {
      memory_.release(reinterpret_cast<std::uint64_t>(each_buffer));
    }
    return result;
  }

  template <class T>
  T* buffer(const std::vector<T>& values) {
    auto* at = reinterpret_cast<T*>(memory_.allocate(values.size() * sizeof(T)));
    std::memcpy(at, values.data(), values.size() * sizeof(T));
    memory_.mark_written(reinterpret_cast<std::uint64_t>(at), values.size() * sizeof(T));
    return at;
  }
  template <class T>
  T* poisoned(std::size_t count) {
    return reinterpret_cast<T*>(memory_.allocate(count * sizeof(T)));
  }

  Memory memory_;
  Profile profile_;
  std::unique_ptr<Module> module_;
  std::array<unsigned, 3> grid_{1, 1, 1};
  std::array<unsigned, 3> block_{32, 1, 1};
  std::size_t dynamic_shared_ = 0;
  std::uint64_t schedule_ = 1;
  std::uint64_t limit_ = 100'000'000;
  int host_threads_ = 2;
  bool cooperative_ = false;
  bool strict_ = true;
  bool measure_ = false;
  unsigned trace_blocks_ = 0;
  int registers_ = 0;
  std::uint64_t perturbation_ = 0;
  Statistics statistics_;
};

}  // namespace emulator::test
