// What no bit of a step may depend on, and that steps and the forward pass are one recurrence.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "reference/tensor.hpp"
#include "tests/decode/step.hpp"
#include "tests/kernels/slice.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Outputs;

constexpr const char* problems[] = {
    "osdn_decode:k=64,v=48,apf=per_token,qk_l2norm=1", "osdn_decode:k=32,v=32,type=fp32,apf=per_channel",
    "osdn_decode:k=128,v=32,precondition=none,type=fp16", "osdn_decode:k=48,v=32,state_type=bf16"};

/// `count` steps of `each` tokens, one after the other, of a case with b = 1.
Outputs steps(const PreparedOperation& op, const Case& whole, std::int64_t each) {
  Outputs all;
  Case rest = whole;
  for (std::int64_t at = 0; at < whole.shape.t; at += each) {
    Case part = part_of(whole, 0, at, std::min(at + each, whole.shape.t));
    part.initial_state = rest.initial_state;
    part.initial_d = rest.initial_d;
    const Outputs out = step(op, part);
    rest.initial_state = out.final_state;
    rest.initial_d = out.final_d;
    all.o.dtype = out.o.dtype;
    all.o.data.insert(all.o.data.end(), out.o.data.begin(), out.o.data.end());
    all.final_state = out.final_state;
    all.final_d = out.final_d;
  }
  all.o.shape = whole.v.shape;
  return all;
}

TEST(DecodeBits, AreThoseOfTheSameTokensOneByOne) {
  for (const char* text : problems) {
    SCOPED_TRACE(text);
    const PreparedOperation op = prepare_step(text);
    const Case whole = random_step(op, {.b = 1, .t = 21, .h = 1, .hv = 2}, 11);
    const Outputs at_once = step(op, whole);
    expect_right(whole, at_once, States::in_and_out);
    for (const std::int64_t each : {1, 5, 16}) {
      SCOPED_TRACE(each);
      const Outputs apart = steps(op, whole, each);
      if (op.problem().state_type == StateType::fp32) {
        expect_same_bits(at_once, apart);
        continue;
      }
      // Rounded to bf16 after every step: no better than that.
      const auto worst = [](const safetensors::Tensor& a, const safetensors::Tensor& b) {
        const std::vector<double> x = reference::to_doubles(a);
        const std::vector<double> y = reference::to_doubles(b);
        double error = 0;
        for (std::size_t i = 0; i < x.size(); ++i) error = std::max(error, std::abs(x[i] - y[i]));
        return error;
      };
      EXPECT_LT(worst(at_once.final_state, apart.final_state), 0.03);
      EXPECT_LT(worst(at_once.o, apart.o), 0.03);
      expect_same_bits(*at_once.final_d, *apart.final_d, "d, which is fp32 always");
    }
  }
}

TEST(DecodeBits, DoNotDependOnBatchOrSlots) {
  for (const char* text : problems) {
    SCOPED_TRACE(text);
    const PreparedOperation op = prepare_step(text);
    const Case batch = random_step(op, {.b = 4, .t = 3, .h = 1, .hv = 2}, 12);
    reference::ServingOptions serving;
    serving.seed = input_seed();
    const Outputs together = step(op, batch, serving);
    serving.seed += 1;
    serving.in_place = false;
    serving.padding = 0;
    set_emulator_seed(input_seed());
    expect_same_bits(together, step(op, batch, serving));
    for (std::int64_t n = 0; n < batch.shape.b; ++n) {
      const Case alone = part_of(batch, n, 0, batch.shape.t);
      const Outputs out = step(op, alone);
      const auto share = [&](const safetensors::Tensor& all, const safetensors::Tensor& one, const char* what) {
        const auto begin = all.data.begin() + n * static_cast<std::ptrdiff_t>(one.data.size());
        EXPECT_TRUE(std::equal(one.data.begin(), one.data.end(), begin)) << what << " of sequence " << n;
      };
      share(together.o, out.o, "o");
      share(together.final_state, out.final_state, "state");
      if (out.final_d) share(*together.final_d, *out.final_d, "d");
    }
  }
}

TEST(DecodeBits, DoNotDependOnTheConfiguration) {
  const std::string text = "osdn_decode:k=32,v=96,apf=per_token";
  const Case problem = random_step(prepare_step(text), {.b = 2, .t = 19, .h = 1, .hv = 1}, 13);
  const Outputs usual = step(prepare_step(text), problem);
  for (const char* config : {"warps=1", "warps=2", "warps=4"}) {
    SCOPED_TRACE(config);
    expect_same_bits(usual, step(prepare_step(text, config), problem));
  }
  const std::string plain = "osdn_decode:k=32,v=96,precondition=none";
  const Case delta = random_step(prepare_step(plain), {.b = 2, .t = 5, .h = 1, .hv = 1}, 14);
  const Outputs whole = step(prepare_step(plain, "warps=2"), delta);
  for (const char* config : {"warps=1,value_split=6", "warps=2,value_split=3"}) {
    SCOPED_TRACE(config);
    expect_same_bits(whole, step(prepare_step(plain, config), delta));
  }
}

/// The same case in the forward pass's name.
Case as_pass(const Case& problem) {
  Case out = problem;
  out.problem.operation = Operation::osdn_forward;
  out.problem = canonical(out.problem).value_or_throw();
  return out;
}

// A prefill that is cut and decoded on: within the tolerance of either of one long prefill.
TEST(DecodeStep, ContinuesTheForwardPass) {
  for (const char* text : {"osdn_decode:k=64,v=64,apf=per_token", "osdn_decode:k=32,v=48,type=fp16,norm=one",
                           "osdn_decode:k=64,v=32,precondition=none"}) {
    SCOPED_TRACE(text);
    const PreparedOperation decode = prepare_step(text);
    const Case whole = random_step(decode, {.b = 1, .t = 75, .h = 1, .hv = 2}, 15);
    const PreparedOperation forward = engine().prepare(as_pass(whole).problem).value_or_throw();
    constexpr std::int64_t at = 64;  // a multiple of the chunk, and not of the whole
    const Outputs prefill = launch(forward, as_pass(part_of(whole, 0, 0, at)));
    Case rest = part_of(whole, 0, at, whole.shape.t);
    rest.initial_state = prefill.final_state;
    if (rest.initial_d) rest.initial_d = prefill.final_d;
    Outputs out = steps(decode, rest, 4);
    out.o.data.insert(out.o.data.begin(), prefill.o.data.begin(), prefill.o.data.end());
    out.o.shape = whole.v.shape;
    expect_right(whole, out, States::in_and_out);
    // And against what the forward pass makes of the same tokens from the same state.
    const Outputs chunked = launch(forward, as_pass(rest));
    const Outputs stepped = step(decode, rest);
    const reference::Expected answers{reference::to_doubles(chunked.o), reference::to_doubles(chunked.final_state),
                                      reference::to_doubles(*chunked.final_d)};
    for (const auto& verdict : reference::judge(rest, answers, stepped)) {
      EXPECT_TRUE(verdict.passed) << verdict.tensor << ": " << verdict.error << " of " << verdict.tolerance;
    }
  }
}

}  // namespace
}  // namespace osdn::tests
