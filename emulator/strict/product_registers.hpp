// The registers of matrix products in flight (wgmma, PTX ISA 9.7.15.5.2, 9.7.15.7): from wgmma.mma_async to the
// wgmma.wait_group that covers it nobody else touches its accumulators or its fragment of A, and what touched them
// before is behind a wgmma.fence.
//
// Registers of PTX are names of values: a plain mov gives a value another name, and devices' compilers make nothing of
// most of them. So a mov may pass on an accumulator in flight, and what it writes is as old as what it read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "execute/machine.hpp"

namespace emulator {

class ProductRegisters {
 public:
  explicit ProductRegisters(Block& block);
  void reset();
  /// The lanes are about to execute `in`.
  void before(const Warp& warp, const Instruction& in, std::uint32_t mask);
  /// wgmma.fence of the whole warp.
  void fenced(const Warp& warp);
  /// wgmma.wait_group: products up to this number are done.
  void done(const Warp& warp, std::uint64_t number);

 private:
  enum class Role : std::uint8_t { none, accumulator, fragment };
  struct Register {
    std::uint64_t product = 0;  ///< the number of the latest that has it
    std::uint32_t code = 0;     ///< its instruction
    std::uint32_t issued = 0;   ///< and the epoch it was issued in
    std::uint32_t read = 0;     ///< the epoch in which something else did so last; 0: none
    std::uint32_t written = 0;
    Role role = Role::none;
  };
  /// Of one warp. Fences divide time into epochs; in the first no fence has been yet.
  struct State {
    std::vector<Register> registers;  ///< by virtual register
    std::uint32_t epoch = 1;
    std::uint64_t done = 0;  ///< products
  };
  /// `from` is null where a constant is moved.
  void move(const Warp& warp, const Instruction& in, State& state, const Register* from, std::uint32_t to);
  void accumulate(const Warp& warp, const Instruction& in, State& state, std::uint32_t value);
  void multiply(const Warp& warp, const Instruction& in, State& state, std::uint32_t value);
  void product(const Warp& warp, const Instruction& in, State& state);
  [[noreturn]] void raise_touched(const Warp& warp, const Instruction& in, std::uint32_t value, const Register& which,
                                  const char* how) const;
  [[noreturn]] void raise_unfenced(const Warp& warp, const Instruction& in, std::uint32_t value,
                                   const char* what) const;
  [[nodiscard]] const std::string& name(std::uint32_t value) const;

  const Program& program_;
  std::vector<State> states_;
};

}  // namespace emulator
