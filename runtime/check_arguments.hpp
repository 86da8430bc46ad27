// What is wrong with the arguments of a launch.
#pragma once

#include <string_view>

#include "osdn/arguments.hpp"
#include "osdn/error.hpp"
#include "runtime/call.hpp"
#include "runtime/device.hpp"

namespace osdn::runtime {

/// What can be seen without asking the driver: sizes, missing and superfluous pointers, alignment, workspace, grids.
/// Errors: invalid_argument naming the field, what it was and what is allowed.
expected<void> check_on_sight(const Call& call);
/// The step that the call was formed of (pass_of).
expected<void> check_on_sight(const Call& call, const DecodeArguments& step);

/// Arguments of another operation than the one that is launched.
[[nodiscard]] Error wrong_arguments(std::string_view operation, std::string_view takes);

/// What validate mode adds: every tensor lies in device memory, none that is written overlaps another, and cu_seqlens
/// (copied back after the stream's work; not while the stream is being captured) starts at 0, never decreases and ends
/// at T. Synchronises.
expected<void> check_thoroughly(const DeviceContext& device, const Call& call, cuda::Stream stream);

/// Likewise; and every slot lies in the pools, no row is written by two sequences, and none that is written is read by
/// another.
expected<void> check_thoroughly(const DeviceContext& device, const Call& call, const DecodeArguments& step,
                                cuda::Stream stream);

}  // namespace osdn::runtime
