// What a launch refuses, and with what words.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>

#include "osdn/engine.hpp"
#include "runtime/engine_state.hpp"
#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

class Arguments : public ::testing::Test {
 protected:
  Arguments() : engine_(make(false)), careful_(make(true)) {}

  static Engine make(bool validate) {
    fresh_books();
    EngineOptions options = null_options();
    options.validate = validate;
    return Engine::create(options).value_or_throw();
  }

  static Problem problem(Apf apf = Apf::per_token) {
    Problem made;
    made.k = 32;
    made.v = 48;
    made.apf = apf;
    return made;
  }

  /// Right arguments in real buffers of the null driver, packed or not.
  ForwardArguments good(const PreparedOperation& operation, bool packed = false) {
    const Problem& p = operation.problem();
    ForwardArguments a;
    a.shape = packed ? Shape{1, 100, 1, 2, 3} : Shape{2, 50, 1, 2, 0};
    const std::size_t rows = 100;
    const std::size_t heads = a.shape.sequences() * 2;
    a.q = buffer(rows * p.k * 2);
    a.k = buffer(rows * p.k * 2);
    a.v = buffer(rows * 2 * p.v * 2);
    a.beta = buffer(rows * 2 * 4);
    if (p.apf == Apf::per_token) a.log_gamma = buffer(rows * 2 * 4);
    a.o = buffer(rows * 2 * p.v * 2);
    a.initial_state = buffer(heads * p.k * p.v * 4);
    if (p.precondition == Precondition::osdn) a.initial_d = buffer(heads * p.k * 4);
    a.final_state = a.initial_state;
    a.final_d = a.initial_d;
    if (packed) {
      a.cu_seqlens = buffer(4 * 8);
      set_boundaries<std::int64_t>(a, {0, 40, 40, 100});
    }
    a.workspace_bytes = operation.workspace_bytes(a.shape);
    a.workspace = buffer(a.workspace_bytes);
    return a;
  }

  DevicePointer buffer(std::size_t bytes) {
    if (bytes == 0) return 0;
    buffers_.push_back(engine_.allocate(bytes).value_or_throw());
    return buffers_.back().address();
  }

  template <class Index>
  void set_boundaries(const ForwardArguments& a, const std::vector<Index>& values) {
    for (const DeviceBuffer& one : buffers_) {
      if (one.address() != a.cu_seqlens) continue;
      std::vector<std::byte> bytes(one.bytes());
      std::memcpy(bytes.data(), values.data(), values.size() * sizeof(Index));
      one.upload(bytes.data()).value_or_throw();
    }
  }

  /// Changing good arguments like this is refused with a message that has all the parts; nothing is launched.
  void refuses(const PreparedOperation& operation, bool packed, const std::function<void(ForwardArguments&)>& change,
               const std::vector<std::string>& parts) {
    ForwardArguments a = good(operation, packed);
    null_driver::Books& books = fresh_books();
    const auto fine = operation.launch(a);
    EXPECT_TRUE(fine) << fine.error().message;
    EXPECT_EQ(books.launches.size(), operation.kernels().size());
    books.launches.clear();
    change(a);
    const auto refused = operation.launch(a);
    ASSERT_FALSE(refused) << parts[0];
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    for (const std::string& part : parts) {
      EXPECT_NE(refused.error().message.find(part), std::string::npos) << part << " in: " << refused.error().message;
    }
    EXPECT_TRUE(books.launches.empty());
  }

  Engine engine_;
  Engine careful_;
  std::vector<DeviceBuffer> buffers_;
};

using A = ForwardArguments;

TEST_F(Arguments, ThatAreWrongOnSight) {
  const PreparedOperation op = engine_.prepare(problem()).value_or_throw();
  refuses(op, false, [](A& a) { a.q = 0; }, {"q is null"});
  refuses(op, false, [](A& a) { a.k = 0; }, {"k is null"});
  refuses(op, false, [](A& a) { a.v = 0; }, {"v is null"});
  refuses(op, false, [](A& a) { a.beta = 0; }, {"beta is null"});
  refuses(op, false, [](A& a) { a.o = 0; }, {"o is null"});
  refuses(op, false, [](A& a) { a.log_gamma = 0; }, {"log_gamma is null"});
  refuses(op, false, [](A& a) { a.q += 8; }, {"q is at 0x", "16-byte aligned"});
  refuses(op, false, [](A& a) { a.o += 2; }, {"o is at 0x", "16-byte aligned"});
  refuses(op, false, [](A& a) { a.beta += 2; }, {"beta is at 0x", "4-byte aligned"});
  refuses(op, false, [](A& a) { a.final_d += 1; }, {"final_d is at 0x", "4-byte aligned"});
  refuses(op, false, [](A& a) { a.workspace += 16; }, {"workspace is at 0x", "256-byte aligned"});
  refuses(op, false, [](A& a) { a.workspace = 0; }, {"workspace is null"});
  refuses(op, false, [](A& a) { --a.workspace_bytes; }, {"workspace_bytes is ", "are needed"});
  refuses(op, false, [](A& a) { a.cu_seqlens = 4096; }, {"cu_seqlens is given, but shape.n is 0"});
  refuses(op, true, [](A& a) { a.cu_seqlens = 0; }, {"cu_seqlens is null", "[4] entries"});
  refuses(op, true, [](A& a) { a.cu_seqlens += 4; }, {"cu_seqlens is at 0x", "8-byte aligned"});
  refuses(op, false, [](A& a) { a.shape.hv = 3, a.shape.h = 2; }, {"hv", "3", "multiple"});
  refuses(op, false, [](A& a) { a.shape.t = -1; }, {"t", "-1"});
  refuses(op, false, [](A& a) { a.hyperparameters.eta = -1; }, {"eta", "-1"});
  refuses(op, false, [](A& a) { a.hyperparameters.d_min = 3; }, {"d_m"});
  refuses(op, false, [](A& a) { a.shape.b = 1 << 30, a.shape.t = 0; }, {"1073741824", "sequences"});
}

TEST_F(Arguments, ThatTheProblemHasNoUseFor) {
  const PreparedOperation plain = engine_.prepare(problem(Apf::none)).value_or_throw();
  refuses(plain, false, [](A& a) { a.log_gamma = 4096; }, {"log_gamma is given", "must be null"});
  Problem none = problem(Apf::none);
  none.precondition = Precondition::none;
  const PreparedOperation delta = engine_.prepare(none).value_or_throw();
  refuses(delta, false, [](A& a) { a.initial_d = 4096; }, {"initial_d is given", "must be null"});
}

TEST_F(Arguments, AtTheEdgeOfAGrid) {
  PreparedOperation op = engine_.prepare(problem(Apf::none)).value_or_throw();
  generator::Plan plan = op.state()->plan();
  plan.kernels[1].ctas_per_head = 1 << 20;
  op = engine_.state()->prepare_plan(plan).value_or_throw();
  refuses(op, false, [](A& a) { a.shape.b = 1 << 11, a.shape.hv = 1, a.shape.t = 0; }, {"2147483647", "1048576 CTAs"});
}

TEST_F(Arguments, OutsideOfDeviceMemory) {
  const PreparedOperation op = careful_.prepare(problem()).value_or_throw();
  refuses(op, false, [](A& a) { a.q = 0x10; }, {"q is 0x10", "no device memory"});
  refuses(op, false,
          [](A& a) {
            a.shape.b = 3;
            a.workspace_bytes *= 2;
          },
          {"q is 0x", "needs 9600 bytes", "its allocation ends after 6400"});
  refuses(op, false, [](A& a) { a.v += 16; }, {"v is 0x", "its allocation ends after 19184"});
}

TEST_F(Arguments, ThatOverlap) {
  const PreparedOperation op = careful_.prepare(problem()).value_or_throw();
  refuses(op, false, [](A& a) { a.o = a.v; }, {"v [0x", "and o [0x", "overlap, and o is written"});
  refuses(op, false,
          [](A& a) {
            a.final_d = a.initial_state;
            a.final_state = 0;
          },
          {"initial_state", "final_d", "overlap"});
  refuses(op, false, [](A& a) { a.final_d = a.o; }, {"o [0x", "final_d [0x"});
}

TEST_F(Arguments, CuSeqlensThatAreNoBoundaries) {
  const PreparedOperation op = careful_.prepare(problem()).value_or_throw();
  const auto with = [&](std::vector<std::int64_t> values, const std::vector<std::string>& parts) {
    refuses(
        op, true, [&](A& a) { set_boundaries(a, values); }, parts);
  };
  with({1, 40, 40, 100}, {"cu_seqlens[0] is 1", "must be 0"});
  with({0, 40, 39, 100}, {"cu_seqlens[2] is 39 after 40", "never decrease"});
  with({0, 40, 40, 99}, {"cu_seqlens[3] is 99", "shape.t, 100"});
  with({0, 40, -1, 100}, {"cu_seqlens[2] is -1"});
  refuses(op, true,
          [&](A& a) {
            a.cu_seqlens_type = IndexType::int32;
            set_boundaries<std::int32_t>(a, {0, 7, 3, 100});
          },
          {"cu_seqlens[2] is 3 after 7"});
}

TEST_F(Arguments, ReadingCuSeqlensIsLeftOutOfACapture) {
  const PreparedOperation op = careful_.prepare(problem()).value_or_throw();
  const ForwardArguments a = good(op, true);
  set_boundaries<std::int64_t>(a, {5, 4, 3, 2});
  null_driver::Books& books = fresh_books();
  books.capture_status = 1;
  EXPECT_TRUE(op.launch(a));
  for (const std::string& call : books.calls) {
    EXPECT_NE(call, "cuStreamSynchronize");
    EXPECT_NE(call, "cuMemcpyDtoH_v2");
  }
}

TEST_F(Arguments, EveryDriverErrorWhileCheckingIsTold) {
  const PreparedOperation op = careful_.prepare(problem()).value_or_throw();
  const ForwardArguments a = good(op, true);
  null_driver::Books& books = fresh_books();
  op.launch(a).value_or_throw();
  const std::vector<std::string> names = books.calls;
  for (int failing = 0; failing < static_cast<int>(names.size()); ++failing) {
    const std::string& name = names[static_cast<std::size_t>(failing)];
    // What is asked after a refusal is only for the message, and whether a capture runs is asked to be careful.
    if (name == "cuCtxPopCurrent_v2" || name == "cuStreamIsCapturing") continue;
    fresh_books();
    books.fail_at = failing;
    EXPECT_FALSE(op.launch(a)) << failing << " " << name;
  }
}

}  // namespace
}  // namespace osdn::runtime::testing
