// A sequence can be cut and continued: with the same bits at a multiple of the chunk, within tolerance elsewhere.
#include <gtest/gtest.h>

#include "tests/kernels/session.hpp"
#include "tests/kernels/slice.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Outputs;

struct CutCase {
  const char* problem;
  const char* config;
  reference::Numbers numbers;
};

void PrintTo(const CutCase& c, std::ostream* out) {
  *out << c.problem << " | " << c.config;
}

reference::Numbers binding() {
  reference::Numbers n;
  n.eta = 0.5;
  n.d_min = 0.9;
  n.d_max = 1.05;
  n.anchor = 1.0;
  return n;
}

class Cut : public testing::TestWithParam<CutCase> {
 protected:
  void SetUp() override {
    const Problem problem = parse_problem(GetParam().problem).value_or_throw();
    operation_.emplace(prepare(problem, parse_config(GetParam().config).value_or_throw()));
    const int chunk = operation_->config().chunk;
    reference::RandomOptions random;
    random.seed = input_seed();
    whole_ =
        reference::random_case(problem, Shape{.b = 1, .t = 4 * chunk + 5, .h = 1, .hv = 2}, GetParam().numbers, random)
            .value_or_throw();
    uncut_ = launch(*operation_, whole_);
  }

  // Runs [0, at) and then the rest from where that ended.
  Outputs run_cut(std::int64_t at) const {
    const Outputs first = launch(*operation_, tokens(whole_, 0, at));
    Case rest = tokens(whole_, at, whole_.shape.t);
    rest.initial_state = first.final_state;
    if (whole_.problem.precondition != Precondition::none) rest.initial_d = first.final_d;
    Outputs out = launch(*operation_, rest);
    out.o.data.insert(out.o.data.begin(), first.o.data.begin(), first.o.data.end());
    out.o.shape[1] = whole_.shape.t;
    return out;
  }

  std::optional<PreparedOperation> operation_;
  Case whole_;
  Outputs uncut_;
};

TEST_P(Cut, AtAMultipleOfTheChunkGivesTheSameBits) {
  const int chunk = operation_->config().chunk;
  expect_right(whole_, uncut_, States::in_and_out);
  for (const int chunks : {1, 2, 3, 4}) {
    SCOPED_TRACE("cut after " + std::to_string(chunks) + " chunks");
    expect_same_bits(run_cut(std::int64_t{chunk} * chunks), uncut_);
  }
}

TEST_P(Cut, ElsewhereStaysWithinTolerance) {
  const int chunk = operation_->config().chunk;
  for (const int at : {1, chunk - 1, chunk + 1, 2 * chunk + 5}) {
    SCOPED_TRACE("cut after " + std::to_string(at) + " tokens");
    expect_right(whole_, run_cut(at), States::in_and_out);
  }
}

#ifdef OSDN_TEST_HOPPER  // tests/hopper runs these tests, too
INSTANTIATE_TEST_SUITE_P(
    Hopper, Cut,
    testing::Values(CutCase{"osdn_forward:k=64,v=64,precondition=none", "schedule=hopper,warps=4,stages=2", {}},
                    CutCase{"osdn_forward:type=fp16,k=128,v=128,apf=per_token,qk_l2norm=1",
                            "schedule=hopper,warps=8,stages=2", binding()}));
#else
INSTANTIATE_TEST_SUITE_P(
    Kernels, Cut,
    testing::Values(
        CutCase{"osdn_forward:k=64,v=64,precondition=none", "chunk=64,warps=4", {}},
        CutCase{"osdn_forward:k=64,v=32,apf=per_token", "chunk=16,warps=2,stages=2,preconditioner_warps=4", {}},
        CutCase{"osdn_forward:k=96,v=32,apf=per_channel", "chunk=32,warps=2,preconditioner_warps=2", binding()},
        CutCase{"osdn_forward:type=fp32,k=32,v=32,apf=constant,norm=one,beta_aware=0",
                "chunk=32,warps=2,stages=3,preconditioner_warps=8", binding()},
        CutCase{"osdn_forward:type=fp32,math=tf32x3,k=48,v=16,apf=per_token",
                "chunk=64,warps=1,preconditioner=chunked",
                {}},
        CutCase{"osdn_forward:k=64,v=32,apf=constant,qk_l2norm=1",
                "chunk=32,warps=2,preconditioner=chunked,preconditioner_warps=8", binding()},
        CutCase{"osdn_forward:type=fp16,k=128,v=16,apf=none,qk_l2norm=1",
                "chunk=64,warps=4,preconditioner=serial,inverse=substitution",
                {}}));
#endif

}  // namespace
}  // namespace osdn::tests
