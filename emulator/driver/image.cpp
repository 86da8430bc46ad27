// From what a program passes as a module image to parsed code.
#include <fmt/format.h>

#include <cctype>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "driver/module.hpp"

namespace emulator {
namespace {

constexpr unsigned kFatbin = 0xBA55ED50;
constexpr unsigned kFatbinWrapper = 0x466243B1;
constexpr int kNewestPtxMajor = 9;  // of the CUDA release whose driver this stands for

/// What the head of a PTX text says.
struct Header {
  int version_major = 0;
  int version_minor = 0;
  int target = 0;     // 90 for sm_90a
  char suffix = ' ';  // 'a', 'f' or ' '
};

void skip_space_and_comments(std::string_view& text) {
  for (;;) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
    if (text.starts_with("//")) {
      text.remove_prefix(std::min(text.find('\n'), text.size()));
    } else if (text.starts_with("/*")) {
      const auto end = text.find("*/", 2);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    } else {
      return;
    }
  }
}

bool skip_word(std::string_view& text, std::string_view word) {
  skip_space_and_comments(text);
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

std::optional<int> take_number(std::string_view& text) {
  int value = 0;
  std::size_t digits = 0;
  while (digits < text.size() && digits < 6 && std::isdigit(static_cast<unsigned char>(text[digits])))
    value = value * 10 + (text[digits++] - '0');
  text.remove_prefix(digits);
  if (digits == 0) return std::nullopt;
  return value;
}

std::optional<Header> read_header(std::string_view text) {
  Header header;
  if (!skip_word(text, ".version")) return std::nullopt;
  skip_space_and_comments(text);
  const auto major = take_number(text);
  if (!major || !skip_word(text, ".")) return std::nullopt;
  const auto minor = take_number(text);
  if (!minor || !skip_word(text, ".target") || !skip_word(text, "sm_")) return std::nullopt;
  const auto target = take_number(text);
  if (!target) return std::nullopt;
  header.version_major = *major;
  header.version_minor = *minor;
  header.target = *target;
  if (!text.empty() && (text.front() == 'a' || text.front() == 'f')) header.suffix = text.front();
  return header;
}

/// Plain targets run on the same and newer devices, 'f' on the same and newer of their family, 'a' on the very same.
bool runs_on(const Header& header, const Profile& profile) {
  const int device = profile.major * 10 + profile.minor;
  if (header.suffix == 'a') return header.target == device;
  if (header.suffix == 'f') return header.target <= device && header.target / 10 == profile.major;
  return header.target <= device;
}

[[noreturn]] void refuse(CUresult code, std::string& log, std::string text) {
  log = std::move(text);
  report_fault(log, false);
  fail(code);
}

CUresult code_of(const Fault& fault) {
  if (fault.kind == Fault::Kind::memory) return CUDA_ERROR_OUT_OF_MEMORY;
  return fault.kind == Fault::Kind::unsupported ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_PTX;
}

/// An empty text for a binary image.
std::string_view ptx_text(const void* image, std::string& log) {
  unsigned magic = 0;
  // A text may be shorter than the magic number: compare byte by byte up to its end.
  const auto* bytes = static_cast<const unsigned char*>(image);
  for (unsigned i = 0; i < sizeof(magic); ++i) {
    magic |= static_cast<unsigned>(bytes[i]) << (8 * i);
    if (bytes[i] == 0) break;
  }
  const bool elf = magic == 0x464C457F;
  if (elf || magic == kFatbin || magic == kFatbinWrapper)
    refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, log,
           fmt::format("the image is a {}: the emulator executes PTX only", elf ? "cubin" : "fatbin"));
  const std::string_view text = static_cast<const char*>(image);
  if (text.empty()) refuse(CUDA_ERROR_INVALID_IMAGE, log, "the image is empty");
  for (const char c : text.substr(0, 64))
    if (static_cast<unsigned char>(c) < 0x20 && !std::isspace(static_cast<unsigned char>(c)))
      refuse(CUDA_ERROR_INVALID_IMAGE, log, "the image is neither PTX text nor a known binary");
  return text;
}

}  // namespace

std::shared_ptr<const Code> load_image(const void* image, Device& device, std::string& log) {
  require(image != nullptr);
  const std::string_view text = ptx_text(image, log);
  const auto header = read_header(text);
  if (!header) refuse(CUDA_ERROR_INVALID_PTX, log, "the image does not begin as PTX does: .version, then .target sm_…");
  if (header->version_major > kNewestPtxMajor)
    refuse(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, log,
           fmt::format("PTX {}.{} is newer than this driver, which knows {}.x", header->version_major,
                       header->version_minor, kNewestPtxMajor));
  if (!runs_on(*header, device.architecture.profile))
    refuse(CUDA_ERROR_INVALID_PTX, log,
           fmt::format("PTX for sm_{}{} does not run on {}", header->target,
                       header->suffix == ' ' ? "" : std::string(1, header->suffix), device.architecture.name));
  auto loaded = load_module(text, device.memory, device.architecture.profile);
  if (const Fault* fault = std::get_if<Fault>(&loaded)) refuse(code_of(*fault), log, fault->text());
  auto code = std::make_shared<Code>();
  code->module = std::move(std::get<std::unique_ptr<Module>>(loaded));
  code->ptx_version = header->version_major * 10 + header->version_minor;
  code->target_version = header->target;
  return code;
}

std::shared_ptr<const Code> load_image(const void* image, Device& device, JitLog log) {
  std::string text;
  try {
    auto code = load_image(image, device, text);
    log.write_error("");
    log.write_info("");
    return code;
  } catch (const Failure&) {
    log.write_error(text);
    log.write_info("");
    throw;
  }
}

JitLog::JitLog(unsigned count, const CUjit_option* options, void** values)
    : count_(count), options_(options), values_(values) {
  require(count == 0 || (options != nullptr && values != nullptr));
}

void JitLog::write(CUjit_option buffer, CUjit_option bytes, const std::string& text) {
  char* to = nullptr;
  void** size_value = nullptr;
  for (unsigned i = 0; i < count_; ++i) {
    if (options_[i] == buffer) to = static_cast<char*>(values_[i]);
    if (options_[i] == bytes) size_value = &values_[i];
  }
  if (to == nullptr || size_value == nullptr) return;
  // The size is an unsigned in the pointer's place, and comes back as the bytes written.
  const auto size = static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(*size_value));
  if (size == 0) return;
  const std::size_t length = std::min<std::size_t>(text.size(), size - 1);
  std::memcpy(to, text.data(), length);
  to[length] = '\0';
  *size_value = reinterpret_cast<void*>(length == 0 ? 0 : length + 1);  // NOLINT(performance-no-int-to-ptr)
}

std::string read_file(const char* path) {
  require(path != nullptr);
  std::ifstream file(path, std::ios::binary);
  require(file.good(), CUDA_ERROR_FILE_NOT_FOUND);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace emulator
