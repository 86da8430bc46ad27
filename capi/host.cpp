#include "capi/host.hpp"

#include <optional>
#include <string>

#include "capi/guard.hpp"

namespace osdn::capi {
namespace {

template <class Enum>
constexpr bool same(Enum ours, int theirs) {
  return static_cast<int>(ours) == theirs;
}
static_assert(same(LogLevel::debug, OSDN_LOG_DEBUG) && same(LogLevel::info, OSDN_LOG_INFO) &&
              same(LogLevel::warning, OSDN_LOG_WARNING));
using Kind = TraceEvent::Kind;
static_assert(same(Kind::compile, OSDN_TRACE_COMPILE) && same(Kind::find, OSDN_TRACE_FIND) &&
              same(Kind::load, OSDN_TRACE_LOAD) && same(Kind::prepare, OSDN_TRACE_PREPARE) &&
              same(Kind::choose, OSDN_TRACE_CHOOSE) && same(Kind::tune, OSDN_TRACE_TUNE));

LogCallback log_of(const osdn_engine_options& given) {
  if (given.log == nullptr) return {};
  return [log = given.log, user = given.user](LogLevel level, std::string_view text) {
    // A message is no reason to fail: it is said from destructors, too.
    silently([&] { log(user, static_cast<int32_t>(level), std::string(text).c_str()); });
  };
}

DeviceMemory memory_of(const osdn_engine_options& given) {
  if (given.allocate == nullptr) return {};
  return {.allocate = [allocate = given.allocate, user = given.user](std::size_t bytes) -> DevicePointer {
            std::uint64_t address = 0;
            return allocate(user, bytes, &address) == 0 ? address : 0;
          },
          .free = [free = given.free, user = given.user](DevicePointer address,
                                                         std::size_t bytes) { free(user, address, bytes); }};
}

TraceCallback trace_of(const osdn_engine_options& given) {
  if (given.trace == nullptr) return {};
  return [trace = given.trace, user = given.user](const TraceEvent& event) {
    const std::string subject(event.subject);
    const std::string detail(event.detail);
    const osdn_trace_event out{.struct_size = sizeof(osdn_trace_event),
                               .kind = static_cast<int32_t>(event.kind),
                               .failed = event.failed ? 1 : 0,
                               .seconds = event.seconds,
                               .subject = subject.c_str(),
                               .detail = detail.c_str()};
    trace(user, &out);
  };
}

/// Where cache_load puts what it has. Lack of memory is a miss.
void take_entry(void* sink, const void* data, std::size_t bytes) {
  silently([&] {
    static_cast<std::optional<std::string>*>(sink)->emplace(static_cast<const char*>(data),
                                                            data == nullptr ? 0 : bytes);
  });
}

HostCache cache_of(const osdn_engine_options& given) {
  HostCache out;
  if (given.cache_load != nullptr) {
    out.load = [load = given.cache_load, user = given.user](std::string_view key) {
      std::optional<std::string> entry;
      load(user, std::string(key).c_str(), &take_entry, &entry);
      return entry;
    };
  }
  if (given.cache_store != nullptr) {
    out.store = [store = given.cache_store, user = given.user](std::string_view key, std::string_view entry) {
      store(user, std::string(key).c_str(), entry.data(), entry.size());
    };
  }
  return out;
}

}  // namespace

expected<void> set_callbacks(const osdn_engine_options& given, EngineOptions& options) {
  if ((given.allocate == nullptr) != (given.free == nullptr)) {
    return invalid("options: give both allocate and free, or neither");
  }
  if (given.packs == nullptr && given.pack_count != 0)
    return invalid("options->packs is NULL, but pack_count is not 0");
  for (std::uint64_t i = 0; i < given.pack_count; ++i) {
    if (given.packs[i] == nullptr) return invalid("options->packs has a NULL");
    options.packs.emplace_back(given.packs[i]);
  }
  options.log = log_of(given);
  options.memory = memory_of(given);
  options.trace = trace_of(given);
  options.host_cache = cache_of(given);
  return {};
}

}  // namespace osdn::capi
