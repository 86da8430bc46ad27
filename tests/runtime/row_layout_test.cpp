// Strides of a launch's tensors: what 0 means, what is refused, and which tensors lie apart.
#include "runtime/row_layout.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace osdn::runtime::testing {
namespace {

Problem problem_of(ElementType type = ElementType::bf16) {
  Problem problem;
  problem.type = type;
  problem.k = 16;
  problem.v = 32;
  problem.apf = Apf::per_token;
  return problem;
}

ForwardArguments at(const Shape& shape) {
  ForwardArguments out;
  out.shape = shape;
  return out;
}

constexpr Shape small{.b = 2, .t = 5, .h = 3, .hv = 6};

TEST(RowLayout, ZeroIsDense) {
  const RowLayouts rows = row_layouts(problem_of(), at(small));
  EXPECT_EQ(rows.q.strides, (Strides{5 * 3 * 16, 3 * 16, 16}));
  EXPECT_EQ(rows.v.strides, (Strides{5 * 6 * 32, 6 * 32, 32}));
  EXPECT_EQ(rows.beta.strides, (Strides{5 * 6, 6, 1}));
  EXPECT_EQ(rows.log_gamma.strides, (Strides{5 * 6, 6, 1}));
  EXPECT_EQ(rows.o.span_bytes(), 2U * 5 * 6 * 32 * 2);
  EXPECT_TRUE(rows.o.is_dense());
}

TEST(RowLayout, ZeroIsDenseGivenTheOthers) {
  ForwardArguments a = at(small);
  a.q_strides = {.token = 3 * 3 * 16};            // [B,T,3,H,K]
  a.k_strides = {.token = 16, .head = 5 * 16};    // [B,H,T,K]
  a.v_strides = {.head = 40};                     // padded rows
  a.beta_strides = {.batch = 1, .token = 2 * 6};  // [T,B,HV] but for what is in between
  a.log_gamma_strides = {.token = 1, .head = 5};
  const RowLayouts rows = row_layouts(problem_of(), a);
  EXPECT_EQ(rows.q.strides, (Strides{5 * 9 * 16, 9 * 16, 16}));
  EXPECT_EQ(rows.q.span_bytes(), 2U * (9 * 9 * 16 + 3 * 16));
  EXPECT_EQ(rows.k.strides, (Strides{3 * 5 * 16, 16, 5 * 16}));
  EXPECT_EQ(rows.k.span_bytes(), 2U * 2 * 3 * 5 * 16);
  EXPECT_FALSE(rows.k.is_dense());
  EXPECT_EQ(rows.v.strides, (Strides{5 * 6 * 40, 6 * 40, 40}));
  EXPECT_EQ(rows.log_gamma.strides, (Strides{30, 1, 5}));
}

// A framework may give an axis of one any stride at all.
TEST(RowLayout, AxesOfOneHaveNoStride) {
  ForwardArguments a = at({.b = 1, .t = 1, .h = 1, .hv = 1});
  a.q_strides = a.o_strides = {.batch = -7, .token = 1, .head = 3};
  EXPECT_TRUE(check_strides(a, row_layouts(problem_of(), a)));
  EXPECT_TRUE(row_layouts(problem_of(), a).q.is_dense());
}

// A step of packed q, k and v, [B,1,3,H,K], is told the stride of its tokens like a pass is.
TEST(RowLayout, AnAxisOfOneStillSaysHowTheOthersLie) {
  ForwardArguments a = at({.b = 4, .t = 1, .h = 2, .hv = 2});
  a.q_strides = {.token = 3 * 2 * 16};
  EXPECT_EQ(row_layouts(problem_of(), a).q.strides, (Strides{3 * 2 * 16, 2 * 16, 16}));
}

TEST(RowLayout, RefusesInWords) {
  const auto refusal = [](const auto& change, ElementType type = ElementType::bf16) {
    ForwardArguments a = at(small);
    change(a);
    const auto checked = check_strides(a, row_layouts(problem_of(type), a));
    return checked ? std::string() : checked.error().message;
  };
  using A = ForwardArguments;
  EXPECT_EQ(refusal([](A& a) { a.q_strides.token = -48; }),
            "q_strides.token is -48; it must be 0 (dense) or the elements from one to the next");
  EXPECT_EQ(refusal([](A& a) { a.v_strides.head = 36; }),
            "v_strides.head is 36 elements; each row must be 16-byte aligned: a multiple of 8 is needed");
  EXPECT_EQ(refusal([](A& a) { a.v_strides.head = 36; }, ElementType::fp32), "");
  EXPECT_EQ(refusal([](A& a) { a.beta_strides.head = 7; }), "");
  EXPECT_EQ(refusal([](A& a) { a.o_strides.head = 24; }),
            "o_strides: rows that are 24 elements apart overlap what lies within 32: each is written");
  EXPECT_EQ(refusal([](A& a) { a.v_strides.head = 24; }), "") << "what is only read may overlap";
  EXPECT_EQ(refusal([](A& a) { a.k_strides.batch = std::int64_t{1} << 62; }),
            "k_strides reaches beyond 63 bits at this shape");
}

/// Every byte of every row.
std::multiset<std::int64_t> bytes_of(const RowLayout& rows, std::int64_t from) {
  std::multiset<std::int64_t> out;
  for (std::int64_t b = 0; b < rows.batch; ++b) {
    for (std::int64_t t = 0; t < rows.tokens; ++t) {
      for (std::int64_t h = 0; h < rows.heads; ++h) {
        const std::int64_t row = b * rows.strides.batch + t * rows.strides.token + h * rows.strides.head;
        for (std::int64_t i = 0; i < rows.row; ++i) out.insert(from + row + i);
      }
    }
  }
  return out;
}

class RowLayoutRandom : public ::testing::Test {
 protected:
  RowLayoutRandom() { std::cout << "seed " << seed_ << '\n'; }
  std::int64_t draw(std::int64_t low, std::int64_t high) { return std::uniform_int_distribution(low, high)(random_); }
  RowLayout layout(const Strides& strides) { return {draw(1, 3), draw(1, 4), draw(1, 3), draw(1, 4), 1, strides}; }
  const std::random_device::result_type seed_ = std::random_device{}();
  std::mt19937 random_{seed_};
};

// "Apart" is never said of tensors that share a byte, and is said of some that lie in each other's gaps.
TEST_F(RowLayoutRandom, ApartMeansNoByteInCommon) {
  int interleaved = 0;
  for (int i = 0; i < 4000; ++i) {
    const Strides strides{draw(1, 40), draw(1, 12), draw(1, 12)};
    const RowLayout first = layout(strides);
    const RowLayout second = layout(i % 4 == 0 ? Strides{draw(1, 40), draw(1, 12), draw(1, 12)} : strides);
    const std::int64_t between = draw(-60, 60);
    if (!are_apart(first, second, between)) continue;
    const auto a = bytes_of(first, 0);
    const auto b = bytes_of(second, between);
    for (const std::int64_t byte : a) ASSERT_FALSE(b.contains(byte)) << "byte " << byte << " of case " << i;
    if (*a.begin() < *b.rbegin() && *b.begin() < *a.rbegin()) ++interleaved;
  }
  EXPECT_GT(interleaved, 50);
}

TEST_F(RowLayoutRandom, RowsOfOThatAreTakenDoNotOverlap) {
  int taken = 0;
  for (int i = 0; i < 4000; ++i) {
    ForwardArguments a = at({.b = draw(1, 3), .t = draw(1, 4), .h = 1, .hv = draw(1, 3)});
    a.o_strides = {8 * draw(0, 40), 8 * draw(0, 16), 8 * draw(0, 16)};
    if (!check_strides(a, row_layouts(problem_of(), a))) continue;
    ++taken;
    const auto bytes = bytes_of(row_layouts(problem_of(), a).o, 0);
    ASSERT_EQ(bytes.size(), std::set<std::int64_t>(bytes.begin(), bytes.end()).size()) << "case " << i;
  }
  EXPECT_GT(taken, 500);
}

TEST(RowLayout, PackedTensorsLieApart) {
  // q, k, v and o side by side in [B,T,4,H,D], and head-major in [B,4,H,T,D].
  const RowLayout rows{2, 5, 3, 16, 2, {5 * 4 * 48, 4 * 48, 16}};
  const RowLayout head_major{2, 5, 3, 16, 2, {4 * 3 * 5 * 16, 16, 5 * 16}};
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) {
      EXPECT_EQ(are_apart(rows, rows, (j - i) * 48 * 2), i != j);
      EXPECT_EQ(are_apart(head_major, head_major, (j - i) * 3 * 5 * 16 * 2), i != j);
    }
  }
  EXPECT_FALSE(are_apart(rows, rows, 16));
  EXPECT_FALSE(are_apart(rows, rows, 3 * 48 * 2 + 16)) << "the next token";
}

}  // namespace
}  // namespace osdn::runtime::testing
