// One maker per key: whoever asks first makes the value, whoever asks meanwhile waits for it.
#pragma once

#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "osdn/error.hpp"

namespace osdn::runtime {

/// Values that were made stay; a failure goes to those who waited for it and is forgotten, so that the next who asks
/// tries again.
template <class Key, class Value>
class SingleFlight {
 public:
  using Result = expected<std::shared_ptr<const Value>>;

  struct Answer {
    Result result;
    bool made = false;  ///< by this very call
  };

  /// `make()` returns a Result. It runs outside the lock.
  template <class Make>
  Answer get(const Key& key, Make&& make) {
    std::promise<Result> promise;
    std::shared_future<Result> future;
    bool mine = false;
    {
      const std::lock_guard lock(mutex_);
      auto [at, inserted] = flights_.try_emplace(key);
      if (inserted) at->second = promise.get_future().share();
      future = at->second;
      mine = inserted;
    }
    if (!mine) return {future.get(), false};
    Result result = guarded(make);
    if (!result) {
      const std::lock_guard lock(mutex_);
      flights_.erase(key);
    }
    promise.set_value(result);
    return {std::move(result), true};
  }

 private:
  /// Waiters must hear of an exception, too.
  template <class Make>
  static Result guarded(Make&& make) {
    try {
      return make();
    } catch (const std::bad_alloc&) {
      return Error{ErrorCode::out_of_memory, "host memory is exhausted", ""};
    } catch (const std::exception& error) {
      return Error{ErrorCode::internal, error.what(), ""};
    }
  }

  std::mutex mutex_;
  std::map<Key, std::shared_future<Result>> flights_;
};

}  // namespace osdn::runtime
