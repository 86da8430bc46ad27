#include "runtime/compile.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

namespace osdn::runtime {
namespace {

/// An NVRTC program that is destroyed with its scope.
class ScopedProgram {
 public:
  explicit ScopedProgram(const Nvrtc& nvrtc) : nvrtc_(nvrtc) {}
  ~ScopedProgram() {
    if (program_ != nullptr) nvrtc_.destroy_program(&program_);
  }
  ScopedProgram(const ScopedProgram&) = delete;
  ScopedProgram& operator=(const ScopedProgram&) = delete;

  nvrtc::Result create(const CompileInput& input) {
    std::vector<std::string> names;
    std::vector<std::string> texts;
    for (const generator::Header& header : input.headers) {
      names.emplace_back(header.name);
      texts.emplace_back(header.text);
    }
    std::vector<const char*> name_pointers;
    std::vector<const char*> text_pointers;
    for (const std::string& name : names) name_pointers.push_back(name.c_str());
    for (const std::string& text : texts) text_pointers.push_back(text.c_str());
    const std::string file = input.entry + ".cu";
    return nvrtc_.create_program(&program_, input.source.c_str(), file.c_str(), static_cast<int>(names.size()),
                                 text_pointers.data(), name_pointers.data());
  }

  nvrtc::Result compile(const std::vector<std::string>& options) {
    std::vector<const char*> pointers;
    for (const std::string& option : options) pointers.push_back(option.c_str());
    return nvrtc_.compile_program(program_, static_cast<int>(pointers.size()), pointers.data());
  }

  using Size = nvrtc::Result (*)(nvrtc::Program, std::size_t*);
  using Read = nvrtc::Result (*)(nvrtc::Program, char*);
  /// One of the program's outputs; empty on failure.
  [[nodiscard]] std::string output(Size size, Read read) const {
    std::size_t bytes = 0;
    if (size(program_, &bytes) != nvrtc::success || bytes == 0) return {};
    std::string text(bytes, '\0');
    return read(program_, text.data()) == nvrtc::success ? text : std::string();
  }
  /// Likewise for text, which NVRTC counts with its terminator.
  [[nodiscard]] std::string text(Size size, Read read) const {
    std::string all = output(size, read);
    while (!all.empty() && all.back() == '\0') all.pop_back();
    return all;
  }

 private:
  const Nvrtc& nvrtc_;
  nvrtc::Program program_ = nullptr;
};

std::string numbered(std::string_view source) {
  std::string text;
  int line = 1;
  for (std::size_t begin = 0; begin < source.size(); ++line) {
    const std::size_t end = std::min(source.find('\n', begin), source.size());
    text += fmt::format("{:5} | {}\n", line, source.substr(begin, end - begin));
    begin = end + 1;
  }
  return text;
}

Error failure(const Nvrtc& nvrtc, nvrtc::Result result, const CompileInput& input,
              const std::vector<std::string>& options, const std::string& log) {
  std::string first = log.substr(0, log.find('\n'));
  ErrorCode code = result == nvrtc::error_out_of_memory ? ErrorCode::out_of_memory : ErrorCode::compile_failed;
  std::string hint;
  if (result == nvrtc::error_builtin_operation_failure) {
    hint = fmt::format("; libnvrtc-builtins.so.{} must lie beside {}", version_text(nvrtc.version), nvrtc.library);
  }
  return {code,
          fmt::format("NVRTC {} did not compile {} for {}: {}{}{}{}", version_text(nvrtc.version), input.entry,
                      input.arch, nvrtc.get_error_string(result), first.empty() ? "" : ": ", first, hint),
          fmt::format("nvrtc: {} ({})\noptions: {}\nlog:\n{}\nsource:\n{}", nvrtc.library, version_text(nvrtc.version),
                      fmt::join(options, " "), log, numbered(input.source))};
}

constexpr const char* kLineInformation = "--generate-line-info";

/// NVRTC puts the working directory in front of the names of files that exist in memory only: takes it away again, so
/// that the result does not depend on where it was made.
void name_files(std::string& ptx, const CompileInput& input) {
  std::vector<std::string> names = {input.entry + ".cu"};
  for (const generator::Header& header : input.headers) names.emplace_back(header.name);
  for (std::size_t at = ptx.find("\t.file"); at != std::string::npos; at = ptx.find("\t.file", at + 1)) {
    const std::size_t open = ptx.find('"', at);
    const std::size_t close = open == std::string::npos ? open : ptx.find('"', open + 1);
    if (close == std::string::npos) return;
    const std::string path = ptx.substr(open + 1, close - open - 1);
    const std::string* best = nullptr;
    for (const std::string& name : names) {
      if (path.ends_with("/" + name) && (best == nullptr || name.size() > best->size())) best = &name;
    }
    if (best != nullptr) ptx.replace(open + 1, close - open - 1, *best);
  }
}

/// The number that ends just before `phrase`; 0 when the phrase is not there.
std::size_t number_before(std::string_view text, std::string_view phrase) {
  const std::size_t at = text.find(phrase);
  if (at == std::string_view::npos) return 0;
  std::size_t begin = at;
  while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9') --begin;
  std::size_t value = 0;
  std::from_chars(text.data() + begin, text.data() + at, value);
  return value;
}

}  // namespace

CompileInput compile_input(const generator::KernelPlan& kernel, std::string_view arch, bool lines) {
  CompileInput input{kernel.entry,
                     kernel.source,
                     kernel.headers,
                     {"--std=c++20", "-default-device", "--ptxas-options=--verbose"},
                     std::string(arch)};
  if (kernel.hopper && !arch.empty() && arch.back() >= '0' && arch.back() <= '9') input.arch += 'a';
  if (lines) input.options.emplace_back(kLineInformation);
  return input;
}

expected<std::string> machine_arch(const Nvrtc& nvrtc, std::string_view arch) {
  const std::size_t underscore = arch.find('_');
  int number = 0;
  if (underscore == std::string_view::npos ||
      std::from_chars(arch.data() + underscore + 1, arch.data() + arch.size(), number).ec != std::errc()) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("architecture '{}' is not of the form sm_80, sm_90a or compute_80", arch), ""};
  }
  if (std::binary_search(nvrtc.archs.begin(), nvrtc.archs.end(), number)) return std::string(arch);
  int nearest = 0;
  for (const int known : nvrtc.archs) {
    if (known / 10 == number / 10 && known < number) nearest = known;
  }
  const bool portable = arch.back() >= '0' && arch.back() <= '9';
  if (nearest != 0 && portable) return fmt::format("{}{}", arch.substr(0, underscore + 1), nearest);
  return Error{ErrorCode::unsupported,
               fmt::format("NVRTC {} ({}) does not know {}; it knows {}: install a newer one",
                           version_text(nvrtc.version), nvrtc.library, arch, fmt::join(nvrtc.archs, ", ")),
               ""};
}

expected<CompiledKernel> compile(const Nvrtc& nvrtc, const CompileInput& input) {
  auto arch = machine_arch(nvrtc, input.arch);
  if (!arch) return std::move(arch).error();
  std::vector<std::string> options = input.options;
  options.push_back("--gpu-architecture=" + *arch);

  const auto begin = std::chrono::steady_clock::now();
  ScopedProgram program(nvrtc);
  nvrtc::Result result = program.create(input);
  if (result == nvrtc::success) result = program.compile(options);
  CompiledKernel kernel;
  kernel.log = program.text(nvrtc.get_log_size, nvrtc.get_log);
  if (result != nvrtc::success) return failure(nvrtc, result, input, options, kernel.log);
  kernel.compile_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();

  kernel.arch = *std::move(arch);
  kernel.ptx = program.text(nvrtc.get_ptx_size, nvrtc.get_ptx);
  if (std::find(input.options.begin(), input.options.end(), kLineInformation) != input.options.end()) {
    name_files(kernel.ptx, input);
  }
  const bool machine_code = kernel.arch.starts_with("sm_");
  if (machine_code) kernel.cubin = program.output(nvrtc.get_cubin_size, nvrtc.get_cubin);
  if (kernel.ptx.empty() || (machine_code && kernel.cubin.empty())) {
    return Error{ErrorCode::compile_failed,
                 fmt::format("NVRTC {} gave no {} for {}", version_text(nvrtc.version),
                             kernel.ptx.empty() ? "PTX" : "machine code", input.entry),
                 kernel.log};
  }
  kernel.resources = parse_resources(kernel.log);
  kernel.nvrtc_version = nvrtc.version;
  return kernel;
}

Resources parse_resources(std::string_view log) {
  Resources resources;
  const std::size_t used = log.find("Used ");
  if (used != std::string_view::npos) {
    resources.registers = static_cast<int>(number_before(log.substr(used), " registers"));
    resources.static_shared_bytes = number_before(log.substr(used), " bytes smem");
  }
  resources.stack_bytes = number_before(log, " bytes stack frame");
  resources.spill_store_bytes = number_before(log, " bytes spill stores");
  resources.spill_load_bytes = number_before(log, " bytes spill loads");
  return resources;
}

}  // namespace osdn::runtime
