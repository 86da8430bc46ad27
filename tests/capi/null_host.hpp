// What a host asks for that runs on the driver that only keeps books.
#pragma once

#include <gtest/gtest.h>
#include <osdn/osdn.h>

#include "tests/runtime/support.hpp"

namespace osdn::capi::testing {

inline osdn_engine_options null_options() {
  osdn_engine_options options;
  EXPECT_EQ(osdn_engine_options_init(&options, sizeof(options)), OSDN_OK);
  options.driver_library = OSDN_NULL_DRIVER;
  options.nvrtc_library = OSDN_FAKE_NVRTC;
  options.disk_cache = 0;
  return options;
}

}  // namespace osdn::capi::testing
