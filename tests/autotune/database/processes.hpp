// Processes for the tests of a database that many use.
#pragma once

#include <sys/types.h>

#include <functional>

namespace osdn::autotune::test {

/// Forks; the child runs `work` and ends with what it returns.
[[nodiscard]] pid_t in_child(const std::function<int()>& work);
/// Its exit code; 128 + signal when one ended it.
int wait_for(pid_t child);

/// Mounts a file system of memory there, of so many bytes, for this process alone; false: that is not allowed here.
[[nodiscard]] bool mount_memory(const char* folder, long bytes);

}  // namespace osdn::autotune::test
