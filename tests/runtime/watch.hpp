// Counts what this thread does that a launch must not do: allocate, lock, look into the environment. And lets it run
// out of memory.
#pragma once

namespace osdn::runtime::testing {

class Watch {
 public:
  struct Counts {
    long allocations = 0;
    long locks = 0;
    long environment = 0;
  };
  Watch();
  /// Since the Watch was made.
  [[nodiscard]] Counts counts() const;

 private:
  Counts begin_;
};

/// Fails one allocation of this thread by `new`, counted from 0 from here on.
void fail_allocation(long at);
/// No more, if it has not come to that.
void fail_no_allocation();
/// Whether it came to that.
[[nodiscard]] bool allocation_failed();

}  // namespace osdn::runtime::testing
