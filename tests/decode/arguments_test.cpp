// What a step refuses, and in which words; and that its launch may be captured.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "runtime/engine_state.hpp"
#include "tests/decode/step.hpp"

namespace osdn::tests {
namespace {

using A = DecodeArguments;
using reference::Case;

std::vector<std::byte> bytes_of(const std::vector<std::int32_t>& slots) {
  std::vector<std::byte> out(slots.size() * sizeof(std::int32_t));
  std::memcpy(out.data(), slots.data(), out.size());
  return out;
}

class DecodeArgumentsTest : public testing::Test {
 protected:
  void refuses(const std::function<void(A&)>& change, const std::vector<std::string>& parts) {
    A a = put_step(memory_, problem_, batch_);
    change(a);
    const auto refused = operation_.launch(a);
    ASSERT_FALSE(refused) << parts[0];
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    for (const std::string& part : parts) {
      EXPECT_NE(refused.error().message.find(part), std::string::npos) << part << " in: " << refused.error().message;
    }
  }
  void takes(const std::function<void(A&)>& change) {
    A a = put_step(memory_, problem_, batch_);
    change(a);
    const auto done = operation_.launch(a);
    EXPECT_TRUE(done) << done.error().message;
    engine().synchronize().value_or_throw();
  }
  DevicePointer slots(const std::vector<std::int32_t>& values) { return memory_.put(bytes_of(values)); }

  PreparedOperation operation_ = prepare_step("osdn_decode:k=16,v=16,apf=per_token");
  Case problem_ = random_step(operation_, {.b = 3, .t = 2, .h = 1, .hv = 1}, 31);
  reference::ServingBatch batch_ = reference::serve(problem_, {.padding = 0, .spare_rows = 2});  // 5 rows
  OnDevice memory_;
};

TEST_F(DecodeArgumentsTest, ThatAreWrongOnSight) {
  refuses([](A& a) { a.q = 0; }, {"q is null"});
  refuses([](A& a) { a.o = 0; }, {"o is null"});
  refuses([](A& a) { a.log_gamma = 0; }, {"log_gamma is null"});
  refuses([](A& a) { a.state = 0; }, {"state is null", "output_state"});
  refuses([](A& a) { a.d = 0; }, {"d is null", "output_d"});
  refuses([](A& a) { a.state += 4; }, {"state is at 0x", "16-byte aligned"});
  refuses([](A& a) { a.slots = -1; }, {"slots is -1"});
  refuses([](A& a) { a.slots = 0; }, {"slots is 0", "number of rows"});
  refuses([](A& a) { a.slots = 2, a.state_slots = 0; }, {"slots is 2", "3 sequences"});
  refuses([](A& a) { a.checkpoint_every = -1; }, {"checkpoint_every is -1"});
  refuses([](A& a) { a.checkpoint_d = a.d; }, {"checkpoint_every is 0"});
  refuses([](A& a) { a.cu_seqlens = a.state_slots; }, {"cu_seqlens is given", "shape.n is 0"});
  refuses([](A& a) { a.shape.n = 3; }, {"b"});
}

TEST_F(DecodeArgumentsTest, ThatValidateModeFinds) {
  takes([](A&) {});
  takes([&](A& a) { a.state_slots = slots({0, -1, 4}); });
  takes([&](A& a) { a.state_slots = slots({-1, -7, -1}); });
  refuses([&](A& a) { a.state_slots = slots({0, 5, 1}); }, {"state_slots[1] is 5", "5 rows"});
  refuses([&](A& a) { a.state_slots = slots({2, 0, 2}); }, {"slot 2 is written by sequences 0 and 2"});
  // Several may read one row if they write others.
  takes([&](A& a) { a.state_slots = slots({2, 2, 2}), a.output_slots = slots({0, 1, 3}); });
  takes([&](A& a) { a.state_slots = slots({2, 2, 2}), a.output_slots = slots({2, -1, -1}), a.shape.b = 1; });
  refuses(
      [&](A& a) {
        a.state_slots = slots({2, 3, 4}), a.output_slots = slots({0, 1, 9});
      },
      {"output_slots[2] is 9", "5 rows"});
  refuses(
      [&](A& a) {
        a.state_slots = slots({2, 3, 4}), a.output_slots = slots({0, 1, 1});
      },
      {"slot 1 is written by sequences 1 and 2"});
  refuses(
      [&](A& a) {
        a.state_slots = slots({2, 3, 4}), a.output_slots = slots({0, 2, 1});
      },
      {"slot 2 is read by sequence 0 and written by sequence 1"});
  // In pools of their own the rows do not meet.
  takes([&](A& a) {
    a.state_slots = slots({2, 3, 4}), a.output_slots = slots({0, 2, 1});
    a.output_state = memory_.poisoned(batch_.state.data.size());
    a.output_d = memory_.poisoned(batch_.d->data.size());
  });
  takes([](A& a) { a.output_state = a.state, a.output_d = a.d; });  // in place, said twice
  refuses(
      [&](A& a) {
        a.state = memory_.poisoned(2 * batch_.state.data.size());
        a.output_state = a.state + 64;
      },
      {"overlap", "output_state"});
  refuses([](A& a) { a.slots = 6; }, {"state is 0x", "its allocation ends after"});
  refuses([](A& a) { a.checkpoint_every = 2, a.checkpoint_state = a.state; }, {"overlap", "checkpoint_state"});
}

TEST_F(DecodeArgumentsTest, OfTheOtherOperation) {
  const auto refused = operation_.launch(ForwardArguments{});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "the operation is osdn_decode; it is launched with DecodeArguments");
  const auto other = prepare(parse_problem("osdn_forward:k=16,v=16").value_or_throw(),
                             parse_config("chunk=16,warps=1").value_or_throw())
                         .launch(A{});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().message, "the operation is osdn_forward; it is launched with ForwardArguments");
}

TEST_F(DecodeArgumentsTest, OfDeltaNetHaveNoD) {
  const PreparedOperation plain = prepare_step("osdn_decode:k=16,v=16,precondition=none");
  const Case problem = random_step(plain, {.b = 1, .t = 1, .h = 1, .hv = 1}, 32);
  A a = put_step(memory_, problem, reference::serve(problem, {}));
  a.d = a.state;
  const auto refused = plain.launch(a);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("precondition=none has no d"), std::string::npos) << refused.error().message;
}

TEST_F(DecodeArgumentsTest, NoWorkspaceIsNeeded) {
  EXPECT_EQ(operation_.workspace_bytes(problem_.shape), 0U);
}

// A captured step runs when its graph does, once for each replay.
TEST_F(DecodeArgumentsTest, MayBeCaptured) {
  void* const library = dlopen(OSDN_EMULATOR_LIBRARY, RTLD_NOW);
  const auto call = [&]<class... Arguments>(const char* name, Arguments... arguments) {
    const auto entry = reinterpret_cast<int (*)(Arguments...)>(dlsym(library, name));
    ASSERT_NE(entry, nullptr) << name;
    ASSERT_EQ(entry(arguments...), 0) << name;
  };
  const runtime::ContextScope scope(engine().state()->device());
  void* stream = nullptr;
  void* graph = nullptr;
  void* executable = nullptr;
  A a = put_step(memory_, problem_, batch_);
  call("cuStreamCreate", &stream, 0U);
  call("cuStreamBeginCapture_v2", stream, 0U);
  const auto launched = operation_.launch(a, stream);
  EXPECT_TRUE(launched) << launched.error().message;
  call("cuStreamEndCapture", stream, &graph);
  call("cuGraphInstantiateWithFlags", &executable, graph, 0ULL);
  std::vector<std::byte> before = batch_.state.data;
  memory_.get(a.state, before);
  EXPECT_EQ(before, batch_.state.data) << "it ran while it was captured";
  call("cuGraphLaunch", executable, stream);
  call("cuStreamSynchronize", stream);
  expect_right(problem_, take_step(memory_, problem_, batch_, a).value_or_throw(), States::in_and_out);
  call("cuGraphExecDestroy", executable);
  call("cuGraphDestroy", graph);
  call("cuStreamDestroy_v2", stream);
}

}  // namespace
}  // namespace osdn::tests
