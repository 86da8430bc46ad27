#include "runtime/tensors.hpp"

#include <initializer_list>
#include <limits>

namespace osdn::runtime {
namespace {

std::uint64_t product(std::initializer_list<std::int64_t> factors) {
  std::uint64_t all = 1;
  for (const std::int64_t factor : factors) {
    if (__builtin_mul_overflow(all, static_cast<std::uint64_t>(factor), &all)) {
      return std::numeric_limits<std::uint64_t>::max();
    }
  }
  return all;
}

}  // namespace

std::array<Tensor, 14> tensors(const Call& call) {
  const Problem& problem = call.plan.problem;
  const ForwardArguments& arguments = call.arguments;
  const RowLayouts& rows = call.rows;
  const Shape& s = arguments.shape;
  const std::int64_t element = problem.type == ElementType::fp32 ? 4 : 2;
  const std::int64_t beta = problem.beta_type == BetaType::fp32 ? 4 : element;
  const std::int64_t index = arguments.cu_seqlens_type == IndexType::int64 ? 8 : 4;
  const auto aligned = [](std::int64_t bytes) { return static_cast<std::size_t>(bytes); };

  const auto strided = [](const char* name, DevicePointer address, const RowLayout& layout, std::size_t alignment,
                          bool written = false) { return Tensor{name, address, 0, alignment, written, &layout}; };
  const std::uint64_t state_bytes = product({s.sequences(), s.hv, problem.k, problem.v, 4});
  const std::uint64_t d_bytes = product({s.sequences(), s.hv, problem.k, 4});
  const std::int64_t checkpoints = arguments.checkpoint_every > 0 ? s.b * s.t / arguments.checkpoint_every : 0;
  return {
      {strided("q", arguments.q, rows.q, 16),
       strided("k", arguments.k, rows.k, 16),
       strided("v", arguments.v, rows.v, 16),
       strided("beta", arguments.beta, rows.beta, aligned(beta)),
       strided("log_gamma", arguments.log_gamma, rows.log_gamma, 4),
       {"initial_state", arguments.initial_state, state_bytes, 4, false},
       {"initial_d", arguments.initial_d, d_bytes, 4, false},
       {"cu_seqlens", arguments.cu_seqlens, s.packed() ? product({s.n + 1, index}) : 0, aligned(index), false},
       strided("o", arguments.o, rows.o, 16, true),
       {"final_state", arguments.final_state, state_bytes, 4, true},
       {"final_d", arguments.final_d, d_bytes, 4, true},
       {"workspace", arguments.workspace, call.shaped.workspace.bytes, 256, true},
       {"checkpoint_state", arguments.checkpoint_state, product({checkpoints, s.hv, problem.k, problem.v, 4}), 4, true},
       {"checkpoint_d", arguments.checkpoint_d, product({checkpoints, s.hv, problem.k, 4}), 4, true}}};
}

std::array<Tensor, 15> tensors(const Call& call, const DecodeArguments& a) {
  const Problem& problem = call.plan.problem;
  const Shape& s = a.shape;
  const auto pass = tensors(call);
  const std::int64_t state = problem.state_type == StateType::fp32 ? 4 : 2;
  const auto states = [&](std::int64_t rows) { return product({rows, s.hv, problem.k, problem.v, state}); };
  const auto ds = [&](std::int64_t rows) { return product({rows, s.hv, problem.k, 4}); };
  const std::int64_t rows = pool_rows(a);
  const std::int64_t checkpoints = a.checkpoint_every > 0 ? s.b * s.t / a.checkpoint_every : 0;
  const std::uint64_t table = product({s.sequences(), 4});
  return {{pass[0],
           pass[1],
           pass[2],
           pass[3],
           pass[4],
           pass[7],
           pass[8],
           {"state", a.state, states(rows), 16, a.output_state == 0},
           {"d", a.d, ds(rows), 4, a.output_d == 0},
           {"state_slots", a.state_slots, table, 4, false},
           {"output_state", a.output_state, states(rows), 16, true},
           {"output_d", a.output_d, ds(rows), 4, true},
           {"output_slots", a.output_slots, table, 4, false},
           {"checkpoint_state", a.checkpoint_state, states(checkpoints), 16, true},
           {"checkpoint_d", a.checkpoint_d, ds(checkpoints), 4, true}}};
}

}  // namespace osdn::runtime
