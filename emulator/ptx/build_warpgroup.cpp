// Builds wgmma (PTX ISA 9.7.15): products of matrices by the four warps of a warpgroup.
#include <charconv>

#include "execute/warpgroup.hpp"
#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

/// wgmma and setmaxnreg belong to one architecture: code for any other, newer ones too, cannot have them.
void expect_sm_90a(Build& b) {
  const std::string_view target = b.decoder.context().module->target;
  if (target == "sm_90a") return;
  b.unsupported(std::string(b.statement.opcode) + " exists on sm_90a only, and this module is for " +
                std::string(target) + ": compile it for compute_90a (nvcc and NVRTC: -arch=compute_90a)");
}

/// The N of m64nNk16.
unsigned columns(Build& b, std::string_view shape) {
  constexpr std::string_view kBefore = "m64n";
  unsigned n = 0;
  std::from_chars(shape.data() + kBefore.size(), shape.data() + shape.size(), n);
  if (n == 0 || n % 8 != 0 || n > 256) b.unsupported("a wgmma whose N is not one of 8, 16, 24 … 256");
  return n;
}

void fragment(Build& b, const Operand& operand, unsigned count, Type type, bool accumulates) {
  if (operand.kind != Operand::Kind::vector || operand.elements.size() != count) {
    b.syntax("a matrix fragment of wgmma with a wrong number of registers: " + std::to_string(count) + " are expected");
  }
  for (const Operand& each : operand.elements) {
    if (accumulates) {
      b.list_accumulator(each, size_of(type));
    } else {
      b.list_source(each, type);
    }
  }
}

/// An immediate that is 1 or -1.
bool negates(Build& b, std::size_t index) {
  const std::int64_t scale = b.integer(b.operand(index));
  if (scale != 1 && scale != -1) b.syntax("imm-scale of wgmma is 1 or -1");
  return scale == -1;
}

bool transposes(Build& b, std::size_t index) {
  const std::int64_t transposed = b.integer(b.operand(index));
  if (transposed != 0 && transposed != 1) b.syntax("imm-trans of wgmma is 0 or 1");
  return transposed == 1;
}

}  // namespace

/// operation 0: wgmma.fence, 1: wgmma.commit_group.
void warpgroup_order(Build& b) {
  expect_sm_90a(b);
  b.expect_operands(0);
  b.family(b.operation == 0 ? "wgmma.fence" : "wgmma.commit_group");
  if (b.operation == 0) b.flow(Flow::warpgroup_fence);
  b.handler(b.operation == 0 ? control::warpgroup_fence : control::warpgroup_commit);
}

void set_registers(Build& b) {
  expect_sm_90a(b);
  b.expect_operands(1);
  b.family("setmaxnreg");
  const std::int64_t count = b.integer(b.operand(0));
  if (count < 24 || count > 256 || count % 8 != 0) {
    b.syntax("setmaxnreg takes a multiple of 8 from 24 to 256, not " + std::to_string(count));
  }
  if (b.decoder.context().program->thread_registers == 0) {
    b.unsupported(
        "setmaxnreg in a kernel that begins with nobody knows how many registers: bound its threads "
        "(__launch_bounds__, .maxntid) or its registers (.maxnreg)");
  }
  b.in().immediate = count;
  b.in().mode = b.word("kind") == "inc" ? 1 : 0;
  b.handler(control::set_registers);
}

void warpgroup_wait(Build& b) {
  expect_sm_90a(b);
  b.expect_operands(1);
  b.family("wgmma.wait_group");
  b.in().immediate = b.integer(b.operand(0));
  if (b.in().immediate < 0) b.syntax("wgmma.wait_group takes a constant that is not negative");
  b.flow(Flow::warpgroup_wait);
  b.handler(control::warpgroup_wait);
}

/// d, a or its descriptor, descriptor of b, scale-d, imm-scale-a, imm-scale-b and, for 16-bit elements, imm-trans-a
/// where A is described and imm-trans-b.
void warpgroup_multiply(Build& b) {
  expect_sm_90a(b);
  const Type element = b.type("a"), d = b.type("d");
  const bool described = b.operand(1).kind != Operand::Kind::vector, narrow = element != Type::tf32;
  b.expect_operands(6u + (narrow ? (described ? 2u : 1u) : 0u));
  b.family("wgmma.mma_async");
  b.handler(lanes().warpgroup(element, d));
  const unsigned n = columns(b, b.word("shape"));
  fragment(b, b.operand(0), d == Type::f16 ? n / 4 : n / 2, d == Type::f16 ? Type::b32 : Type::f32, true);
  if (described) {
    b.source(1, b.operand(1), Type::b64);
    b.in().mode |= kSharedA;
  } else {
    fragment(b, b.operand(1), 4, Type::b32, false);
  }
  b.source(2, b.operand(2), Type::b64);
  if (b.predicate(3, b.operand(3))) b.in().flags |= kNegatedScale;
  if (negates(b, 4) != negates(b, 5)) b.in().mode |= kNegatedFactor;
  if (narrow && described && transposes(b, 6)) b.in().mode |= kTransposedA;
  if (narrow && transposes(b, described ? 7 : 6)) b.in().mode |= kTransposedB;
  b.in().count = static_cast<std::uint8_t>(n / 8);
  b.decoder.context().program->async_proxy = true;
  b.note().warp_flops = 2 * 16 * n * (narrow ? 16 : 8);
  // What a lane's share of the operands comes to: B is read once for the four warps.
  const unsigned k_bytes = 32;
  b.note().bytes = static_cast<std::uint16_t>((n * k_bytes / kWarpgroup + (described ? 16 * k_bytes : 0)) / kLanes);
  b.flow(Flow::warpgroup_multiply, 0, narrow ? element : Type::b32);
  b.note().flow.data = d == Type::f16 ? kHalfResult | kHalfAddend : 0;
}

}  // namespace emulator::ptx::build
