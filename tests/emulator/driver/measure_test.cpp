// The entries that measure launches.
#include "api.hpp"
#include "kernels.hpp"

namespace driver_test {
namespace {

class MeasureTest : public DriverTest {
 protected:
  void TearDown() override {
    driver.set_measure(0, 0);
    driver.reset_statistics();
    DriverTest::TearDown();
  }
  void scale() {
    const CUdeviceptr memory = allocate(400);
    EXPECT_OK(driver.cuMemsetD32_v2(memory, 1, 100));
    unsigned factor = 3, count = 100;
    CUdeviceptr values = memory;
    void* parameters[] = {&values, &factor, &count};
    EXPECT_OK(driver.cuLaunchKernel(function(kKernels, "scale"), 4, 1, 1, 32, 1, 1, 0, nullptr, parameters, nullptr));
    EXPECT_OK(driver.cuCtxSynchronize());
    EXPECT_EQ(read<unsigned>(memory, 100), std::vector<unsigned>(100, 4));
  }
  [[nodiscard]] std::string profile(const char* kernel, int lines) const {
    std::string text(driver.profile_json(kernel, lines, nullptr, 0), '\0');
    driver.profile_json(kernel, lines, text.data(), text.size() + 1);
    return text;
  }
  [[nodiscard]] std::string trace() const {
    std::string text(driver.trace_json(nullptr, 0), '\0');
    driver.trace_json(text.data(), text.size() + 1);
    return text;
  }
  static bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
};

TEST_F(MeasureTest, NothingIsMeasuredUnlessAsked) {
  scale();
  EXPECT_EQ(profile(nullptr, 1), R"({"kernels": {}})");
  EXPECT_FALSE(has(trace(), "\"ph\""));
}

TEST_F(MeasureTest, LaunchesAddUpUntilReset) {
  driver.set_measure(1, 0);
  scale();
  scale();
  const std::string short_one = profile("scale", 0);
  EXPECT_TRUE(has(short_one, R"("launches": 2)")) << short_one;
  // 100 values of 4 bytes in 13 sectors, of warps of 32, 32, 32 and 4 lanes: 4 + 4 + 4 + 1, read and written, twice.
  EXPECT_TRUE(has(short_one, R"("global_sectors": 52)")) << short_one;
  EXPECT_TRUE(has(short_one, R"("global_load_bytes": 800)")) << short_one;
  EXPECT_TRUE(has(short_one, R"("modelled_as": "sm_)")) << short_one;
  EXPECT_FALSE(has(short_one, "instructions\": [")) << short_one;
  EXPECT_TRUE(has(profile(nullptr, 1), "ld.global.u32")) << "the text of a PTX line";
  EXPECT_EQ(profile("nobody", 1), R"({"kernels": {}})");
  EXPECT_FALSE(has(trace(), "\"ph\""));
  driver.reset_statistics();
  EXPECT_EQ(profile(nullptr, 0), R"({"kernels": {}})");
}

TEST_F(MeasureTest, ATraceHasTheFirstBlocks) {
  driver.set_measure(1, 2);
  scale();
  const std::string text = trace();
  EXPECT_TRUE(has(text, "scale, launch 1, block 0 (modelled time)")) << text;
  EXPECT_TRUE(has(text, "block 1 ("));
  EXPECT_FALSE(has(text, "block 2 ("));
}

TEST_F(MeasureTest, RegistersCanBeTold) {
  driver.set_measure(1, 0);
  scale();
  EXPECT_TRUE(has(profile(nullptr, 0), R"("registers_estimated": true)"));
  driver.reset_statistics();
  driver.set_registers("scale", 200);
  scale();
  EXPECT_TRUE(has(profile(nullptr, 0), R"("registers": 200, "registers_estimated": false)"));
  driver.set_registers("scale", 0);
}

}  // namespace
}  // namespace driver_test
