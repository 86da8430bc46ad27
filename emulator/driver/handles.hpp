// Handle tables: a program's opaque handle is a number that is looked up, never a pointer that is followed, so a stale
// or wrong handle is an error instead of a crash.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace emulator {

enum class HandleKind : std::uint64_t {
  context = 1,
  module,
  function,
  library,
  kernel,
  stream,
  event,
  graph,
  graph_node,
  graph_exec,
  memory_pool,
};

/// Object has a member `Handle handle`. Handles are never reused, and none is an address that could be dereferenced.
template <class Handle, class Object, HandleKind kind>
class Handles {
 public:
  Handle insert(std::shared_ptr<Object> object) {
    const std::unique_lock lock(mutex_);
    const std::uint64_t value = kNotCanonical | static_cast<std::uint64_t>(kind) << 40 | ++serial_ << 4;
    const auto handle = reinterpret_cast<Handle>(value);  // NOLINT(performance-no-int-to-ptr)
    object->handle = handle;
    objects_.emplace(value, std::move(object));
    return handle;
  }

  /// Puts an object behind a handle that was given out before.
  void restore(Handle handle, std::shared_ptr<Object> object) {
    const std::unique_lock lock(mutex_);
    object->handle = handle;
    objects_[key(handle)] = std::move(object);
  }

  /// Null when the handle is not of this table or was removed.
  [[nodiscard]] std::shared_ptr<Object> find(Handle handle) const {
    const std::shared_lock lock(mutex_);
    const auto at = objects_.find(key(handle));
    return at == objects_.end() ? nullptr : at->second;
  }

  /// True for a handle that this table gave out, also when it was removed since.
  [[nodiscard]] bool issued(Handle handle) const {
    const std::uint64_t first = kNotCanonical | static_cast<std::uint64_t>(kind) << 40;
    const std::shared_lock lock(mutex_);
    return key(handle) > first && key(handle) <= (first | serial_ << 4) && key(handle) % 16 == 0;
  }

  /// Takes the object out; null when there is none.
  std::shared_ptr<Object> remove(Handle handle) {
    const std::unique_lock lock(mutex_);
    const auto at = objects_.find(key(handle));
    if (at == objects_.end()) return nullptr;
    auto object = std::move(at->second);
    objects_.erase(at);
    return object;
  }

  /// Takes out every object for which `condition` holds; they are destroyed without the table's lock.
  template <class Condition>
  void remove_if(Condition condition) {
    std::vector<std::shared_ptr<Object>> removed;
    const std::unique_lock lock(mutex_);
    for (auto at = objects_.begin(); at != objects_.end();) {
      if (!condition(*at->second)) {
        ++at;
        continue;
      }
      removed.push_back(std::move(at->second));
      at = objects_.erase(at);
    }
  }

  [[nodiscard]] std::vector<std::shared_ptr<Object>> all() const {
    const std::shared_lock lock(mutex_);
    std::vector<std::shared_ptr<Object>> objects;
    objects.reserve(objects_.size());
    for (const auto& [value, object] : objects_) objects.push_back(object);
    return objects;
  }

 private:
  static constexpr std::uint64_t kNotCanonical = 0xE500'0000'0000'0000;
  static std::uint64_t key(Handle handle) { return reinterpret_cast<std::uint64_t>(handle); }

  mutable std::shared_mutex mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Object>> objects_;
  std::uint64_t serial_ = 0;
};

}  // namespace emulator
