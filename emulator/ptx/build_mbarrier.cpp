// Builds mbarrier (PTX ISA 9.7.13.15): objects in shared memory that count arrivals and bytes in phases.
#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

/// [address] into operand 1; in.size is its space.
void object(Build& b, const Operand& where) {
  Space space = b.has("space") ? Space::shared : Space::generic;
  b.address(1, where, space);
  b.in().size = static_cast<std::uint8_t>(space);
  b.in().count = 0;
  b.note().space = space;
  b.note().order = b.word("order") == "relaxed" ? InstructionNote::Order::relaxed : InstructionNote::Order::acq_rel;
}

void handler(Build& b, MbarrierOp op) {
  b.in().mode = static_cast<std::uint8_t>(op);
  b.flow(Flow::mbarrier);
  b.handler(control::mbarrier);
}

/// Operand 0: a destination, unless it is the sink.
bool state(Build& b, const Operand& operand) {
  if (b.is_sink(operand)) return false;
  b.destination(0, operand, 8);
  return true;
}

}  // namespace

/// operation 0: init, 1: inval.
void mbarrier_init(Build& b) {
  const bool init = b.operation == 0;
  b.expect_operands(init ? 2 : 1);
  b.family(init ? "mbarrier.init" : "mbarrier.inval");
  object(b, b.operand(0));
  if (init) b.source(2, b.operand(1), Type::u32);
  handler(b, init ? MbarrierOp::init : MbarrierOp::inval);
}

/// operation 0: expect_tx, 1: complete_tx.
void mbarrier_transactions(Build& b) {
  b.expect_operands(2);
  b.family(b.operation == 0 ? "mbarrier.expect_tx" : "mbarrier.complete_tx");
  object(b, b.operand(0));
  b.source(2, b.operand(1), Type::u32);
  handler(b, b.operation == 0 ? MbarrierOp::expect_tx : MbarrierOp::complete_tx);
}

/// arrive and arrive_drop, with a count, without completing, or with bytes to expect.
void mbarrier_arrive(Build& b) {
  const bool drops = b.word("kind") == "arrive_drop", expects = b.has("expect_tx"), quiet = b.has("noComplete");
  b.family(drops ? "mbarrier.arrive_drop" : "mbarrier.arrive");
  // Without a destination the address comes first.
  const bool leads = b.operand(0).kind == Operand::Kind::address;
  const std::size_t where = leads ? 0 : 1;
  b.expect_operands(where + (expects || quiet ? 2 : 1), where + 2);
  object(b, b.operand(where));
  b.in().count = !leads && state(b, b.operand(0)) ? 1 : 0;
  const bool counted = b.operands() == where + 2;
  if (counted) {
    b.source(2, b.operand(where + 1), Type::u32);
  } else {
    b.constant(2, 1, 4);
  }
  handler(b, expects ? (drops ? MbarrierOp::drop_expect : MbarrierOp::arrive_expect)
             : quiet ? (drops ? MbarrierOp::drop_quietly : MbarrierOp::arrive_quietly)
             : drops ? MbarrierOp::drop
                     : MbarrierOp::arrive);
}

/// test_wait and try_wait, by state or by parity. A hint of how long to wait changes nothing.
void mbarrier_wait(Build& b) {
  const bool parity = b.has("parity");
  b.expect_operands(3, 4);
  b.family(b.word("kind") == "try_wait" ? "mbarrier.try_wait" : "mbarrier.test_wait");
  b.destination(0, b.operand(0), 0);
  object(b, b.operand(1));
  b.source(2, b.operand(2), parity ? Type::b32 : Type::b64);
  b.in().count = b.word("kind") == "try_wait" ? 1 : 0;
  handler(b, parity ? MbarrierOp::wait_parity : MbarrierOp::wait_state);
}

void mbarrier_pending(Build& b) {
  b.expect_operands(2);
  b.family("mbarrier.pending_count");
  b.destination(0, b.operand(0), 4);
  b.source(2, b.operand(1), Type::b64);
  b.handler(control::mbarrier_pending);
}

/// cp.async.mbarrier.arrive: an arrival when the thread's copies so far have landed.
void mbarrier_copies(Build& b) {
  b.expect_operands(1);
  b.family("cp.async.mbarrier.arrive");
  object(b, b.operand(0));
  b.constant(2, 1, 4);
  handler(b, b.has("noinc") ? MbarrierOp::copies_counted : MbarrierOp::copies);
}

/// fence.mbarrier_init (PTX ISA 9.7.13.4).
void mbarrier_fence(Build& b) {
  b.expect_operands(0);
  b.note().init_fence = true;
  b.handler(control::nothing);
}

}  // namespace emulator::ptx::build
