// Prototypes of the exported entries. The one list of them is entries.def.
#pragma once

#include "driver/abi.hpp"

#define OSDN_EMULATOR_ENTRY extern "C" __attribute__((visibility("default")))

namespace emulator {

using namespace abi;  // NOLINT: the entries are written with the names of the driver's interface

#define ENTRY(symbol, plain, version, parameters) OSDN_EMULATOR_ENTRY CUresult symbol parameters;
#include "driver/entries.def"
#undef ENTRY

}  // namespace emulator
