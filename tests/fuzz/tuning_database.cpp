// Fuzz target: whatever the bytes, they are read as an export and as a key's file; what is accepted can be written and
// read again without a change, and compaction changes nothing that counts. Each input is tried as it is and with the
// checksum of every line made right: past the checksum no mutation would get by itself.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "autotune/database/database.hpp"
#include "autotune/database/entries.hpp"
#include "autotune/database/exchange.hpp"
#include "autotune/database/key_file.hpp"
#include "autotune/database/line.hpp"

namespace {

using namespace osdn;
using namespace osdn::autotune;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Members of the first line's object behind the checksum, if it has one, else all of it.
std::string resealed(std::string_view text) {
  std::string out;
  each_line(text, [&out](std::string_view line, bool) {
    const std::size_t comma = line.find(',');
    if (line.starts_with("{\"checksum\"") && comma != std::string_view::npos)
      out += sealed(line.substr(comma));
    else
      out.append(line).append("\n");
  });
  return out;
}

Key some_key() {
  Key key;
  key.problem = *canonical(*parse_problem("osdn_forward:type=fp32,k=32,v=32"));
  key.bucket = {5, 11};
  key.gpu = {"NVIDIA H200", 132, 90, 3200, false};
  return key;
}

bool same(const Entry& a, const Entry& b) {
  return a.key == b.key && a.trials == b.trials && a.choice == b.choice && a.earlier == b.earlier && a.pin == b.pin;
}

/// What is written of it reads the same.
void check_export(std::string_view text) {
  const auto imported = import_text(text, "input");
  if (!imported) {
    require(imported.error().code == ErrorCode::corrupt && !imported.error().message.empty());
    return;
  }
  require(imported->damaged >= 0 && imported->foreign >= 0);
  if (imported->entries.empty()) return;
  const auto again = import_text(export_text(imported->entries), "again");
  require(again && again->damaged == 0 && again->entries.size() == imported->entries.size());
  for (std::size_t i = 0; i < again->entries.size(); ++i) require(same(again->entries[i], imported->entries[i]));
  (void)diff(imported->entries, again->entries);
}

/// The entry of this key is the same before and after compaction, and a second one finds nothing to do.
void check_compaction(std::string_view text) {
  const Key key = some_key();
  const std::string once = compacted(text, key);
  const auto entry_in = [&key](std::string_view bytes) {
    for (Entry& entry : read_contents(bytes, "", &key).entries) {
      if (entry.key == key) return entry;
    }
    Entry none;
    none.key = key;
    return none;
  };
  require(same(entry_in(text), entry_in(once)));
  require(read_contents(once, "", &key).damaged == 0);
  require(compacted(once, key) == once);
}

/// The same bytes as a file of a database.
void check_file(std::string_view text) {
  static const std::string directory = [] {
    std::string name = (std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp") + std::string("/osdn-fuzz-XXXXXX");
    return std::string(::mkdtemp(name.data()));
  }();
  static const Database database = [] {
    DatabaseOptions options;
    options.directory = directory;
    options.log = runtime::Log([](LogLevel, std::string_view) {});
    return *Database::open(options);
  }();
  static const std::string path = [] {
    require(database.append(some_key(), Pin{}).has_value());  // makes the folders
    std::atexit([] { std::filesystem::remove_all(directory); });
    return key_path(directory, some_key());
  }();
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  const Entry entry = database.load(some_key());
  require(entry.key == some_key());
  require(entry.lines >= static_cast<std::int64_t>(entry.trials.size()));
  require(database.keys().size() <= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const std::string& text : {std::string(bytes), resealed(bytes)}) {
    check_export(text);
    check_compaction(text);
    check_file(text);
  }
  return 0;
}
