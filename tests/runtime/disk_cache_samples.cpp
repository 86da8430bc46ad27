#include "disk_cache_samples.hpp"

namespace osdn::runtime::testing {

Sample sample(int number, std::size_t bytes) {
  CompileInput input;
  input.source = "source " + std::to_string(number);
  input.arch = "sm_80";
  Sample made;
  made.record = cache_record(input, 13000);
  made.key = cache_key(made.record);
  made.kernel.ptx = "ptx";
  made.kernel.cubin = std::string(bytes, static_cast<char>(number));
  made.kernel.arch = "sm_80";
  return made;
}

DiskCacheOptions options(const std::string& directory, Messages& messages) {
  DiskCacheOptions made;
  made.directory = directory;
  made.log = Log(messages.callback());
  return made;
}

void store(DiskCache& cache, const Sample& one) {
  cache.store(one.key, one.record, "entry", one.kernel);
}

bool holds(DiskCache& cache, const Sample& one) {
  const auto found = cache.load(one.key, one.record);
  return found && found->cubin == one.kernel.cubin;
}

}  // namespace osdn::runtime::testing
