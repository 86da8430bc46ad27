// The host's callbacks as the C++ interface takes them.
#pragma once

#include "osdn/engine.hpp"
#include "osdn/osdn.h"

namespace osdn::capi {

/// Sets what the host gave; `given` may go afterwards. Errors: invalid_argument where halves of pairs are missing.
expected<void> set_callbacks(const osdn_engine_options& given, EngineOptions& options);

}  // namespace osdn::capi
