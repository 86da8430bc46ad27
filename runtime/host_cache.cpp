// The host's own store: asked first, believed only what the record proves.
#include <fmt/format.h>

#include <exception>
#include <utility>

#include "runtime/compiler.hpp"

namespace osdn::runtime {
namespace {

/// What a callback threw, in words; it must not throw, but no thread of ours ends for it.
template <class Call>
std::string guarded(Call&& call) {
  try {
    call();
    return {};
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

}  // namespace

std::optional<CompilerResult> Compiler::ask_host(const Identity& identity, const RefusedCode& refused) {
  if (!host_.load) return std::nullopt;
  std::optional<std::string> bytes;
  const std::string thrown = guarded([&] { bytes = host_.load(identity.key.hex()); });
  std::string problem;
  if (!thrown.empty()) {
    problem = "HostCache::load threw " + thrown;
  } else if (!bytes) {
    return std::nullopt;
  } else if (auto entry = decode_entry(*bytes); !entry) {
    problem = entry.error().message;
  } else if (entry->record != identity.record) {
    problem = "cache entry: it is of another kernel";
  } else if (refused.holds(entry->kernel)) {
    return std::nullopt;
  } else {
    host_hits_.fetch_add(1, std::memory_order_relaxed);
    return CompilerResult{std::move(entry->kernel), Origin::host, "the host's cache, key " + identity.key.hex()};
  }
  rejected_by_host_.fetch_add(1, std::memory_order_relaxed);
  if (!host_warned_.test_and_set()) {
    log_.warning(
        fmt::format("the host's cache, key {}: {}; the kernel is looked for elsewhere", identity.key.hex(), problem));
  }
  return std::nullopt;
}

void Compiler::tell_host(const Identity& identity, std::string_view entry, const CompiledKernel& kernel) {
  if (!host_.store) return;
  const std::string bytes = encode_entry(identity.record, entry, kernel);
  const std::string thrown = guarded([&] { host_.store(identity.key.hex(), bytes); });
  if (!thrown.empty() && !host_warned_.test_and_set()) log_.warning("HostCache::store threw " + thrown);
}

}  // namespace osdn::runtime
