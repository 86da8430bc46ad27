// What the tests of foreign kernels share.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "../machine.hpp"
#include "toolkit.hpp"

namespace emulator::test {

class Outside : public Machine {
 protected:
  Outside()
      : seed_(fresh_seed()), random_(seed_), trace_(__FILE__, __LINE__, "OSDN_TEST_SEED=" + std::to_string(seed_)) {
    schedule_ = seed_;
  }

  /// Launches a kernel of the loaded module; a fault fails the test.
  void go(const std::string& kernel, const Arguments& arguments, unsigned blocks, unsigned threads,
          std::size_t dynamic_shared = 0) {
    grid_ = {blocks, 1, 1};
    block_ = {threads, 1, 1};
    dynamic_shared_ = dynamic_shared;
    ++schedule_;
    const auto fault = launch(kernel, arguments);
    ASSERT_FALSE(fault) << fault->text();
  }

  template <class T>
  std::vector<T> integers(std::size_t count, T low, T high) {
    std::uniform_int_distribution<long long> draw(static_cast<long long>(low), static_cast<long long>(high));
    std::vector<T> result(count);
    for (T& v : result) v = static_cast<T>(draw(random_));
    return result;
  }
  std::vector<std::uint32_t> words(std::size_t count) {
    std::vector<std::uint32_t> result(count);
    for (auto& v : result) v = static_cast<std::uint32_t>(random_());
    return result;
  }
  template <class T>
  std::vector<T> reals(std::size_t count, double low, double high) {
    std::uniform_real_distribution<double> draw(low, high);
    std::vector<T> result(count);
    for (T& v : result) v = static_cast<T>(draw(random_));
    return result;
  }
  template <class T>
  T global(const std::string& name) {
    const auto found = module_->global(name);
    EXPECT_TRUE(found) << "no variable " << name;
    T value{};
    if (found) std::memcpy(&value, reinterpret_cast<const void*>(found->address), sizeof(T));
    return value;
  }
  template <class T>
  std::vector<T> zeros(std::size_t count) {
    return std::vector<T>(count, T{});
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
  ::testing::ScopedTrace trace_;
};

}  // namespace emulator::test

/// Loads what a call of compile() made, or skips the test with a word on what the machine lacks.
#define LOAD_OUTSIDE(...)                                                            \
  do {                                                                               \
    const emulator::test::Compiled& compiled_outside = __VA_ARGS__;                  \
    if (!compiled_outside.missing.empty()) GTEST_SKIP() << compiled_outside.missing; \
    ASSERT_FALSE(compiled_outside.ptx.empty()) << compiled_outside.log;              \
    const auto refused_outside = load(compiled_outside.ptx);                         \
    ASSERT_FALSE(refused_outside) << refused_outside->text();                        \
  } while (false)
