#include "reference/element.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace osdn::reference {
namespace {

TEST(Element, EveryBf16AndFp16SurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto stored = static_cast<std::uint16_t>(bits);
    if (std::isnan(from_bf16(stored)))
      EXPECT_TRUE(std::isnan(from_bf16(to_bf16(from_bf16(stored))))) << bits;
    else
      EXPECT_EQ(to_bf16(from_bf16(stored)), stored) << bits;
    if (std::isnan(from_fp16(stored)))
      EXPECT_TRUE(std::isnan(from_fp16(to_fp16(from_fp16(stored))))) << bits;
    else
      EXPECT_EQ(to_fp16(from_fp16(stored)), stored) << bits;
  }
}

/// Halfway between neighbours goes to the even one, a hair off halfway to the nearer one: for every finite positive
/// pair of neighbours.
template <class To, class From>
void check_halfway(std::uint16_t infinity, To to, From from) {
  for (std::uint16_t low = 0; low < infinity - 1; ++low) {
    const auto high = static_cast<std::uint16_t>(low + 1);
    const auto half = static_cast<float>((static_cast<double>(from(low)) + static_cast<double>(from(high))) / 2);
    const std::uint16_t even = (low & 1) == 0 ? low : high;
    ASSERT_EQ(to(half), even) << low;
    ASSERT_EQ(to(-half), even | 0x8000) << low;
    ASSERT_EQ(to(std::nextafter(half, 0.0F)), low) << low;
    ASSERT_EQ(to(std::nextafter(half, std::numeric_limits<float>::infinity())), high) << low;
  }
}

TEST(Element, RoundsToNearestEven) {
  check_halfway(0x7C00, to_fp16, from_fp16);
  check_halfway(0x7F80, to_bf16, from_bf16);
}

TEST(Element, KnownValues) {
  EXPECT_EQ(to_fp16(1.0F), 0x3C00);
  EXPECT_EQ(to_fp16(65504.0F), 0x7BFF);
  EXPECT_EQ(to_fp16(65519.996F), 0x7BFF);
  EXPECT_EQ(to_fp16(65520.0F), 0x7C00);
  EXPECT_EQ(to_fp16(0x1p-24F), 0x0001);
  EXPECT_EQ(to_fp16(0x1p-25F), 0x0000);
  EXPECT_EQ(to_fp16(-0.0F), 0x8000);
  EXPECT_EQ(to_bf16(1.0F), 0x3F80);
  EXPECT_EQ(to_bf16(3.3895314e38F), 0x7F7F);
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::infinity()), 0x7F80);
  EXPECT_TRUE(std::isnan(from_bf16(to_bf16(std::bit_cast<float>(0x7F800001U)))));
  EXPECT_TRUE(std::isnan(from_fp16(to_fp16(std::bit_cast<float>(0xFF800001U)))));
}

}  // namespace
}  // namespace osdn::reference
