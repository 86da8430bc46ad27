#include "autotune/database/exchange.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "autotune/database/entries.hpp"
#include "autotune/database/key_file.hpp"
#include "autotune/database/record.hpp"
#include "runtime/pack.hpp"
#include "runtime/pack_magic.hpp"

namespace osdn::autotune {

std::string export_text(const std::vector<Entry>& entries) {
  std::string out;
  for (const Entry& entry : entries) {
    const std::string id = key_id(entry.key);
    out += write_line(id, entry.key);
    for (const Trial& trial : entry.trials) out += write_line(id, trial);
    for (const Choice& choice : entry.earlier) out += write_line(id, choice);
    if (entry.choice) out += write_line(id, *entry.choice);
    if (entry.pin) out += write_line(id, *entry.pin);
  }
  return out;
}

expected<Imported> import_text(std::string_view text, const std::string& origin) {
  Contents contents = read_contents(text, origin);
  if (contents.entries.empty() && contents.foreign == 0) {
    return Error{
        ErrorCode::corrupt,
        fmt::format("{}: no line of it is one of a tuning database; allowed: what `osdn db export` writes", origin),
        {}};
  }
  return Imported{std::move(contents.entries), contents.damaged, contents.foreign};
}

namespace {

/// Whether a file is a pack, which holds an export.
bool is_pack(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string begin(runtime::pack_magic.size(), '\0');
  return in.read(begin.data(), static_cast<std::streamsize>(begin.size())) && begin == runtime::pack_magic;
}

}  // namespace

std::vector<DatabaseOptions::Shipped> exports_in(const runtime::Shelf& shelf, const runtime::Log& log) {
  std::vector<DatabaseOptions::Shipped> out;
  for (const auto& pack : shelf.packs()) {
    auto text = pack->tuning();
    if (!text) log.warning(text.error().message);
    if (text && !text->empty()) out.push_back({*std::move(text), pack->path()});
  }
  return out;
}

expected<std::string> read_export(const std::string& path) {
  const auto failed = [&path](std::string_view why) {
    return Error{ErrorCode::io, fmt::format("{}: {}", path, why), {}};
  };
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    return failed("there is no such file; allowed: what `osdn db export` or `osdn pack` writes");
  if (!std::filesystem::is_regular_file(status)) return failed("not a regular file");
  if (is_pack(path)) {
    auto pack = runtime::Pack::open(path);
    return pack ? (*pack)->tuning() : pack.error();
  }
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) return failed(error.message());
  if (bytes > largest_file) return failed(fmt::format("{} bytes; allowed: {}", bytes, largest_file));
  std::string text(static_cast<std::size_t>(bytes), '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in) return failed(std::strerror(errno));
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace osdn::autotune
