// Kernels for the tests of the compile cache on disk.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "runtime/disk_cache.hpp"
#include "support.hpp"

namespace osdn::runtime::testing {

struct Sample {
  std::string record;
  CacheKey key;
  CompiledKernel kernel;
};

/// One of any number of kernels, with machine code of this size.
[[nodiscard]] Sample sample(int number, std::size_t bytes = 1000);

[[nodiscard]] DiskCacheOptions options(const std::string& directory, Messages& messages);

void store(DiskCache& cache, const Sample& one);
[[nodiscard]] bool holds(DiskCache& cache, const Sample& one);

/// Runs `work` in a child process; its exit status.
template <class Work>
int in_child(Work work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace osdn::runtime::testing
