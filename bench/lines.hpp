// Files of JSON lines that grow over several runs, some of which were ended in the middle of a line.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace osdn::bench {

/// A text of an object; empty where there is none.
inline std::string text_at(const nlohmann::json& record, const char* key) {
  const auto at = record.find(key);
  return at != record.end() && at->is_string() ? at->get<std::string>() : std::string();
}

/// The objects of `kind` in a file; what is no such object is left out.
inline std::vector<nlohmann::json> records_of(const std::string& path, const std::string& kind) {
  std::vector<nlohmann::json> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    auto record = nlohmann::json::parse(line, nullptr, false);
    if (record.is_object() && text_at(record, "kind") == kind) out.push_back(std::move(record));
  }
  return out;
}

/// Opens it for more lines. One that was cut short is ended, or it would take the next one with it.
inline std::ofstream append_to(const std::string& path) {
  std::ifstream before(path, std::ios::binary | std::ios::ate);
  bool cut_short = false;
  if (before && before.tellg() > 0) {
    before.seekg(-1, std::ios::end);
    cut_short = before.get() != '\n';
  }
  std::ofstream file(path, std::ios::app);
  if (cut_short) file << "\n" << std::flush;
  return file;
}

}  // namespace osdn::bench
