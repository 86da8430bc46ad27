// The gate before a fake: the reference's answers, written by a subject that misbehaves as it is told.
#include "autotune/trial/gate.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>

#include "reference/judge.hpp"
#include "reference/tensor.hpp"
#include "tests/autotune/trial/support.hpp"

namespace osdn::autotune {
namespace {

using reference::Case;
using safetensors::DType;
using safetensors::Tensor;

/// Addresses are the host's own.
class HostMemory : public GateMemory {
 public:
  ~HostMemory() override { EXPECT_EQ(live_, 0); }
  expected<DevicePointer> allocate(std::size_t bytes) override {
    ++live_;
    return reinterpret_cast<DevicePointer>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  }
  void free(DevicePointer address) override {
    --live_;
    std::free(reinterpret_cast<void*>(address));
  }
  expected<void> upload(DevicePointer to, const void* from, std::size_t bytes) override {
    std::memcpy(reinterpret_cast<void*>(to), from, bytes);
    return {};
  }
  expected<void> download(void* to, DevicePointer from, std::size_t bytes) override {
    std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
    return {};
  }

 private:
  int live_ = 0;
};

Tensor read(DevicePointer from, DType type, std::vector<std::int64_t> shape) {
  Tensor out{type, std::move(shape), {}};
  out.data.resize(static_cast<std::size_t>(out.elements()) * size_of(type));
  std::memcpy(out.data.data(), reinterpret_cast<const void*>(from), out.data.size());
  return out;
}

void write(DevicePointer to, const Tensor& tensor) {
  if (to != 0) std::memcpy(reinterpret_cast<void*>(to), tensor.data.data(), tensor.data.size());
}

/// The case as a kernel sees it.
Case case_at(const ForwardArguments& a, const Problem& problem) {
  const Shape& s = a.shape;
  const DType element = reference::dtype_of(problem.type);
  const DType beta = problem.beta_type == BetaType::fp32 ? DType::f32 : element;
  Case out;
  out.problem = problem;
  out.shape = s;
  out.numbers = reference::to_double(a.hyperparameters);
  out.q = read(a.q, element, {s.b, s.t, s.h, problem.k});
  out.k = read(a.k, element, {s.b, s.t, s.h, problem.k});
  out.v = read(a.v, element, {s.b, s.t, s.hv, problem.v});
  out.beta = read(a.beta, beta, {s.b, s.t, s.hv});
  if (a.log_gamma != 0) out.log_gamma = read(a.log_gamma, DType::f32, {reference::log_gamma_elements(problem, s)});
  if (a.initial_state != 0) {
    out.initial_state = read(a.initial_state, DType::f32, {s.sequences(), s.hv, problem.k, problem.v});
  }
  if (a.initial_d != 0) out.initial_d = read(a.initial_d, DType::f32, {s.sequences(), s.hv, problem.k});
  if (a.cu_seqlens != 0) out.cu_seqlens = read(a.cu_seqlens, DType::i64, {s.n + 1});
  return out;
}

float* floats(DevicePointer address) {
  return reinterpret_cast<float*>(address);
}
std::byte* bytes(DevicePointer address) {
  return reinterpret_cast<std::byte*>(address);
}

class GateTest : public testing::Test {
 protected:
  static Problem problem() { return problem_of("osdn_forward:type=fp32,k=16,v=16,apf=per_token"); }
  static constexpr std::size_t workspace = 100;

  /// Runs of one candidate; `misbehave` sees the arguments behind the right answers, and which run of the case it is.
  Verdict verdict(const std::function<void(const ForwardArguments&, int run)>& misbehave) {
    std::map<DevicePointer, int> runs;  // by the case's first buffer
    GateSubject subject;
    subject.workspace_bytes = [](const Shape&) { return workspace; };
    subject.run = [&](const ForwardArguments& arguments) -> expected<void> {
      const Case given = case_at(arguments, problem());
      auto answers = reference::solve(given);
      if (!answers) return answers.error();
      const reference::Outputs outputs = reference::to_outputs(given, *answers);
      write(arguments.o, outputs.o);
      write(arguments.final_state, outputs.final_state);
      write(arguments.final_d, *outputs.final_d);
      misbehave(arguments, runs[arguments.q]++);
      return {};
    };
    auto out = gate_.check(subject);
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : Verdict{Outcome::died, out.error().message};
  }

  static void expect(const Verdict& verdict, Outcome outcome, const std::string& words) {
    EXPECT_EQ(verdict.outcome, outcome) << name(verdict.outcome) << ": " << verdict.reason;
    EXPECT_NE(verdict.reason.find(words), std::string::npos) << verdict.reason;
  }

  HostMemory memory_;
  Gate gate_{problem(), 1, memory_};
};

bool packed(const ForwardArguments& a) {
  return a.shape.packed();
}

TEST_F(GateTest, TheRightAnswersPass) {
  const Verdict right = verdict([](const ForwardArguments&, int) {});
  EXPECT_EQ(right.outcome, Outcome::passed) << right.reason;
}

TEST_F(GateTest, EveryGuardIsLookedAt) {
  using Place = DevicePointer ForwardArguments::*;
  const std::vector<std::pair<const char*, Place>> all = {{"q", &ForwardArguments::q},
                                                          {"k", &ForwardArguments::k},
                                                          {"v", &ForwardArguments::v},
                                                          {"beta", &ForwardArguments::beta},
                                                          {"log_gamma", &ForwardArguments::log_gamma},
                                                          {"initial_state", &ForwardArguments::initial_state},
                                                          {"initial_d", &ForwardArguments::initial_d},
                                                          {"cu_seqlens", &ForwardArguments::cu_seqlens},
                                                          {"o", &ForwardArguments::o},
                                                          {"final_state", &ForwardArguments::final_state},
                                                          {"final_d", &ForwardArguments::final_d},
                                                          {"the workspace", &ForwardArguments::workspace}};
  for (const auto& [tensor, place] : all) {
    const Place at = place;
    const Verdict before = verdict([at](const ForwardArguments& a, int) {
      if (packed(a)) bytes(a.*at)[-3] = std::byte{1};
    });
    expect(before, Outcome::out_of_bounds, std::string("wrote outside ") + tensor + ": 3 bytes before its beginning");
  }
  const Verdict behind = verdict([](const ForwardArguments& a, int) {
    if (!packed(a)) bytes(a.workspace)[workspace + 7] = std::byte{1};
  });
  expect(behind, Outcome::out_of_bounds, "wrote outside the workspace: 7 bytes behind its end (case: a batch");
  const Verdict far = verdict([](const ForwardArguments& a, int run) {
    const auto end = static_cast<std::size_t>(a.shape.b * a.shape.t * a.shape.hv) * 16;
    if (run == 1) floats(a.o)[end + 255] = 1.0F;  // only when it runs again
  });
  expect(far, Outcome::out_of_bounds, "wrote outside o: 1020 bytes behind its end");
}

TEST_F(GateTest, InputsStayAsTheyWere) {
  expect(verdict([](const ForwardArguments& a, int) { floats(a.k)[20] += 1.0F; }), Outcome::out_of_bounds,
         "wrote into its input k, byte 8");  // 80 to 83; the lower bytes of a float need not change
  expect(verdict([](const ForwardArguments& a, int) {
           if (a.cu_seqlens != 0) bytes(a.cu_seqlens)[8] ^= std::byte{1};
         }),
         Outcome::out_of_bounds, "wrote into its input cu_seqlens, byte 8");
}

TEST_F(GateTest, WhatIsNotFiniteOrNotWrittenIsNamed) {
  expect(verdict([](const ForwardArguments& a, int) { floats(a.o)[17] = INFINITY; }), Outcome::not_finite, "o[17]");
  expect(verdict([](const ForwardArguments& a, int) {
           if (a.final_d != 0) std::memset(floats(a.final_d) + 3, 0xFF, sizeof(float));  // as it is poisoned
         }),
         Outcome::not_finite, "final_d[3] is not finite or was not written");
}

TEST_F(GateTest, WhatIsWrongIsNamedWithItsErrorAndItsCase) {
  const auto off = [](const ForwardArguments& a, int) {
    if (a.final_d != 0) floats(a.final_d)[0] += 0.25F;
  };
  expect(verdict(off), Outcome::wrong, "final_d: max abs 0.25, at most 0.0001 is allowed (case: ragged tails)");
  expect(verdict([](const ForwardArguments& a, int) {
           for (int i = 0; i < 100; ++i) floats(a.o)[i] = 0.0F;
         }),
         Outcome::wrong, "o: relative RMS");
}

TEST_F(GateTest, OneBitThatDiffersIsSeen) {
  expect(verdict([](const ForwardArguments& a, int run) {
           if (a.final_state != 0 && run == 1) bytes(a.final_state)[4 * 9] ^= std::byte{1};
         }),
         Outcome::not_repeatable, "final_state[9] differed between two runs");
}

TEST_F(GateTest, ErrorsOfTheSubjectComeBack) {
  GateSubject subject;
  subject.workspace_bytes = [](const Shape&) { return std::size_t{0}; };
  subject.run = [](const ForwardArguments& arguments) -> expected<void> {
    EXPECT_EQ(arguments.workspace, 0U);  // none was asked for
    return Error{ErrorCode::driver, "made to fail", {}};
  };
  const auto out = gate_.check(subject);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().message, "made to fail");
}

// The cases must be such that a right answer rounded to the element type passes, whatever the problem.
TEST(GateCases, TakeTheReferencesRoundedAnswers) {
  for (const char* text :
       {"osdn_forward:type=bf16,k=32,v=64,apf=per_channel", "osdn_forward:type=fp16,k=16,v=16,precondition=none",
        "osdn_forward:type=bf16,k=48,v=16,apf=per_head,beta_type=element",
        "osdn_forward:type=fp32,k=16,v=32,apf=constant",
        "osdn_forward:type=fp32,k=16,v=16,math=tf32x3,norm=one,beta_aware=0"}) {
    const auto cases = gate_cases(problem_of(text), 7);
    ASSERT_TRUE(cases) << cases.error().message;
    const bool preconditioned = problem_of(text).precondition != Precondition::none;
    EXPECT_EQ(cases->size(), preconditioned ? 5U : 4U);
    for (const GateCase& one : *cases) {
      const auto outputs = reference::to_outputs(one.inputs, one.answers);
      EXPECT_TRUE(reference::all_passed(reference::judge(one.inputs, one.answers, outputs)))
          << text << ": " << one.name;
    }
  }
}

// What the names of the cases promise.
TEST(GateCases, ReachWhatTheyAreMadeFor) {
  const auto cases = gate_cases(problem_of("osdn_forward:type=bf16,k=32,v=32"), 3);
  ASSERT_TRUE(cases) << cases.error().message;
  bool clipped = false;
  bool hard = false;
  bool empty_sequence = false;
  for (const GateCase& one : *cases) {
    if (one.name == "d at its bounds") {
      for (const double d : one.answers.final_d)
        clipped |= d == one.inputs.numbers.d_min || d == one.inputs.numbers.d_max;
    }
    if (one.name == "beta = 1 with nearly equal keys") {
      hard = reference::keys_nearly_equal(one.inputs);
      for (const double beta : reference::to_doubles(one.inputs.beta)) EXPECT_EQ(beta, 1.0);
    }
    if (one.name == "ragged tails") {
      const auto starts = reference::to_integers(*one.inputs.cu_seqlens);
      for (std::size_t i = 1; i < starts.size(); ++i) empty_sequence |= starts[i] == starts[i - 1];
    }
  }
  EXPECT_TRUE(clipped);
  EXPECT_TRUE(hard);
  EXPECT_TRUE(empty_sequence);
}

}  // namespace
}  // namespace osdn::autotune
