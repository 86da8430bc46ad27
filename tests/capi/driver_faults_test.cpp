// Each driver call fails once, on the ways through the C interface.
#include <gtest/gtest.h>
#include <osdn/osdn.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "tests/capi/null_host.hpp"
#include "tests/runtime/every_call.hpp"

namespace osdn::capi::testing {
namespace {

using runtime::testing::Life;

/// A status and its message, as the C++ interface would tell them.
expected<void> told(osdn_status status) {
  if (status == OSDN_OK) return {};
  EXPECT_EQ(osdn_last_error_status(), status);
  return Error{status == OSDN_DRIVER ? ErrorCode::driver : ErrorCode::internal, osdn_last_error(), ""};
}

/// The engine of a life, an operation of it, and memory that the engine gives.
class Host {
 public:
  Host(const char* problem, const char* config) : problem_(problem), config_(config) { options_.validate = 1; }

  expected<void> prepare() {
    osdn_operation_destroy(operation_);
    operation_ = nullptr;
    return told(osdn_prepare_text(engine_, problem_, config_, &operation_));
  }
  expected<void> place(std::initializer_list<uint64_t*> tensors) {
    for (uint64_t* address : tensors) {
      if (auto done = told(osdn_allocate(engine_, room, address)); !done) return done;
    }
    return {};
  }
  /// There and back again.
  expected<void> copy(const std::vector<std::int64_t>& values, uint64_t to) {
    std::vector<std::int64_t> back(values.size());
    const std::size_t bytes = values.size() * sizeof(std::int64_t);
    if (auto done = told(osdn_upload(engine_, to, values.data(), bytes)); !done) return done;
    if (auto done = told(osdn_download(engine_, back.data(), to, bytes)); !done) return done;
    EXPECT_EQ(back, values);
    return {};
  }
  expected<void> pass() {
    osdn_forward_arguments a;
    EXPECT_EQ(osdn_forward_arguments_init(&a, sizeof(a)), OSDN_OK);
    a.t = 130;
    a.n = 2;
    a.workspace_bytes = room;
    if (auto done = place({&a.q, &a.k, &a.v, &a.beta, &a.o, &a.workspace, &a.cu_seqlens}); !done) return done;
    if (auto done = copy({0, 66, 130}, a.cu_seqlens); !done) return done;
    if (auto done = told(osdn_launch_forward(operation_, &a, nullptr)); !done) return done;
    return told(osdn_synchronize(engine_, nullptr));
  }
  expected<void> step() {
    osdn_decode_arguments a;
    EXPECT_EQ(osdn_decode_arguments_init(&a, sizeof(a)), OSDN_OK);
    a.b = 3;
    if (auto done = place({&a.q, &a.k, &a.v, &a.beta, &a.o, &a.state, &a.d}); !done) return done;
    if (auto done = told(osdn_launch_decode(operation_, &a, nullptr)); !done) return done;
    return told(osdn_synchronize(engine_, nullptr));
  }

  void fails_at_every_call(expected<void> (Host::*launch)(), const std::vector<std::string>& reached) {
    const Life life{.begin =
                        [this] {
                          const osdn_status status = osdn_engine_create(&options_, &engine_);
                          EXPECT_EQ(engine_ == nullptr, status != OSDN_OK);
                          return told(status);
                        },
                    .work = [this, launch]() -> expected<void> {
                      if (auto done = prepare(); !done) return done;
                      return (this->*launch)();
                    },
                    .end =
                        [this] {
                          osdn_operation_destroy(operation_);
                          osdn_engine_destroy(engine_);
                          operation_ = nullptr;
                          engine_ = nullptr;
                        }};
    runtime::testing::survives_an_error_of_every_call(life, reached);
  }

 private:
  static constexpr uint64_t room = 1 << 22;
  const char* problem_;
  const char* config_;
  osdn_engine_options options_ = null_options();
  osdn_engine* engine_ = nullptr;
  osdn_operation* operation_ = nullptr;
};

TEST(CapiDriverFaults, APass) {
  Host("osdn_forward:k=64,v=64", nullptr)
      .fails_at_every_call(&Host::pass, {"cuInit", "cuModuleLoadDataEx", "cuMemAlloc_v2", "cuMemcpyHtoD_v2",
                                         "cuMemcpyDtoH_v2", "cuPointerGetAttribute", "cuLaunchKernel",
                                         "cuStreamSynchronize", "cuModuleUnload", "cuMemFree_v2"});
}

TEST(CapiDriverFaults, APassThatIsCut) {
  Host("osdn_forward:k=64,v=64", "chunk=64,warps=4,cut=fixed,segment=64")
      .fails_at_every_call(&Host::pass, {"cuLaunchKernel"});
}

TEST(CapiDriverFaults, ADecodingStep) {
  Host("osdn_decode:k=64,v=64", nullptr)
      .fails_at_every_call(&Host::step, {"cuLaunchKernel", "cuMemGetAddressRange_v2"});
}

}  // namespace
}  // namespace osdn::capi::testing
