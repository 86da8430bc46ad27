#include "cli/doctor_packs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/pack_work.hpp"
#include "runtime/shelf.hpp"

namespace osdn::cli {
namespace {

using runtime::CodeUse;

/// Counts a kernel where the device has a use for it: of what it was asked for, as keys have it.
void count(const runtime::CompiledKernel& kernel, const std::string& arch, const PackDevice& device, PackLook& to) {
  const bool emulated = device.driver_version == 0;
  const auto has_code = [&](CodeUse use) {
    return use == CodeUse::machine_code && !emulated ? !kernel.cubin.empty() : !kernel.ptx.empty();
  };
  const auto enter = [&](std::size_t& number, CodeUse use) {
    ++(runtime::runs_on(device.driver_version, kernel, use) ? number : to.too_new);
  };
  if (arch == device.arch || arch == device.arch + 'a') return enter(to.own, CodeUse::machine_code);
  for (const runtime::Relative& relative : runtime::relatives(device.arch)) {
    if (relative.arch != arch || !has_code(relative.use)) continue;
    return enter(relative.use == CodeUse::ptx ? to.ptx : to.related, relative.use);
  }
}

}  // namespace

PackLook look_at_pack(const std::string& file, const std::optional<PackDevice>& device) {
  PackLook out;
  out.file = file;
  const auto pack = runtime::Pack::open(file);
  if (!pack) {
    out.refusal = pack.error().message;
    return out;
  }
  out.bytes = (*pack)->bytes();
  out.kernels = (*pack)->size();
  for (std::size_t i = 0; i < (*pack)->size(); ++i) {
    const auto entry = (*pack)->entry(i);
    const auto fields = entry ? runtime::parse_record(entry->record) : expected<runtime::RecordFields>(entry.error());
    if (!fields) {
      out.damaged.push_back(fields.error().message);
      continue;
    }
    ++out.archs[fields->arch];
    if (device) count(entry->kernel, fields->arch, *device, out);
  }
  for (const auto& text : {(*pack)->manifest(), (*pack)->tuning()}) {
    if (!text) out.damaged.push_back(text.error().message);
  }
  return out;
}

std::string text_of(const PackLook& look, const std::optional<PackDevice>& device) {
  std::string out = fmt::format("{} kernels, {}", look.kernels, bytes_text(look.bytes));
  for (const auto& [arch, number] : look.archs) out += fmt::format(", {} of {}", number, arch);
  for (std::size_t i = 0; i < std::min<std::size_t>(look.damaged.size(), 3); ++i) out += "\n" + look.damaged[i];
  if (look.damaged.size() > 3) out += fmt::format("\nand {} more that are damaged", look.damaged.size() - 3);
  if (!device) return out;
  std::string use;
  const auto add = [&use](std::size_t number, std::string_view what) {
    if (number > 0) use += fmt::format("{}{} {}", use.empty() ? "" : ", ", number, what);
  };
  add(look.own, "compiled for it");
  add(look.related, "as machine code of a related architecture, where nothing compiles");
  add(look.ptx, "as PTX, where nothing compiles");
  add(look.too_new, "by an NVRTC too new for its driver: not used");
  return out + fmt::format("\n{} {}{}{}", look.serves() ? "serves" : "does not serve", device->arch,
                           use.empty() ? "" : ": ", use);
}

Json to_json(const PackLook& look, const std::optional<PackDevice>& device) {
  Json out = {{"file", look.file},   {"refused", look.refusal.empty() ? Json() : Json(look.refusal)},
              {"bytes", look.bytes}, {"kernels", look.kernels},
              {"archs", look.archs}, {"damaged", look.damaged}};
  if (device) {
    out["device"] = device->arch;
    out["serves"] = look.serves();
    out["own"] = look.own;
    out["related"] = look.related;
    out["ptx"] = look.ptx;
    out["too_new"] = look.too_new;
  }
  return out;
}

std::optional<PackSample> sample_of(const std::vector<PackLook>& packs, const PackDevice& device) {
  std::vector<std::string> archs = {device.arch};
  for (const runtime::Relative& relative : runtime::relatives(device.arch)) archs.push_back(relative.arch);
  for (const PackLook& look : packs) {
    if (!look.serves()) continue;
    const auto pack = runtime::Pack::open(look.file);
    const auto text = pack ? (*pack)->manifest() : expected<std::string>(pack.error());
    const auto manifest = text ? read_manifest(*text) : expected<Manifest>(text.error());
    if (!manifest) continue;
    for (const std::string& arch : archs) {
      for (const Manifest::Item& one : manifest->items) {
        if (one.item.arch == arch) return PackSample{one.item.problem, one.item.config};
      }
    }
  }
  return std::nullopt;
}

}  // namespace osdn::cli
