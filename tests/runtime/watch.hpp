// Counts what this thread does that a launch must not do: allocate, lock, look into the environment.
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

}  // namespace osdn::runtime::testing
