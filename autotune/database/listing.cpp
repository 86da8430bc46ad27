#include "autotune/database/listing.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "autotune/database/entries.hpp"
#include "autotune/database/key_file.hpp"
#include "autotune/database/record.hpp"
#include "runtime/folder.hpp"

namespace osdn::autotune {

namespace fs = std::filesystem;

std::vector<std::string> key_files(const std::string& directory, const Problem* problem) {
  std::vector<std::string> out;
  const std::string wanted = problem == nullptr ? std::string() : problem_folder(*problem);
  for (const fs::path& gpu : runtime::entries_of(fmt::format("{}/v{}", directory, record_format))) {
    const std::vector<fs::path> problems = problem == nullptr ? runtime::entries_of(gpu) : std::vector{gpu / wanted};
    for (const fs::path& folder : problems) {
      for (const fs::path& file : runtime::entries_of(folder)) {
        if (file.extension() == ".jsonl") out.push_back(file.string());
      }
    }
  }
  return out;
}

std::optional<Key> key_of_file(const std::string& directory, const std::string& path) {
  const auto own = [&](const std::string& text) -> std::optional<Key> {
    for (const Key& key : named_keys(text)) {
      if (key_path(directory, key) == path) return key;
    }
    return std::nullopt;
  };
  const auto beginning = read_file(path, first_line_bytes);
  if (!beginning) return std::nullopt;
  if (const auto key = own(*beginning); key || beginning->size() < first_line_bytes) return key;
  const auto text = read_file(path);
  return text ? own(*text) : std::nullopt;
}

}  // namespace osdn::autotune
