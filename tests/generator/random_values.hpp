// Random problems, shapes and configurations for the generator's tests.
#pragma once

#include <cstdlib>
#include <iterator>
#include <random>

#include "generator/names.hpp"
#include "osdn/config.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::tests {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  std::int64_t integer(std::int64_t first, std::int64_t last) {
    return std::uniform_int_distribution<std::int64_t>(first, last)(engine_);
  }
  bool coin() { return integer(0, 1) == 1; }

  template <class Enum>
  Enum any() {
    const auto& rows = generator::Names<Enum>::rows;
    return rows[integer(0, static_cast<std::int64_t>(std::size(rows)) - 1)].value;
  }

  /// Every axis at random, those without kernels included.
  Problem family_problem() {
    Problem p = problem();
    p.decay = any<Decay>();
    p.erase = any<Erase>();
    p.value = any<ValueCoefficient>();
    p.micro_steps = static_cast<int>(integer(1, 16));
    return p;
  }

  /// Legal, not canonical.
  Problem problem() {
    Problem p;
    p.type = any<ElementType>();
    p.math = any<Fp32Math>();
    p.k = static_cast<int>(16 * integer(1, 16));
    p.v = static_cast<int>(16 * integer(1, 16));
    p.precondition = any<Precondition>();
    p.apf = any<Apf>();
    p.norm = any<Norm>();
    p.beta_aware = coin();
    p.qk_l2norm = coin();
    p.beta_type = any<BetaType>();
    return p;
  }

  /// Of every operation.
  Problem any_problem() {
    Problem p = problem();
    p.operation = any<Operation>();
    p.state_type = any<StateType>();
    return p;
  }

  Config config() {
    Config c;
    c.chunk = 16 << integer(0, 3);
    c.warps = 1 << integer(0, 4);
    c.stages = static_cast<int>(integer(1, 3));
    c.value_split = static_cast<int>(integer(1, 16));
    c.preconditioner = any<PreconditionerAlgorithm>();
    c.preconditioner_warps = 1 << integer(0, 3);
    c.inverse = any<InverseAlgorithm>();
    return c;
  }

  Shape shape() {
    Shape s;
    s.t = integer(0, 1 << 20);
    s.h = integer(1, 64);
    s.hv = s.h * integer(1, 4);
    if (coin()) {
      s.n = integer(1, 1000);
    } else {
      s.b = integer(1, 1000);
    }
    return s;
  }

 private:
  std::mt19937_64 engine_;
};

/// A seed that differs from run to run; printed by the test that uses it.
/// OSDN_TEST_SEED repeats what a failed test printed.
inline unsigned fresh_seed() {
  const char* const given = std::getenv("OSDN_TEST_SEED");
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 0)) : std::random_device{}();
}

}  // namespace osdn::tests
