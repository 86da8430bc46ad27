// Errors: one type for the whole library, returned in an `expected`, with a throwing convenience form.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include "osdn/export.h"

namespace osdn {

enum class ErrorCode {
  invalid_argument,   ///< an argument, option or file field has a value outside what is allowed
  unsupported,        ///< legal, but this library, build or architecture does not do it
  constraint,         ///< a Config breaks a constraint of the device or of the kernels; the message has the numbers
  library_not_found,  ///< no CUDA driver or NVRTC could be loaded; the message names every place tried
  no_device,          ///< a driver, but no device to use
  compile_failed,     ///< NVRTC refused the source; the context carries log, options and numbered source
  driver,             ///< the CUDA driver returned an error; the message has its name
  out_of_memory,      ///< host or device memory is exhausted
  io,                 ///< a file could not be read or written
  corrupt,            ///< a file's content is not what its format allows
  not_prepared,       ///< nothing is at hand and it may not be made now (a stream is capturing); prepare it before
  internal,           ///< a defect of this library
};

/// The code's name as written above, for messages and JSON.
[[nodiscard]] constexpr const char* name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::constraint:
      return "constraint";
    case ErrorCode::library_not_found:
      return "library_not_found";
    case ErrorCode::no_device:
      return "no_device";
    case ErrorCode::compile_failed:
      return "compile_failed";
    case ErrorCode::driver:
      return "driver";
    case ErrorCode::out_of_memory:
      return "out_of_memory";
    case ErrorCode::io:
      return "io";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::not_prepared:
      return "not_prepared";
    case ErrorCode::internal:
      return "internal";
  }
  return "unknown";
}

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  ///< one line: what is wrong, what it was, what is allowed, what to do
  std::string context;  ///< further lines (compile log, places tried …); may be empty
};

/// Thrown by expected::value_or_throw and nothing else.
class OSDN_API Exception : public std::runtime_error {
 public:
  explicit Exception(Error error) : std::runtime_error(error.message), error_(std::move(error)) {}
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_;
};

/// A value or the Error that kept it from being made.
template <class T>
class [[nodiscard]] expected {
 public:
  expected(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  expected(Error error) : held_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const { return held_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  /// Precondition: has_value().
  [[nodiscard]] T& operator*() & { return *std::get_if<0>(&held_); }
  [[nodiscard]] const T& operator*() const& { return *std::get_if<0>(&held_); }
  [[nodiscard]] T&& operator*() && { return std::move(*std::get_if<0>(&held_)); }
  [[nodiscard]] T* operator->() { return std::get_if<0>(&held_); }
  [[nodiscard]] const T* operator->() const { return std::get_if<0>(&held_); }

  /// Precondition: !has_value().
  [[nodiscard]] const Error& error() const& { return *std::get_if<1>(&held_); }
  [[nodiscard]] Error&& error() && { return std::move(*std::get_if<1>(&held_)); }

  [[nodiscard]] T value_or_throw() && {
    if (!has_value()) throw Exception(std::move(*this).error());
    return std::move(*std::get_if<0>(&held_));
  }

 private:
  std::variant<T, Error> held_;
};

/// Success or an Error.
template <>
class [[nodiscard]] expected<void> {
 public:
  expected() = default;
  expected(Error error) : error_(std::move(error)), failed_(true) {}

  [[nodiscard]] bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] const Error& error() const& { return error_; }
  [[nodiscard]] Error&& error() && { return std::move(error_); }
  void value_or_throw() && {
    if (failed_) throw Exception(std::move(error_));
  }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace osdn
