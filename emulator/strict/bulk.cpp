// What a strict device checks of bulk copies: who may touch their sources and targets while they are under way, in
// shared memory by the async proxy's book-keeping, in global memory as accesses of the block.
#include "execute/bulk.hpp"

#include "execute/block.hpp"
#include "strict/strict.hpp"

namespace emulator {

void Strict::issued(BulkCopy& copy) {
  Warp& warp = *copy.warp;
  const Instruction& in = *copy.issued;
  definedness.issued(copy);
  if (copy.to_shared()) objects.check(copy);
  copy.agent = proxy.begin(warp, copy.lane);
  for (const BulkRun& run : copy.runs) {
    if (copy.op != BulkOp::load) {
      proxy.read(copy.agent, warp, in, copy.lane, copy.to_shared() ? copy.source : run.shared, run.bytes);
    }
    if (copy.to_shared()) proxy.write(copy.agent, warp, in, copy.lane, run.shared, run.bytes);
  }
  if (copy.op == BulkOp::load) races.bulk_global(copy, Access::Kind::load);
}

void Strict::landed(const BulkCopy& copy) {
  definedness.landed(copy);
  if (!copy.to_shared()) return;
  for (const BulkRun& run : copy.runs) proxy.wrote(copy.agent, *copy.issued, run.shared, run.bytes);
  proxy.done_at(copy.agent, copy.barrier);
}

void Strict::source_free(const BulkCopy& copy) {
  proxy.done_for(copy.agent, *copy.warp, copy.lane);
}

/// Not before now can a fence of the block tell others of what the copy wrote.
void Strict::awaited(const BulkCopy& copy) {
  races.bulk_global(copy, copy.op == BulkOp::reduce ? Access::Kind::atomic : Access::Kind::store);
}

void Strict::left_behind(const BulkCopy& copy) {
  throw FaultRaised{fault_at(
      *copy.warp, *copy.issued, copy.lane, Fault::Kind::in_flight,
      copy.to_shared()
          ? "the block ends before anybody has waited for this bulk copy at its mbarrier: it may write shared memory "
            "that is another block's by then"
          : "the block ends while this bulk copy may still read its shared memory: the thread that issued it commits "
            "its group and executes cp.async.bulk.wait_group.read before it exits")};
}

}  // namespace emulator
