// Every variant of the step kernel against float64, and what one sequence may not do to another.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "reference/tensor.hpp"
#include "tests/decode/step.hpp"
#include "tests/kernels/slice.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Keys;
using reference::Numbers;
using reference::Outputs;

struct Variant {
  const char* problem;
  const char* config = "";
  Shape shape{.b = 2, .t = 3, .h = 1, .hv = 2};
  bool in_place = true;
};

void PrintTo(const Variant& v, std::ostream* out) {
  *out << v.problem << " | " << v.config << " | " << to_string(v.shape);
}

Numbers usual(const Problem& problem) {
  Numbers numbers;
  if (problem.apf != Apf::none) numbers.anchor = 1.0;
  if (problem.apf == Apf::constant) numbers.log_gamma = -0.05;
  return numbers;
}

class Right : public testing::TestWithParam<Variant> {};

TEST_P(Right, AgainstFloat64) {
  const PreparedOperation op = prepare_step(GetParam().problem, GetParam().config);
  Numbers numbers = usual(op.problem());
  numbers.eta = 0.3;  // what d does within a launch shall be seen in o
  numbers.d_min = 0.25;
  numbers.d_max = 3.0;
  const Case problem = random_step(op, GetParam().shape, 1, numbers, Keys::scaled);
  reference::ServingOptions serving;
  serving.seed = input_seed();
  serving.in_place = GetParam().in_place;
  expect_right(problem, step(op, problem, serving), States::in_and_out);
}

// A step of eta = 0.5 between narrow bounds: d stands on them most of the time.
TEST_P(Right, WhereTheClipBinds) {
  const PreparedOperation op = prepare_step(GetParam().problem, GetParam().config);
  if (op.problem().precondition == Precondition::none) GTEST_SKIP() << "there is no d";
  Numbers numbers = usual(op.problem());
  numbers.eta = 0.5;
  numbers.d_min = 0.98;
  numbers.d_max = 1.01;
  const Case problem = random_step(op, GetParam().shape, 2, numbers);
  expect_right(problem, step(op, problem), States::in_and_out);
}

constexpr Shape one_token{.b = 3, .t = 1, .h = 2, .hv = 6};
constexpr Shape many_tokens{.b = 1, .t = 16, .h = 1, .hv = 3};
constexpr Shape beyond_a_block{.b = 1, .t = 37, .h = 1, .hv = 1};
constexpr Shape ragged{.b = 1, .t = 19, .h = 1, .hv = 2, .n = 5};

INSTANTIATE_TEST_SUITE_P(
    Decode, Right,
    testing::Values(
        Variant{"osdn_decode:k=128,v=128", "", one_token}, Variant{"osdn_decode:k=128,v=128", "", many_tokens},
        Variant{"osdn_decode:k=128,v=128,state_type=bf16", "", many_tokens, false},
        Variant{"osdn_decode:k=64,v=64,precondition=none", "warps=2,value_split=2", ragged},
        Variant{"osdn_decode:k=64,v=96,precondition=none,qk_l2norm=1,type=fp16", "warps=2,value_split=3", one_token},
        Variant{"osdn_decode:k=16,v=256,apf=constant,norm=add,state_type=bf16", "warps=2", ragged, false},
        Variant{"osdn_decode:k=256,v=16,apf=per_head,norm=one,type=fp16", "", many_tokens},
        Variant{"osdn_decode:k=256,v=256,apf=per_token,qk_l2norm=1", "", one_token, false},
        Variant{"osdn_decode:k=48,v=80,apf=per_channel,beta_aware=0,state_type=bf16", "warps=4", ragged},
        Variant{"osdn_decode:k=80,v=48,apf=per_channel,type=fp32,qk_l2norm=1", "warps=1", beyond_a_block},
        Variant{"osdn_decode:k=240,v=32,apf=per_token,type=fp32,norm=one", "warps=1", beyond_a_block, false},
        Variant{"osdn_decode:k=32,v=32,type=fp32,state_type=bf16,beta_aware=0", "warps=1", many_tokens},
        Variant{"osdn_decode:k=96,v=64,type=fp16,beta_type=element,apf=per_token,norm=add", "", ragged},
        Variant{"osdn_decode:k=112,v=16,beta_type=element,apf=per_head,state_type=bf16", "", many_tokens},
        Variant{"osdn_decode:k=16,v=16,type=fp32,apf=per_channel,norm=add", "", ragged}));

struct Extreme {
  const char* name;
  void (*make)(Case&);
};

void PrintTo(const Extreme& e, std::ostream* out) {
  *out << e.name;
}

class Extremes : public testing::TestWithParam<Extreme> {};

TEST_P(Extremes, StayRight) {
  for (const char* text : {"osdn_decode:k=64,v=32,apf=per_token", "osdn_decode:k=32,v=32,type=fp32,state_type=bf16",
                           "osdn_decode:k=48,v=16,type=fp16,precondition=none"}) {
    SCOPED_TRACE(text);
    const PreparedOperation op = prepare_step(text);
    Case problem = random_step(op, {.b = 2, .t = 16, .h = 1, .hv = 1}, 3, usual(op.problem()));
    GetParam().make(problem);
    expect_right(problem, step(op, problem), States::in_and_out);
  }
}

void repeat_keys(Case& problem) {
  const std::vector<double> keys = reference::to_doubles(problem.k);
  const std::int64_t width = problem.problem.k;
  problem.k = changed(problem.k, [&](std::int64_t i, double) { return keys[static_cast<std::size_t>(i % width)]; });
}

INSTANTIATE_TEST_SUITE_P(Decode, Extremes,
                         testing::Values(Extreme{"beta of one", [](Case& c) { c.beta = filled(c.beta, 1.0); }},
                                         Extreme{"beta of zero", [](Case& c) { c.beta = filled(c.beta, 0.0); }},
                                         Extreme{"zero keys", [](Case& c) { c.k = filled(c.k, 0.0); }},
                                         Extreme{"one and the same key", repeat_keys},
                                         Extreme{"the same key, beta of one, d at its upper bound",
                                                 [](Case& c) {
                                                   repeat_keys(c);
                                                   c.beta = filled(c.beta, 1.0);
                                                   if (c.initial_d) c.initial_d = filled(*c.initial_d, 2.0);
                                                 }},
                                         Extreme{"no states carried in", [](Case& c) {
                                                   c.initial_state.reset();
                                                   c.initial_d.reset();
                                                 }}));

// Without a pool to read, states begin as zeros and ones.
TEST(DecodeStep, BeginsWithoutAPool) {
  const PreparedOperation op = prepare_step("osdn_decode:k=32,v=32,state_type=bf16");
  Case problem = random_step(op, {.b = 2, .t = 2, .h = 1, .hv = 1}, 4);
  problem.initial_state.reset();
  problem.initial_d.reset();
  const reference::ServingBatch batch = reference::serve(problem, {});
  OnDevice memory;
  DecodeArguments a = put_step(memory, problem, batch);
  a.output_state = a.state;
  a.output_d = a.d;
  a.state = a.d = 0;
  op.launch(a).value_or_throw();
  engine().synchronize().value_or_throw();
  expect_right(problem, take_step(memory, problem, batch, a).value_or_throw(), States::in_and_out);
}

// NaNs in one sequence's inputs and state: the others keep their bits.
TEST(DecodeStep, KeepsANanToItsSequence) {
  for (const char* text : {"osdn_decode:k=64,v=48,apf=per_channel", "osdn_decode:k=32,v=32,state_type=bf16"}) {
    SCOPED_TRACE(text);
    const PreparedOperation op = prepare_step(text);
    const Case clean = random_step(op, {.b = 3, .t = 4, .h = 1, .hv = 2}, 5, usual(op.problem()));
    const auto poisoned = [](const safetensors::Tensor& tensor) {
      const std::int64_t third = tensor.elements() / 3;
      return changed(tensor, [=](std::int64_t i, double x) {
        return i / third == 1 ? std::numeric_limits<double>::quiet_NaN() : x;
      });
    };
    Case dirty = clean;
    dirty.k = poisoned(clean.k);
    dirty.v = poisoned(clean.v);
    dirty.initial_state = poisoned(*clean.initial_state);
    dirty.initial_d = poisoned(*clean.initial_d);
    const Outputs before = step(op, clean);
    const Outputs after = step(op, dirty);
    const auto compare = [](const safetensors::Tensor& a, const safetensors::Tensor& b, const char* what) {
      const std::vector<double> x = reference::to_doubles(a);
      const std::vector<double> y = reference::to_doubles(b);
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (i / (x.size() / 3) == 1) {
          ASSERT_TRUE(std::isnan(y[i])) << what << " of the poisoned sequence, " << i;
        } else {
          ASSERT_EQ(x[i], y[i]) << what << ", " << i;
        }
      }
    };
    compare(before.o, after.o, "o");
    compare(before.final_state, after.final_state, "state");
    compare(*before.final_d, *after.final_d, "d");
  }
}

// A sequence without tokens keeps its state, bit by bit; elsewhere it is copied.
TEST(DecodeStep, WithoutTokensKeepsOrCopiesTheState) {
  for (const char* text : {"osdn_decode:k=32,v=32", "osdn_decode:k=48,v=32,state_type=bf16"}) {
    const PreparedOperation op = prepare_step(text);
    const Case problem = random_step(op, {.b = 3, .t = 0, .h = 1, .hv = 2}, 6);
    for (const bool in_place : {true, false}) {
      reference::ServingOptions serving;
      serving.in_place = in_place;
      const Outputs out = step(op, problem, serving);
      expect_same_bits(out.final_state, *problem.initial_state, "state");
      expect_same_bits(*out.final_d, *problem.initial_d, "d");
    }
  }
}

// A negative output slot: o is answered, nothing is kept. What drafts that may be rejected want.
TEST(DecodeStep, KeepsNothingWhereTheOutputSlotIsNegative) {
  const PreparedOperation op = prepare_step("osdn_decode:k=32,v=32");
  const Case problem = random_step(op, {.b = 2, .t = 2, .h = 1, .hv = 1}, 7);
  const reference::ServingBatch batch = reference::serve(problem, {});
  OnDevice memory;
  DecodeArguments a = put_step(memory, problem, batch);
  a.output_slots = memory.put(std::vector<std::byte>(batch.state_slots.data.size(), std::byte{0xFF}));
  op.launch(a).value_or_throw();
  engine().synchronize().value_or_throw();
  safetensors::Tensor o = batch.v;
  safetensors::Tensor state = batch.state;
  safetensors::Tensor d = *batch.d;
  memory.get(a.o, o);
  memory.get(a.state, state);
  memory.get(a.d, d);
  ASSERT_TRUE(memory.result());
  expect_same_bits(state, batch.state, "the pool of states");
  expect_same_bits(d, *batch.d, "the pool of d");
  Outputs out = reference::to_outputs(problem, reference::solve(problem).value_or_throw());
  o.data.resize(out.o.data.size());
  out.o.data = o.data;
  expect_right(problem, out, States::in_and_out);
}

}  // namespace
}  // namespace osdn::tests
