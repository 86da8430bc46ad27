// Engines, device memory and counters.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "capi/handles.hpp"
#include "capi/host.hpp"
#include "capi/structs.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::capi {
namespace {

osdn_engine_options default_options() {
  osdn_engine_options out{};
  out.struct_size = sizeof(out);
  out.disk_cache = 1;
  return out;
}

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

expected<EngineOptions> from_c(const osdn_engine_options* options) {
  EngineOptions out;
  if (options == nullptr) return out;
  const auto given = read("options", options, default_options());
  if (!given) return given.error();
  for (const auto& [name, value] : {std::pair("disk_cache", given->disk_cache), {"validate", given->validate}}) {
    if (value != 0 && value != 1) return invalid(fmt::format("options->{} was {}; allowed: 0 or 1", name, value));
  }
  if (given->compile_threads < 0) {
    return invalid(
        fmt::format("options->compile_threads was {}; allowed: 0 (one per core) or more", given->compile_threads));
  }
  out.device = given->device;
  out.disk_cache = given->disk_cache == 1;
  out.validate = given->validate == 1;
  out.compile_threads = given->compile_threads;
  out.driver_library = text_or_empty(given->driver_library);
  out.nvrtc_library = text_or_empty(given->nvrtc_library);
  out.cache_directory = text_or_empty(given->cache_directory);
  if (auto good = set_callbacks(*given, out); !good) return std::move(good).error();
  return out;
}

osdn_device to_c(const DeviceDescription& device) {
  osdn_device out{};
  out.struct_size = sizeof(out);
  out.name = device.name.c_str();
  out.pci_bus_id = device.pci_bus_id.c_str();
  out.driver_library = device.driver_library.c_str();
  out.nvrtc_library = device.nvrtc_library.c_str();
  out.emulated = device.emulated ? 1 : 0;
  out.ordinal = device.ordinal;
  out.arch = device.arch;
  out.multiprocessors = device.multiprocessors;
  out.driver_version = device.driver_version;
  out.nvrtc_version = device.nvrtc_version;
  out.memory_clock_mhz = device.memory_clock_mhz;
  out.shared_per_block = device.shared_per_block;
  out.memory_bytes = device.memory_bytes;
  out.l2_bytes = device.l2_bytes;
  return out;
}

osdn_counters counters_of(osdn_engine& engine) {
  const CacheStatistics cache = engine.engine.cache_statistics();
  osdn_counters out{};
  out.struct_size = sizeof(out);
  out.memory_hits = cache.memory_hits;
  out.disk_hits = cache.disk_hits;
  out.compilations = cache.misses;
  out.rejected = cache.rejected;
  out.write_failures = cache.write_failures;
  out.host_hits = cache.host_hits;
  out.pack_hits = cache.pack_hits;
  out.launches = engine.engine.launches();
  out.prepared = engine.books->prepared.load(std::memory_order_relaxed);
  const std::lock_guard lock(engine.mutex);
  for (const auto& [address, buffer] : engine.buffers) out.allocated_bytes += buffer.bytes();
  return out;
}

}  // namespace

expected<void> check_handle(const char* name, const void* handle, Kind found, Kind wanted) {
  if (handle == nullptr) return invalid(fmt::format("{} is NULL", name));
  if (found == wanted) return {};
  return invalid(fmt::format("{0} is not a handle of an osdn_{0}, or was destroyed", name));
}

}  // namespace osdn::capi

using namespace osdn;
using namespace osdn::capi;

osdn_status osdn_engine_options_init(osdn_engine_options* options, size_t struct_size) {
  return guarded([&] { return write("options", default_options(), options, struct_size); });
}

osdn_status osdn_engine_create(const osdn_engine_options* options, osdn_engine** engine) {
  return guarded([&]() -> expected<void> {
    if (auto good = check_out("engine", engine); !good) return good;
    *engine = nullptr;
    const auto given = from_c(options);
    if (!given) return given.error();
    auto made = Engine::create(*given);
    if (!made) return made.error();
    auto books = std::make_shared<Books>();
    books->device = made->device();
    *engine = new osdn_engine{.engine = *std::move(made), .books = std::move(books)};
    return {};
  });
}

void osdn_engine_destroy(osdn_engine* engine) {
  silently([&] { destroy(engine, Kind::engine); });
}

osdn_status osdn_engine_device(const osdn_engine* engine, osdn_device* device) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(engine); !good) return good;
    return write("device", to_c(engine->engine.device()), device);
  });
}

osdn_status osdn_engine_counters(osdn_engine* engine, osdn_counters* counters) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(engine); !good) return good;
    return write("counters", counters_of(*engine), counters);
  });
}

osdn_status osdn_allocate(osdn_engine* engine, uint64_t bytes, uint64_t* address) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(engine); !good) return good;
    if (auto good = check_out("address", address); !good) return good;
    *address = 0;
    if (bytes == 0) return invalid("bytes was 0; there is no memory of that size");
    auto buffer = engine->engine.allocate(bytes);
    if (!buffer) return buffer.error();
    const std::uint64_t at = buffer->address();
    const std::lock_guard lock(engine->mutex);
    engine->buffers.emplace(at, *std::move(buffer));
    *address = at;
    return {};
  });
}

osdn_status osdn_free(osdn_engine* engine, uint64_t address) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(engine); !good) return good;
    if (address == 0) return {};
    const std::lock_guard lock(engine->mutex);
    if (engine->buffers.erase(address) == 1) return {};
    return invalid(
        fmt::format("address 0x{:x} is none that osdn_allocate of this engine returned, or was freed", address));
  });
}

osdn_status osdn_upload(osdn_engine* engine, uint64_t to, const void* from, uint64_t bytes) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(engine); !good) return good;
    if (bytes == 0) return {};
    if (from == nullptr) return invalid("from is NULL");
    return engine->engine.state()->upload(to, from, bytes);
  });
}

osdn_status osdn_download(osdn_engine* engine, void* to, uint64_t from, uint64_t bytes) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(engine); !good) return good;
    if (bytes == 0) return {};
    if (to == nullptr) return invalid("to is NULL");
    return engine->engine.state()->download(to, from, bytes);
  });
}

osdn_status osdn_synchronize(osdn_engine* engine, void* stream) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(engine); !good) return good;
    return engine->engine.synchronize(stream);
  });
}
