// Builds what speaks of clusters (PTX ISA 9.7.9.23, 9.7.9.24, 9.7.13.3). A cluster has one block here.
#include "ptx/builders.hpp"

namespace emulator::ptx::build {

void cluster_arrive(Build& b) {
  b.expect_operands(0);
  b.family("barrier.cluster.arrive");
  b.in().mode = b.word("order") == "relaxed" ? 1 : 0;
  b.handler(control::cluster_arrive);
}

void cluster_wait(Build& b) {
  b.expect_operands(0);
  b.family("barrier.cluster.wait");
  b.handler(control::cluster_wait);
}

/// mapa d, a, rank: the address in the block of that rank, which can only be this one.
void cluster_map(Build& b) {
  b.expect_operands(3);
  const Type type = b.type();
  const Operand& from = b.operand(1);
  b.destination(0, b.operand(0), size_of(type));
  const auto symbol =
      from.kind == Operand::Kind::name ? b.decoder.find(from.name, b.statement.scope) : FunctionDecoder::Symbol{};
  if (symbol.kind == FunctionDecoder::Symbol::Kind::variable) {
    Space space = Space::shared;
    const std::uint64_t address = b.variable_address(*symbol.variable, space) + static_cast<std::uint64_t>(from.value);
    b.constant(1, address, size_of(type));
  } else {
    b.source(1, from, type);
  }
  b.source(2, b.operand(2), Type::u32);
  b.in().size = static_cast<std::uint8_t>(size_of(type));
  b.in().mode = 1;
  b.moves(1u << 1, 1u << 2);
  b.handler(control::cluster_rank);
}

void cluster_rank(Build& b) {
  b.expect_operands(2);
  b.destination(0, b.operand(0), 4);
  b.constant(1, 0, 4);
  b.constant(2, 0, 4);
  b.in().size = 4;
  b.moves(1u << 1);
  b.handler(control::cluster_rank);
}

}  // namespace emulator::ptx::build
