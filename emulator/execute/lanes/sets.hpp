// What each subject of one instruction set hands to the table of handlers.
#pragma once

#include "execute/operations.hpp"

#ifndef EMULATOR_SET
#define EMULATOR_SET baseline
#endif

namespace emulator::EMULATOR_SET {

Handler integer(IntegerOp op, ptx::Type type);
Handler bit_operation(IntegerOp op, ptx::Type type);  ///< part of integer()
Handler saturating(IntegerOp op);
Handler floating(FloatOp op, ptx::Type type, Rounding rounding, std::uint8_t flags);
Handler approximate(FloatOp op, ptx::Type type, bool full, std::uint8_t flags);
Handler half(FloatOp op, ptx::Type type);
Handler compare(ptx::Type type, Comparison comparison);
Handler select(ptx::Type type);
Handler slct(ptx::Type type, ptx::Type selector);
Handler predicate(IntegerOp op);
Handler move(int bytes);
Handler pack(int element_bytes, int count);
Handler unpack(int element_bytes, int count);
Handler convert(const ConvertSpec& spec, int to_register, int from_register);
Handler convert_eight(EightOp op);
Handler load(ptx::Space space, ptx::Type type, int register_bytes);
Handler store(ptx::Space space, int bytes, int register_bytes);
Handler shuffle(ShuffleMode mode);
Handler vote(VoteMode mode);
Handler match(MatchMode mode, int bytes);
Handler reduce(ReduceOp op, ptx::Type type);
Handler matrix(MatrixShape shape, ptx::Type d, ptx::Type a, ptx::Type b, ptx::Type c);
Handler warpgroup(ptx::Type element, ptx::Type d);
void elect(Warp&, const Instruction&, std::uint32_t mask);
void ldmatrix(Warp&, const Instruction&, std::uint32_t mask);
void stmatrix(Warp&, const Instruction&, std::uint32_t mask);
void movmatrix(Warp&, const Instruction&, std::uint32_t mask);
void async_copy(Warp&, const Instruction&, std::uint32_t mask);
void run(Warp&);

extern const Lanes table;

}  // namespace emulator::EMULATOR_SET
