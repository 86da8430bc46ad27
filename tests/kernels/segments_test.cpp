// Sequences cut into segments that run at the same time: the same answers, whatever the clip does.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "generator/plan.hpp"
#include "runtime/prepared.hpp"
#include "tests/kernels/session.hpp"
#include "tests/kernels/slice.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Numbers;
using reference::Outputs;

Numbers numbers(double eta, double d_min, double d_max, double anchor = 0.0, double log_gamma = 0.0) {
  Numbers n;
  n.eta = eta;
  n.d_min = d_min;
  n.d_max = d_max;
  n.anchor = anchor;
  n.log_gamma = log_gamma;
  return n;
}

constexpr int all_in_turn = -1;  // instead of a number of rounds: d is not cut

struct SegmentsCase {
  const char* name;
  const char* problem;
  const char* config;
  Numbers numbers;
  int most_rounds;  // that the rounds may take where they are to suffice
  /// The hardest inputs: the four corrections do not suffice for every draw, and then some segments are replayed in
  /// turn.
  bool may_be_replayed = false;
};

void PrintTo(const SegmentsCase& c, std::ostream* out) {
  *out << c.problem << " | " << c.config;
}

// γ = 0.999 forgets towards 0 and sits on d_min; η = 1 between 0.5 and 2 is the hardest that is known.
#ifdef OSDN_TEST_HOPPER  // tests/hopper runs these tests, too
const SegmentsCase cases[] = {
    {"DeltaNet",
     "osdn_forward:k=64,v=64,precondition=none,qk_l2norm=1",
     "schedule=hopper,warps=4,stages=2,cut=fixed,segment=64",
     {},
     0},
    {"PerTokenBound", "osdn_forward:type=fp16,k=64,v=128,apf=per_token,norm=add",
     "schedule=hopper,warps=4,value_split=2,stages=2,preconditioner=chunked,preconditioner_warps=8,cut=fixed,segment="
     "64",
     numbers(0.5, 0.9, 1.05, 1), 5, true},
    {"Wide", "osdn_forward:k=128,v=128,qk_l2norm=1",
     "schedule=hopper,warps=8,stages=2,preconditioner=chunked,cut=fixed,segment=64", numbers(0.02, 0.99, 1.01), 4},
};
#else
const SegmentsCase cases[] = {
    {"DeltaNet", "osdn_forward:k=64,v=48,precondition=none", "chunk=32,warps=2,stages=2,cut=fixed,segment=64", {}, 0},
    {"Paper", "osdn_forward:k=64,v=64", "chunk=64,warps=4,cut=fixed,segment=64", numbers(0.003, 0.5, 2), 3},
    {"Release340m", "osdn_forward:k=64,v=32,apf=constant,beta_aware=0,norm=one,qk_l2norm=1",
     "chunk=32,warps=2,preconditioner_warps=2,cut=fixed,segment=128", numbers(0.003, 2.0 / 3, 1.5, 0, -0.001), 4},
    {"HardBounds", "osdn_forward:k=32,v=32,beta_aware=0,norm=one,type=fp16",
     "chunk=16,warps=2,preconditioner_warps=1,cut=fixed,segment=64", numbers(1, 0.5, 2), 5, true},
    {"PerToken", "osdn_forward:k=48,v=32,apf=per_token,beta_type=element",
     "chunk=32,warps=1,value_split=2,preconditioner_warps=2,cut=fixed,segment=64", numbers(1, 0, 1e9), 5},
    {"PerTokenBound", "osdn_forward:type=fp32,k=32,v=16,apf=per_token,norm=add",
     "chunk=16,warps=1,preconditioner=serial,preconditioner_warps=1,cut=fixed,segment=64", numbers(0.5, 0.9, 1.05, 1),
     5},
    {"PerHead", "osdn_forward:type=fp32,math=tf32x3,k=32,v=64,apf=per_head,qk_l2norm=1",
     "chunk=32,warps=4,value_split=2,inverse=substitution,cut=fixed,segment=128", numbers(0.3, 0, 100, 1), 4},
    {"PerChannel", "osdn_forward:k=96,v=32,apf=per_channel", "chunk=64,warps=2,cut=fixed,segment=64",
     numbers(0.5, 0.98, 1.01, 1), 5},
    {"Chunked", "osdn_forward:k=48,v=16,apf=per_token",
     "chunk=32,warps=1,preconditioner=chunked,preconditioner_warps=8,cut=fixed,segment=64", numbers(0.3, 0, 100, 1), 5},
    {"ChunkedHardBounds", "osdn_forward:k=32,v=32,beta_aware=0,norm=one,type=fp16",
     "chunk=16,warps=2,preconditioner=chunked,cut=fixed,segment=64", numbers(1, 0.5, 2), 5, true},
    {"Wide", "osdn_forward:k=144,v=16", "chunk=16,warps=1,preconditioner_warps=4,cut=fixed,segment=64",
     numbers(0.02, 0.99, 1.01), 4},
    // Of packed sequences, one has four segments, others fewer.
    {"SomeInTurn", "osdn_forward:k=48,v=16,apf=per_token",
     "chunk=32,warps=1,preconditioner=chunked,preconditioner_warps=8,cut=fixed,segment=64,cut_d=4",
     numbers(0.3, 0, 100, 1), 5},
    {"InTurn", "osdn_forward:k=48,v=32,apf=constant",
     "chunk=16,warps=2,preconditioner_warps=2,cut=fixed,segment=64,cut_d=100", numbers(0.5, 0.9, 1.05, 1, -0.01),
     all_in_turn},
};
#endif

class Segments : public testing::TestWithParam<SegmentsCase> {
 protected:
  Problem problem() const { return parse_problem(GetParam().problem).value_or_throw(); }
  /// d is cut as soon as there is something to cut, unless a case says otherwise.
  Config config() const {
    return parse_config(GetParam().config, parse_config("cut_d=2").value_or_throw()).value_or_throw();
  }
  PreparedOperation operation() const { return prepare(problem(), config()); }
  Case random_case(const Shape& shape, std::vector<std::int64_t> lengths = {}) const {
    reference::RandomOptions random;
    random.seed = input_seed() + 7;
    random.lengths = std::move(lengths);
    return reference::random_case(problem(), shape, GetParam().numbers, random).value_or_throw();
  }
};

/// Of every sequence and head: rounds until every entry d stood still, 0 if they never did; segments replayed in turn.
struct Rounds {
  int rounds;
  int replayed;
};
std::vector<Rounds> rounds_of(const PreparedOperation& operation, const Shape& shape,
                              const std::vector<std::byte>& workspace) {
  const auto& plan = operation.state()->plan();
  std::vector<Rounds> out(static_cast<std::size_t>(shape.sequences() * shape.hv));
  const std::size_t offset = plan.workspace(shape).cut_rounds_offset;
  if (offset != 0) std::memcpy(out.data(), workspace.data() + offset, out.size() * sizeof(Rounds));
  return out;
}

// The tokens of one packed sequence as a batch of their own.
Case alone(const Case& packed, std::int64_t n) {
  const std::vector<std::int64_t> starts = reference::to_integers(*packed.cu_seqlens);
  Case out = tokens(packed, starts[static_cast<std::size_t>(n)], starts[static_cast<std::size_t>(n) + 1]);
  out.shape.n = 0;
  out.cu_seqlens.reset();
  const auto slice = [&](std::optional<safetensors::Tensor>& tensor) {
    if (!tensor) return;
    const auto size = static_cast<std::ptrdiff_t>(tensor->data.size()) / packed.shape.n;
    tensor->data.assign(tensor->data.begin() + size * n, tensor->data.begin() + size * (n + 1));
    tensor->shape[0] = 1;
  };
  slice(out.initial_state);
  slice(out.initial_d);
  return out;
}

// Elements of sequence n: rows of o, or one of the leading dimension of a state.
safetensors::Tensor part(const safetensors::Tensor& tensor, std::int64_t first, std::int64_t end, std::int64_t count) {
  safetensors::Tensor out{tensor.dtype, {end - first}, {}};
  const auto size = static_cast<std::ptrdiff_t>(tensor.data.size()) / count;
  out.data.assign(tensor.data.begin() + size * first, tensor.data.begin() + size * end);
  return out;
}

TEST_P(Segments, AgreeWithTheRecurrenceInFewRounds) {
  const std::int64_t segment = config().segment;
  const Case problem = random_case({.b = 2, .t = 5 * segment + 37, .h = 1, .hv = 2});
  const PreparedOperation op = operation();
  std::vector<std::byte> workspace;
  expect_right(problem, launch(op, problem, {.workspace = &workspace}), States::in_and_out);
  if (op.problem().precondition == Precondition::none) return;
  for (const Rounds& r : rounds_of(op, problem.shape, workspace)) {
    if (GetParam().most_rounds == all_in_turn) {
      EXPECT_EQ(r.rounds, all_in_turn);
      continue;
    }
    if (GetParam().may_be_replayed && r.rounds == 0) {
      EXPECT_GT(r.replayed, 0);
      EXPECT_LE(r.replayed, 5) << "the first of six segments begins with the sequence's own d";
      continue;
    }
    EXPECT_GT(r.rounds, 0) << "the rounds did not suffice";
    EXPECT_LE(r.rounds, GetParam().most_rounds);
    EXPECT_EQ(r.replayed, 0);
  }
}

// Where d is not cut its segments are replayed in turn, to the bits of a sequence that was never cut.
TEST_P(Segments, ReplayedInTurnGiveTheBitsOfAWholeSequence) {
  if (GetParam().most_rounds != all_in_turn) GTEST_SKIP() << "d is cut";
  const Case problem = random_case({.b = 2, .t = 3 * config().segment + 11, .h = 1, .hv = 2});
  Config whole = config();
  whole.cut = Cut::never;
  expect_same_bits(*launch(operation(), problem, {.states = States::aliased}).final_d,
                   *launch(prepare(this->problem(), whole), problem).final_d, "final_d");
}

TEST_P(Segments, OfASequenceGiveTheSameBitsAloneAndInAnyBatch) {
  const std::int64_t segment = config().segment;
  const std::vector<std::int64_t> lengths = {0, 3 * segment + 5, 1, 2 * segment, 0, segment, segment + 1};
  const auto count = static_cast<std::int64_t>(lengths.size());
  std::int64_t all = 0;
  for (const std::int64_t length : lengths) all += length;
  const Case packed = random_case({.b = 1, .t = all, .h = 1, .hv = 2, .n = count}, lengths);
  const PreparedOperation op = operation();
  const Outputs together = launch(op, packed, {.states = States::aliased});
  expect_right(packed, together, States::in_and_out);
  std::int64_t begin = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    SCOPED_TRACE("sequence " + std::to_string(n));
    const std::int64_t end = begin + lengths[static_cast<std::size_t>(n)];
    const Outputs one = launch(op, alone(packed, n));
    expect_same_bits(part(together.o, begin, end, all), one.o, "o");
    expect_same_bits(part(together.final_state, n, n + 1, count), one.final_state, "final_state");
    if (one.final_d) expect_same_bits(part(*together.final_d, n, n + 1, count), *one.final_d, "final_d");
    begin = end;
  }
}

TEST_P(Segments, GiveTheSameBitsWhateverTheOrderOfExecution) {
  const std::int64_t segment = config().segment;
  const PreparedOperation op = operation();
  const Case problem = random_case({.b = 1, .t = 3 * segment + 9, .h = 1, .hv = 2});
  set_emulator_seed(1);
  const Outputs first = launch(op, problem);
  set_emulator_seed(2);
  expect_same_bits(first, launch(op, problem));
}

// Whoever never asks for the states still gets the right outputs.
TEST_P(Segments, NeedNoStates) {
  const std::int64_t segment = config().segment;
  Case problem = random_case({.b = 1, .t = 3 * segment, .h = 1, .hv = 1});
  problem.initial_state.reset();
  problem.initial_d.reset();
  expect_right(problem, launch(operation(), problem, {.states = States::none}), States::none);
}

// A NaN spoils what comes behind it in its head, and nothing else. No round can settle that head's d.
TEST_P(Segments, KeepANaNWhereItIs) {
  const std::int64_t segment = config().segment;
  const Case clean = random_case({.b = 2, .t = 4 * segment, .h = 2, .hv = 2});
  const std::int64_t width = problem().k;
  const std::int64_t at = segment + segment / 2;  // of batch entry 1, key head 1
  Case dirty = clean;
  dirty.k = changed(clean.k, [&](std::int64_t i, double x) {
    return i / width == (clean.shape.t + at) * 2 + 1 ? std::numeric_limits<double>::quiet_NaN() : x;
  });
  const PreparedOperation op = operation();
  const std::vector<double> before = reference::to_doubles(launch(op, clean).o);
  const std::vector<double> after = reference::to_doubles(launch(op, dirty).o);
  const std::int64_t chunk = config().chunk;
  std::int64_t differing = 0;
  std::int64_t reached = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::int64_t row = static_cast<std::int64_t>(i) / problem().v;
    const std::int64_t token = row / 2;
    // Its own chunk's rows are made together.
    const bool spoilt = row % 2 == 1 && token >= clean.shape.t + at / chunk * chunk;
    if (!spoilt && before[i] != after[i]) ++differing;
    if (spoilt && token >= clean.shape.t + at && std::isnan(after[i])) ++reached;
  }
  EXPECT_EQ(differing, 0);
  EXPECT_EQ(reached, (clean.shape.t - at) * problem().v);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Segments, testing::ValuesIn(cases),
                         [](const auto& row) { return std::string(row.param.name); });

#ifndef OSDN_TEST_HOPPER
// Steps too long for their bounds: d jumps, no Jacobian foresees where to. What the rounds leave over is replayed in
// turn, to the bits of a sequence that was never cut.
TEST(Segments, ReplayWhatTheRoundsLeaveOver) {
  const Problem jumping = parse_problem("osdn_forward:k=32,v=16,norm=one,beta_aware=0").value_or_throw();
  Config config = parse_config("chunk=16,warps=1,preconditioner_warps=2,cut=fixed,segment=64,cut_d=2").value_or_throw();
  reference::RandomOptions random;
  random.seed = input_seed() + 8;
  random.keys = reference::Keys::scaled;
  const Case problem =
      reference::random_case(jumping, Shape{.b = 1, .t = 12 * 64, .h = 1, .hv = 2}, numbers(6, 0, 4), random)
          .value_or_throw();
  const PreparedOperation op = prepare(jumping, config);
  std::vector<std::byte> workspace;
  const Outputs out = launch(op, problem, {.workspace = &workspace});
  int replayed = 0;
  for (const Rounds& r : rounds_of(op, problem.shape, workspace)) replayed += r.replayed;
  EXPECT_GT(replayed, 0) << "d settled, so this test says nothing";
  config.cut = Cut::never;
  expect_same_bits(*out.final_d, *launch(prepare(jumping, config), problem).final_d, "final_d");
}
#endif

}  // namespace
}  // namespace osdn::tests
