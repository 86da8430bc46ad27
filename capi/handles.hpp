// What the opaque handles hold.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "capi/guard.hpp"
#include "osdn/engine.hpp"
#include "osdn/tuner.hpp"

namespace osdn::capi {

/// Begins every handle: one of another kind, or one that was destroyed and not overwritten yet, is refused in words.
enum class Kind : std::uint64_t {
  destroyed = 0,
  engine = 0x6f73646e'656e6731,
  operation = 0x6f73646e'6f707231,
  tuner = 0x6f73646e'746e7231,
};

expected<void> check_handle(const char* name, const void* handle, Kind found, Kind wanted);

/// What an engine's handle shares with the operations that it handed out.
struct Books {
  DeviceDescription device{};
  std::atomic<std::uint64_t> prepared{0};
};

}  // namespace osdn::capi

struct osdn_engine {
  osdn::capi::Kind kind = osdn::capi::Kind::engine;
  osdn::Engine engine;
  std::shared_ptr<osdn::capi::Books> books{};
  std::mutex mutex{};
  std::map<std::uint64_t, osdn::DeviceBuffer> buffers{};  ///< guarded by mutex; by address
};

struct osdn_operation {
  osdn::capi::Kind kind = osdn::capi::Kind::operation;
  osdn::PreparedOperation operation;
  std::shared_ptr<const osdn::capi::Books> books{};
  std::shared_ptr<const osdn::TuningProvenance> provenance{};
  mutable std::once_flag described{};
  mutable std::string problem{};        ///< once described
  mutable std::string configuration{};  ///< likewise
};

struct osdn_tuner {
  osdn::capi::Kind kind = osdn::capi::Kind::tuner;
  osdn::Tuner tuner;
  std::shared_ptr<osdn::capi::Books> books{};
};

namespace osdn::capi {

template <class Handle>
expected<void> check(const char* name, const Handle* handle, Kind wanted) {
  return check_handle(name, handle, handle == nullptr ? Kind::destroyed : handle->kind, wanted);
}
inline expected<void> check(const osdn_engine* engine) {
  return check("engine", engine, Kind::engine);
}
inline expected<void> check(const osdn_operation* operation) {
  return check("operation", operation, Kind::operation);
}
inline expected<void> check(const osdn_tuner* tuner) {
  return check("tuner", tuner, Kind::tuner);
}

inline expected<void> check_out(const char* name, const void* out) {
  if (out != nullptr) return {};
  return invalid(std::string(name) + " is NULL: there is nowhere to put the result");
}

template <class Handle>
void destroy(Handle* handle, Kind kind) noexcept {
  if (handle == nullptr || handle->kind != kind) return;
  handle->kind = Kind::destroyed;
  delete handle;
}

/// A new handle for what was prepared.
expected<void> hand_out(PreparedOperation operation, std::shared_ptr<const TuningProvenance> provenance,
                        const std::shared_ptr<Books>& books, osdn_operation** out);

}  // namespace osdn::capi
