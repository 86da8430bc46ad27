// What the tests of definedness share: kernels around a few instructions, run under many schedules.
#pragma once

#include "../machine.hpp"

namespace emulator::test {

class Definedness : public Machine {
 protected:
  static constexpr std::uint64_t kSeeds = 12;

  /// `body` must set d. never (32 bits), wide (64), half (16), unknown (a predicate) hold nothing; low and high are
  /// 32-bit registers whose lower or upper 16 bits alone are defined, as the bits of t.
  static std::string kernel(const std::string& body, const std::string& functions = "") {
    return header() + functions + R"(
.visible .entry k(.param .u64 pout, .param .u64 pin) {
.reg .b64 out, in, at, x, y, wide; .reg .b32 t, d, e, a, b, c, never, low, high, r<8>; .reg .b16 g, h, half;
.reg .f32 f<8>; .reg .pred p, q, unknown;
ld.param.u64 out, [pout]; ld.param.u64 in, [pin]; mov.u32 t, %tid.x; mad.wide.u32 at, t, 4, out;
bfi.b32 low, t, never, 0, 16; bfi.b32 high, t, never, 16, 16;
)" + body + "\nst.global.b32 [at], d;\nret;\n}\n";
  }

  std::optional<Fault> outcome(const std::string& text, const std::string& name = "k") {
    const auto refused = load(text);
    if (refused) return refused;
    const std::size_t words = 1024;
    std::uint32_t* out = poisoned<std::uint32_t>(words);
    std::vector<std::uint32_t> numbers(words);
    for (std::uint32_t i = 0; i < words; ++i) numbers[i] = i;
    std::uint32_t* in = buffer(numbers);
    auto fault = launch(name, Arguments().add(out).add(in));
    memory_.release(reinterpret_cast<std::uint64_t>(out));
    memory_.release(reinterpret_cast<std::uint64_t>(in));
    return fault;
  }

  /// Every schedule finds the bug, and says `words`.
  void caught(const std::string& text, const std::vector<std::string>& words = {}) {
    for (schedule_ = 1; schedule_ <= kSeeds; ++schedule_) {
      const auto fault = outcome(text);
      ASSERT_TRUE(fault) << "not found under seed " << schedule_ << "\n" << text;
      ASSERT_EQ(fault->kind, Fault::Kind::undefined) << fault->text() << "\n" << text;
      ASSERT_FALSE(fault->related.empty());
      for (const std::string& word : words) {
        ASSERT_NE(fault->text().find(word), std::string::npos) << fault->text() << "\nlacks: " << word;
      }
    }
  }
  void passes(const std::string& text) {
    for (schedule_ = 1; schedule_ <= kSeeds; ++schedule_) {
      const auto fault = outcome(text);
      ASSERT_FALSE(fault) << fault->text() << "\nunder seed " << schedule_ << "\n" << text;
    }
  }

  struct Pair {
    std::string bug;
    std::string twin;
  };
  void pairs(const std::vector<Pair>& all) {
    for (const Pair& each : all) {
      caught(kernel(each.bug));
      passes(kernel(each.twin));
    }
  }
};

}  // namespace emulator::test
