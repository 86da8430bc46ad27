// Checkpoints of a step: the states that the recurrence had on the way.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "reference/tensor.hpp"
#include "tests/decode/step.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Outputs;
using safetensors::Tensor;

Tensor room(safetensors::DType type, std::vector<std::int64_t> shape) {
  Tensor out{type, std::move(shape), {}};
  out.data.assign(static_cast<std::size_t>(out.elements()) * size_of(type), std::byte{0xFF});
  return out;
}

/// Row `n` of a tensor's leading dimension.
std::vector<std::byte> row(const Tensor& tensor, std::int64_t n) {
  const auto bytes = static_cast<std::ptrdiff_t>(tensor.data.size() / static_cast<std::size_t>(tensor.shape[0]));
  return {tensor.data.begin() + n * bytes, tensor.data.begin() + (n + 1) * bytes};
}

struct Checkpointed {
  Outputs outputs;
  Tensor state, d;
};

Checkpointed run(const PreparedOperation& op, const Case& problem, std::int64_t every) {
  const reference::ServingBatch batch = reference::serve(problem, {});
  const std::int64_t rows = batch.shape.b * batch.shape.t / every;
  const Problem& p = problem.problem;
  Checkpointed out;
  out.state = room(reference::state_dtype_of(p), {rows, problem.shape.hv, p.k, p.v});
  out.d = room(safetensors::DType::f32, {rows, problem.shape.hv, p.k});
  OnDevice memory;
  DecodeArguments a = put_step(memory, problem, batch);
  a.checkpoint_every = every;
  a.checkpoint_state = memory.put(out.state);
  a.checkpoint_d = memory.put(out.d);
  op.launch(a).value_or_throw();
  engine().synchronize().value_or_throw();
  memory.get(a.checkpoint_state, out.state);
  memory.get(a.checkpoint_d, out.d);
  out.outputs = take_step(memory, problem, batch, a).value_or_throw();
  return out;
}

// A checkpoint is what a step that ends there leaves, bit by bit; every other row is as it was.
TEST(DecodeCheckpoints, AreTheStatesOnTheWay) {
  for (const char* text : {"osdn_decode:k=32,v=48,apf=per_token", "osdn_decode:k=16,v=32,state_type=bf16"}) {
    for (const std::int64_t every : {1, 3, 8}) {
      SCOPED_TRACE(std::string(text) + ", every " + std::to_string(every));
      const PreparedOperation op = prepare_step(text, "warps=2");
      const Case problem = random_step(op, {.b = 2, .t = 19, .h = 1, .hv = 2}, 21);
      const Checkpointed with = run(op, problem, every);
      expect_same_bits(with.outputs, step(op, problem));
      std::vector<bool> written(static_cast<std::size_t>(with.state.shape[0]));
      for (std::int64_t n = 0; n < 2; ++n) {
        for (std::int64_t done = every; done <= 19; done += every) {
          const std::int64_t at = n * 19 / every + done / every - 1;  // as arguments.hpp says
          ASSERT_FALSE(written[static_cast<std::size_t>(at)]);
          written[static_cast<std::size_t>(at)] = true;
          const Outputs there = step(op, part_of(problem, n, 0, done));
          EXPECT_EQ(row(with.state, at), there.final_state.data) << "state after " << done << " tokens of " << n;
          EXPECT_EQ(row(with.d, at), there.final_d->data) << "d after " << done << " tokens of " << n;
        }
      }
      for (std::size_t at = 0; at < written.size(); ++at) {
        if (written[at]) continue;
        for (const Tensor* tensor : {&with.state, &with.d}) {
          const std::vector<std::byte> left = row(*tensor, static_cast<std::int64_t>(at));
          EXPECT_TRUE(std::all_of(left.begin(), left.end(), [](std::byte b) { return b == std::byte{0xFF}; })) << at;
        }
      }
    }
  }
}

// Packed sequences of any lengths never meet in a row, and stay within the tensor.
TEST(DecodeCheckpoints, OfPackedSequences) {
  const PreparedOperation op = prepare_step("osdn_decode:k=16,v=16");
  const std::vector<std::int64_t> lengths = {3, 0, 5, 1, 4, 2};
  const Case problem =
      random_step(op, {.b = 1, .t = 15, .h = 1, .hv = 1, .n = 6}, 22, {}, reference::Keys::unit, lengths);
  for (const std::int64_t every : {1, 2, 4}) {
    SCOPED_TRACE(every);
    const Checkpointed with = run(op, problem, every);
    std::int64_t begin = 0;
    for (std::size_t n = 0; n < lengths.size(); begin += lengths[n++]) {
      if (lengths[n] == 0 || lengths[n] % every != 0) continue;
      const std::int64_t at = begin / every + lengths[n] / every - 1;
      EXPECT_EQ(row(with.state, at), row(with.outputs.final_state, static_cast<std::int64_t>(n)));
      EXPECT_EQ(row(with.d, at), row(*with.outputs.final_d, static_cast<std::int64_t>(n)));
    }
  }
}

}  // namespace
}  // namespace osdn::tests
