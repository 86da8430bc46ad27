// Fuzz target: whatever a pack says of its kernels, it is read or refused, and what is read can be planned or is an
// error of the kinds that a wrong problem or configuration has. The first byte says whether JSON is made of the rest:
// then every field of one item is a text of the fuzzer's, so that it need not find out what JSON is.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cli/pack_work.hpp"

namespace {

using namespace osdn;

void require(bool holds) {
  if (!holds) std::abort();
}

/// problem, arch, config, why: a line each.
std::string manifest_of(std::string_view lines) {
  cli::Json item = cli::Json::object();
  for (const char* field : {"problem", "arch", "config", "why"}) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    item[field] = std::string(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  item["kernels"] = cli::Json::array({std::string(lines)});
  const cli::Json all = {{"version", "0"}, {"items", cli::Json::array({item})}};
  return all.dump(-1, ' ', false, cli::Json::error_handler_t::replace);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto manifest = cli::read_manifest(data[0] % 2 == 0 ? std::string(rest) : manifest_of(rest));
  if (!manifest) {
    require(manifest.error().code != ErrorCode::internal && !manifest.error().message.empty());
    return 0;
  }
  for (const cli::Manifest::Item& one : manifest->items) {
    const auto kernels = cli::pack_kernels(one.item);
    if (kernels) {
      require(!kernels->empty());
      continue;
    }
    require(kernels.error().code != ErrorCode::internal && !kernels.error().message.empty());
  }
  return 0;
}
