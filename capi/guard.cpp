#include "capi/guard.hpp"

#include <fmt/format.h>

#include <string>

namespace osdn::capi {
namespace {

struct LastError {
  osdn_status status = OSDN_OK;
  const char* fixed = nullptr;  // instead of the message, where there was no memory for one
  std::string message;
  std::string context;
};

LastError& last() {
  thread_local LastError error;
  return error;
}

osdn_status keep_fixed(osdn_status status, const char* text) noexcept {
  LastError& error = last();
  error.status = status;
  error.fixed = text;
  error.message.clear();
  error.context.clear();
  return status;
}

}  // namespace

osdn_status keep(const Error& error) noexcept {
  const auto status = static_cast<osdn_status>(error.code) + 1;
  try {
    std::string message = error.message;
    std::string context = error.context;
    LastError& kept = last();
    kept.status = status;
    kept.fixed = nullptr;
    kept.message.swap(message);
    kept.context.swap(context);
    return status;
  } catch (...) {
    return keep_fixed(status, "there is no memory for the message of this error");
  }
}

osdn_status keep_out_of_memory() noexcept {
  return keep_fixed(OSDN_OUT_OF_MEMORY, "host memory is exhausted");
}

osdn_status keep_thrown(const char* what) noexcept {
  try {
    return keep({ErrorCode::internal,
                 fmt::format("an exception reached the C interface: {}; a host callback must not throw", what),
                 {}});
  } catch (...) {
    return keep_out_of_memory();
  }
}

Error invalid(std::string_view message) {
  return {ErrorCode::invalid_argument, std::string(message), {}};
}

}  // namespace osdn::capi

using osdn::capi::last;

const char* osdn_last_error(void) {
  return last().fixed != nullptr ? last().fixed : last().message.c_str();
}

const char* osdn_last_error_context(void) {
  return last().context.c_str();
}

osdn_status osdn_last_error_status(void) {
  return last().status;
}

void osdn_clear_error(void) {
  osdn::capi::keep_fixed(OSDN_OK, nullptr);
}

// Status n is the error code n - 1.
static_assert(static_cast<int>(osdn::ErrorCode::invalid_argument) + 1 == OSDN_INVALID_ARGUMENT);
static_assert(static_cast<int>(osdn::ErrorCode::unsupported) + 1 == OSDN_UNSUPPORTED);
static_assert(static_cast<int>(osdn::ErrorCode::constraint) + 1 == OSDN_CONSTRAINT);
static_assert(static_cast<int>(osdn::ErrorCode::library_not_found) + 1 == OSDN_LIBRARY_NOT_FOUND);
static_assert(static_cast<int>(osdn::ErrorCode::no_device) + 1 == OSDN_NO_DEVICE);
static_assert(static_cast<int>(osdn::ErrorCode::compile_failed) + 1 == OSDN_COMPILE_FAILED);
static_assert(static_cast<int>(osdn::ErrorCode::driver) + 1 == OSDN_DRIVER);
static_assert(static_cast<int>(osdn::ErrorCode::out_of_memory) + 1 == OSDN_OUT_OF_MEMORY);
static_assert(static_cast<int>(osdn::ErrorCode::io) + 1 == OSDN_IO);
static_assert(static_cast<int>(osdn::ErrorCode::corrupt) + 1 == OSDN_CORRUPT);
static_assert(static_cast<int>(osdn::ErrorCode::not_prepared) + 1 == OSDN_NOT_PREPARED);
static_assert(static_cast<int>(osdn::ErrorCode::internal) + 1 == OSDN_INTERNAL);

const char* osdn_status_name(osdn_status status) {
  switch (status) {
    case OSDN_OK:
      return "OSDN_OK";
    case OSDN_INVALID_ARGUMENT:
      return "OSDN_INVALID_ARGUMENT";
    case OSDN_UNSUPPORTED:
      return "OSDN_UNSUPPORTED";
    case OSDN_CONSTRAINT:
      return "OSDN_CONSTRAINT";
    case OSDN_LIBRARY_NOT_FOUND:
      return "OSDN_LIBRARY_NOT_FOUND";
    case OSDN_NO_DEVICE:
      return "OSDN_NO_DEVICE";
    case OSDN_COMPILE_FAILED:
      return "OSDN_COMPILE_FAILED";
    case OSDN_DRIVER:
      return "OSDN_DRIVER";
    case OSDN_OUT_OF_MEMORY:
      return "OSDN_OUT_OF_MEMORY";
    case OSDN_IO:
      return "OSDN_IO";
    case OSDN_CORRUPT:
      return "OSDN_CORRUPT";
    case OSDN_NOT_PREPARED:
      return "OSDN_NOT_PREPARED";
    case OSDN_INTERNAL:
      return "OSDN_INTERNAL";
    default:
      return "unknown status";
  }
}

int32_t osdn_version(void) {
  return OSDN_VERSION;
}

#define OSDN_TEXT_OF(x) #x
#define OSDN_TEXT(major, minor, patch) OSDN_TEXT_OF(major) "." OSDN_TEXT_OF(minor) "." OSDN_TEXT_OF(patch)
static_assert(std::string_view(OSDN_TEXT(OSDN_VERSION_MAJOR, OSDN_VERSION_MINOR, OSDN_VERSION_PATCH)) ==
                  OSDN_PROJECT_VERSION,
              "osdn.h and CMakeLists.txt disagree about the version");

const char* osdn_version_text(void) {
  return OSDN_PROJECT_VERSION;
}
