#include "generator/render.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "templates/layout.cuh"

namespace osdn::generator {
namespace {

template <class Object>
void append_constants(std::string& out, std::span<const Field<Object>> fields, const Object& object, Phases reader) {
  for (const auto& row : fields) {
    if ((row.phases & reader) == 0) continue;
    fmt::format_to(std::back_inserter(out), "  static constexpr {} {} = {};\n", row.trait_type(), row.trait,
                   row.trait_value(object));
  }
}

// The name of a line `#include "name"`; empty for any other line.
std::string_view included_name(std::string_view line) {
  const auto skip_blanks = [&line] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
  skip_blanks();
  if (!line.starts_with('#')) return {};
  line.remove_prefix(1);
  skip_blanks();
  if (!line.starts_with("include")) return {};
  line.remove_prefix(std::string_view("include").size());
  skip_blanks();
  if (!line.starts_with('"')) return {};
  line.remove_prefix(1);
  return line.substr(0, line.find('"'));
}

std::vector<std::string_view> included_names(std::string_view text) {
  std::vector<std::string_view> names;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (const std::string_view name = included_name(text.substr(0, end)); !name.empty()) names.push_back(name);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
}

}  // namespace

const Phase& delta_rule_of(const Config& config) {
  switch (config.schedule) {
    case Schedule::portable:
      return delta_rule;
    case Schedule::hopper:
      return delta_rule_hopper;
    case Schedule::hopper_fused:
      break;
  }
  return fused_hopper;
}

int threads(const Phase& phase, const Config& config) {
  if (!phase.configured) return 32 * segment_warps;
  // Beside the warps that hold the state: a warpgroup that prepares and one that copies.
  if (phase.hopper) return 32 * (config.warps + 8);
  return 32 * (phase.reader == preconditioner_phase ? config.preconditioner_warps : config.warps);
}

int resident_ctas(const Phase& phase, const Problem& problem, const Config& config) {
  if (phase.reader != decode_phase) return 1;
  constexpr int most_blocks = 16;   // of a multiprocessor, on every architecture there is
  const int state = problem.k / 2;  // 16 columns × K features in fp32 over 32 threads
  return std::clamp(register_file / (threads(phase, config) * (state + working_registers)), 1, most_blocks);
}

std::string entry(const Phase& phase) {
  return fmt::format("osdn_{}", phase.name);
}

std::string render(const Phase& phase, const Problem& problem, const Config& asked) {
  Config config = asked;
  // Who decides where sequences are cut is the launch's business: both share their kernels.
  if (config.cut == Cut::automatic) config.cut = Cut::fixed;
  std::string out;
  out.reserve(2048);
  fmt::format_to(std::back_inserter(out), "// osdn {} | {}:", phase.name, name_of(problem.operation));
  print_fields(out, problem_fields(), problem, phase.reader);
  out += " | ";
  if (phase.configured) print_fields(out, config_fields(), config, phase.reader);
  out += "\n#include \"osdn/axes.hpp\"\nnamespace osdn {\nstruct Traits {\n";
  append_constants(out, problem_fields(), problem, phase.reader);
  if (phase.configured) append_constants(out, config_fields(), config, phase.reader);
  out += "};\n}  // namespace osdn\n";
  const int residents = resident_ctas(phase, problem, config);
  // Kernels that take segments keep a few numbers more: unless told that one CTA is enough, the assembler spills these
  // for the sake of CTAs that shared memory has no room for.
  const bool names_residents = phase.hopper || residents > 1 || (phase.configured && config.cut != Cut::never);
  // setmaxnreg needs to know that a multiprocessor has one such CTA at a time (PTX ISA 9.7.19.5: .maxntid or .maxnreg).
  fmt::format_to(std::back_inserter(out),
                 "#include \"{3}{0}.cuh\"\n"
                 "extern \"C\" __global__ void __launch_bounds__({1}{4}) {2}(const __grid_constant__ "
                 "osdn::{7} p{5}) {{\n"
                 "  osdn::{0}<osdn::Traits>(p{6});\n"
                 "}}\n",
                 phase.name, threads(phase, config), entry(phase), phase.hopper ? "hopper/" : "",
                 names_residents ? fmt::format(", {}", residents) : std::string(),
                 phase.hopper ? ",\n                        const __grid_constant__ osdn::HopperMaps maps" : "",
                 phase.hopper ? ", maps" : "", phase.parameters);
  return out;
}

expected<std::vector<Header>> include_closure(std::string_view source, std::span<const templates::Text> texts) {
  std::vector<Header> closure;
  std::vector<std::pair<std::string_view, std::string_view>> open;  // who includes, what
  for (const std::string_view name : included_names(source)) open.emplace_back("the kernel's source", name);
  while (!open.empty()) {
    const auto [includer, name] = open.back();
    open.pop_back();
    const auto is_wanted = [wanted = name](const auto& text) { return text.name == wanted; };
    if (std::any_of(closure.begin(), closure.end(), is_wanted)) continue;
    const auto found = std::find_if(texts.begin(), texts.end(), is_wanted);
    if (found == texts.end()) {
      return Error{
          ErrorCode::internal,
          fmt::format("{} includes \"{}\", which is not among the {} embedded templates", includer, name, texts.size()),
          {}};
    }
    closure.push_back({found->name, found->text});
    for (const std::string_view next : included_names(found->text)) open.emplace_back(found->name, next);
  }
  std::sort(closure.begin(), closure.end(), [](const Header& a, const Header& b) { return a.name < b.name; });
  return closure;
}

}  // namespace osdn::generator
