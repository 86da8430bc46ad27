// Checkpoints of a pass: the states that the recurrence had on the way, and a pass goes on from them.
#include <gtest/gtest.h>

#include <algorithm>

#include "osdn/log_gamma.hpp"
#include "reference/tensor.hpp"
#include "tests/kernels/session.hpp"
#include "tests/kernels/slice.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Outputs;
using safetensors::Tensor;

/// Row `n` of the leading dimension, which stays.
Tensor row(const Tensor& tensor, std::int64_t n) {
  const auto bytes = static_cast<std::ptrdiff_t>(tensor.data.size() / static_cast<std::size_t>(tensor.shape[0]));
  Tensor out{tensor.dtype, tensor.shape, {}};
  out.shape[0] = 1;
  out.data.assign(tensor.data.begin() + n * bytes, tensor.data.begin() + (n + 1) * bytes);
  return out;
}

/// Sequence n of a case, alone: packed ones by their first token, others by their entry.
Case sequence_of(const Case& whole, std::int64_t n, std::int64_t begin, std::int64_t length) {
  Case out = whole;
  out.shape.b = 1;
  out.shape.n = 0;
  out.cu_seqlens.reset();
  if (whole.shape.n == 0) {
    for (Tensor Case::*tensor : {&Case::q, &Case::k, &Case::v, &Case::beta}) out.*tensor = row(whole.*tensor, n);
    if (whole.log_gamma && log_gamma_axes(whole.problem.apf).tokens) out.log_gamma = row(*whole.log_gamma, n);
    begin = 0;
  }
  if (whole.initial_state) out.initial_state = row(*whole.initial_state, n);
  if (whole.initial_d) out.initial_d = row(*whole.initial_d, n);
  return tokens(out, begin, begin + length);
}

struct CheckpointCase {
  const char* problem;
  const char* config;
  bool same_bits = true;  ///< as a pass that ends there; a cut one may have corrected d once more or less
};

void PrintTo(const CheckpointCase& c, std::ostream* out) {
  *out << c.problem << " | " << c.config;
}

class PassCheckpoints : public testing::TestWithParam<CheckpointCase> {
 protected:
  void SetUp() override {
    operation_.emplace(
        prepare(parse_problem(GetParam().problem).value_or_throw(), parse_config(GetParam().config).value_or_throw()));
  }
  int chunk() const { return operation_->config().chunk; }
  bool has_d() const { return operation_->problem().precondition != Precondition::none; }
  int segment() const { return operation_->config().cut == Cut::never ? chunk() : operation_->config().segment; }

  Case random_case(const Shape& shape, const std::vector<std::int64_t>& lengths = {}) const {
    reference::RandomOptions random;
    random.seed = input_seed() + 17;
    random.lengths = lengths;
    return reference::random_case(operation_->problem(), shape, {}, random).value_or_throw();
  }

  /// Every row against the float64 recurrence that ends there; those that none falls on untouched.
  void expect_right_states(const Case& problem, const std::vector<std::int64_t>& lengths, std::int64_t every) const {
    SCOPED_TRACE(to_string(problem.shape) + ", every " + std::to_string(every));
    Checkpoints kept{.every = every, .ds = has_d()};
    LaunchOptions options;
    options.checkpoints = &kept;
    const Outputs all = launch(*operation_, problem, options);
    expect_same_bits(all, launch(*operation_, problem));
    std::vector<bool> written(static_cast<std::size_t>(kept.state.shape[0]));
    std::int64_t begin = 0;
    for (std::size_t n = 0; n < lengths.size(); begin += lengths[n++]) {
      for (std::int64_t done = every; done <= lengths[n]; done += every) {
        const std::int64_t at = begin / every + done / every - 1;  // as arguments.hpp says
        ASSERT_FALSE(written.at(static_cast<std::size_t>(at)));
        written[static_cast<std::size_t>(at)] = true;
        const Case part = sequence_of(problem, static_cast<std::int64_t>(n), begin, done);
        Outputs there = launch(*operation_, part);
        const auto after = "after " + std::to_string(done) + " tokens of " + std::to_string(n);
        SCOPED_TRACE(after);
        if (GetParam().same_bits) expect_same_bits(row(kept.state, at), there.final_state, "state");
        if (GetParam().same_bits && has_d()) expect_same_bits(row(kept.d, at), *there.final_d, "d");
        there.final_state = row(kept.state, at);
        if (has_d()) there.final_d = row(kept.d, at);
        expect_right(part, there, States::in_and_out);
      }
    }
    for (std::size_t at = 0; at < written.size(); ++at) {
      if (written[at]) continue;
      const Tensor left = row(kept.state, static_cast<std::int64_t>(at));
      EXPECT_TRUE(std::all_of(left.data.begin(), left.data.end(), [](std::byte b) { return b == std::byte{0xFF}; }))
          << "row " << at << " was written";
    }
  }

  std::optional<PreparedOperation> operation_;
};

TEST_P(PassCheckpoints, AreTheStatesOnTheWay) {
  const std::int64_t t = segment() + 2 * chunk() + 7;
  const Case problem = random_case({.b = 2, .t = t, .h = 1, .hv = 2});
  expect_right_states(problem, {t, t}, chunk());
  expect_right_states(problem, {t, t}, 2 * std::int64_t{chunk()});
}

TEST_P(PassCheckpoints, OfPackedSequences) {
  const std::vector<std::int64_t> lengths = {chunk() - 3, segment() + chunk(), 0, 2 * chunk(), 5};
  std::int64_t t = 0;
  for (const std::int64_t length : lengths) t += length;
  expect_right_states(random_case({.b = 1, .t = t, .h = 1, .hv = 1, .n = 5}, lengths), lengths, chunk());
}

TEST_P(PassCheckpoints, APassGoesOnFromOne) {
  const std::int64_t t = segment() + 2 * chunk() + 5;
  const Case problem = random_case({.b = 1, .t = t, .h = 1, .hv = 1});
  Checkpoints kept{.every = chunk(), .ds = has_d()};
  LaunchOptions options;
  options.checkpoints = &kept;
  const Outputs whole = launch(*operation_, problem, options);
  const std::int64_t done = segment() + chunk();
  Case rest = tokens(problem, done, t);
  rest.initial_state = row(kept.state, done / chunk() - 1);
  if (has_d()) rest.initial_d = row(kept.d, done / chunk() - 1);
  Outputs out = launch(*operation_, rest);
  out.o = rows(whole.o, 0, t);
  const Outputs end = launch(*operation_, rest);
  std::copy(end.o.data.begin(), end.o.data.end(), out.o.data.end() - static_cast<std::ptrdiff_t>(end.o.data.size()));
  if (GetParam().same_bits) {
    expect_same_bits(out, whole);
  } else {
    expect_right(problem, out, States::in_and_out);
  }
}

TEST_P(PassCheckpoints, OfStatesAloneOrOfDAlone) {
  const Case problem = random_case({.b = 1, .t = 2 * chunk(), .h = 1, .hv = 1});
  Checkpoints both{.every = chunk(), .ds = has_d()};
  Checkpoints states{.every = chunk(), .ds = false};
  Checkpoints ds{.every = chunk(), .states = false, .ds = has_d()};
  for (Checkpoints* kept : {&both, &states, &ds}) {
    LaunchOptions options;
    options.checkpoints = kept;
    launch(*operation_, problem, options);
  }
  expect_same_bits(states.state, both.state, "state");
  if (has_d()) expect_same_bits(ds.d, both.d, "d");
}

TEST_P(PassCheckpoints, WithinAChunkAreRefused) {
  ForwardArguments a;
  const DeviceBuffer some = engine().allocate(1 << 20).value_or_throw();
  a.shape = {.b = 1, .t = 2 * chunk(), .h = 1, .hv = 1};
  a.q = a.k = a.v = a.beta = a.o = a.checkpoint_state = some.address();
  a.log_gamma = operation_->problem().apf == Apf::none ? 0 : some.address();
  a.checkpoint_every = chunk() + 8;
  const auto refused = operation_->launch(a);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("which are " + std::to_string(chunk()) + " tokens long"), std::string::npos)
      << refused.error().message;
}

#ifdef OSDN_TEST_HOPPER  // tests/hopper runs these tests, too
INSTANTIATE_TEST_SUITE_P(
    Hopper, PassCheckpoints,
    testing::Values(CheckpointCase{"osdn_forward:k=64,v=64,precondition=none", "schedule=hopper,warps=4,stages=2"},
                    CheckpointCase{"osdn_forward:k=64,v=64",
                                   "schedule=hopper_fused,preconditioner=chunked,warps=4,stages=2"},
                    CheckpointCase{"osdn_forward:k=64,v=128,apf=per_token",
                                   "schedule=hopper,warps=4,value_split=2,stages=2,cut=fixed,segment=128", false}));
#else
INSTANTIATE_TEST_SUITE_P(
    Kernels, PassCheckpoints,
    testing::Values(
        CheckpointCase{"osdn_forward:k=32,v=32,precondition=none", "chunk=16,warps=2,value_split=2"},
        CheckpointCase{"osdn_forward:k=32,v=48,apf=per_token", "chunk=32,warps=2,stages=2,preconditioner_warps=4"},
        CheckpointCase{"osdn_forward:type=fp32,k=32,v=16,apf=per_token,qk_l2norm=1",
                       "chunk=16,warps=1,preconditioner=serial,preconditioner_warps=1"},
        CheckpointCase{"osdn_forward:k=32,v=32,apf=per_token,type=fp16",
                       "chunk=32,warps=1,preconditioner=chunked,preconditioner_warps=8"},
        CheckpointCase{"osdn_forward:k=32,v=32,apf=per_token",
                       "chunk=16,warps=2,preconditioner_warps=2,cut=fixed,segment=64", false},
        CheckpointCase{"osdn_forward:k=32,v=32,precondition=none", "chunk=32,warps=1,cut=fixed,segment=64", false}));
#endif

}  // namespace
}  // namespace osdn::tests
