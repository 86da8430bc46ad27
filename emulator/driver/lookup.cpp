// Names: of errors, and of the entries themselves.
#include <array>
#include <cstring>
#include <string_view>

#include "driver/entry.hpp"

namespace emulator {
namespace {

struct ErrorText {
  CUresult code;
  const char* name;
  const char* text;
};

constexpr std::array kErrors{
#define ERROR(name, value, text) ErrorText{name, #name, text},
#include "driver/errors.def"
#undef ERROR
};

struct Entry {
  const char* symbol;
  const char* plain;
  int version;
  void* address;
};

const auto& entries() {
  static const std::array table{
#define ENTRY(symbol, plain, version, parameters) \
  Entry{#symbol, #plain, version, reinterpret_cast<void*>(static_cast<CUresult(*) parameters>(&symbol))},
#include "driver/entries.def"
#undef ENTRY
      // A name that came to mean a differently named entry.
      Entry{"cuGraphInstantiateWithFlags", "cuGraphInstantiate", 12000,
            reinterpret_cast<void*>(&cuGraphInstantiateWithFlags)},
  };
  return table;
}

const ErrorText* find_error(CUresult code) {
  for (const ErrorText& error : kErrors)
    if (error.code == code) return &error;
  return nullptr;
}

/// The newest entry of that plain name which is not newer than `version`.
CUdriverProcAddressQueryResult look_up(std::string_view plain, int version, void** address) {
  *address = nullptr;
  bool known = false;
  int best = -1;
  for (const Entry& each : entries()) {
    if (plain != each.plain) continue;
    known = true;
    if (each.version > version || each.version <= best) continue;
    best = each.version;
    *address = each.address;
  }
  if (*address != nullptr) return CU_GET_PROC_ADDRESS_SUCCESS;
  return known ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
}

CUresult describe_error(CUresult code, const char** out, const char* ErrorText::*member) {
  require(out != nullptr);
  const ErrorText* error = find_error(code);
  *out = error != nullptr ? error->*member : nullptr;
  return error != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace

CUresult cuGetErrorName(CUresult code, const char** name) {
  return entry([&] { return describe_error(code, name, &ErrorText::name); });
}

CUresult cuGetErrorString(CUresult code, const char** text) {
  return entry([&] { return describe_error(code, text, &ErrorText::text); });
}

CUresult cuGetProcAddress_v2(const char* symbol, void** address, int version, uint64_t flags,
                             CUdriverProcAddressQueryResult* status) {
  return entry([&] {
    require(symbol != nullptr && address != nullptr);
    require(flags <= CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
    // The per-thread variants of the entries are not there: saying so beats handing out the wrong default stream.
    require(flags != CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, CUDA_ERROR_NOT_SUPPORTED);
    const CUdriverProcAddressQueryResult result = look_up(symbol, version, address);
    if (status != nullptr) *status = result;
    // With a place for the status, a missing symbol is an answer and no error.
    return result == CU_GET_PROC_ADDRESS_SUCCESS || status != nullptr ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
  });
}

CUresult cuGetProcAddress(const char* symbol, void** address, int version, uint64_t flags) {
  return entry([&] {
    const CUresult result = cuGetProcAddress_v2(symbol, address, version, flags, nullptr);
    return result;
  });
}

}  // namespace emulator
