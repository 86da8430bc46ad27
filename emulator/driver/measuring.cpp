#include "driver/measuring.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "driver/json_text.hpp"

namespace emulator {
namespace {

constexpr std::size_t kMaxSlices = 1'000'000;

/// Counters that are not 0; all of them when `all`.
std::string to_json(const Counters& counters, bool all) {
  std::string text;
  for (const CounterName& counter : kCounterNames) {
    if (!all && counters.*counter.value == 0) continue;
    text += fmt::format("{}\"{}\": {}", text.empty() ? "" : ", ", counter.name, counters.*counter.value);
  }
  return "{" + text + "}";
}

std::string to_json(const Modelled& modelled) {
  return fmt::format(
      "{{\"seconds\": {:.9g}, \"multiprocessor_seconds\": {:.9g}, \"memory_seconds\": {:.9g}, \"l2_seconds\": {:.9g}, "
      "\"memory_bytes\": {}, \"bound_by\": {}, \"registers\": {}, \"registers_estimated\": {}, "
      "\"blocks_per_multiprocessor\": {}, \"limited_by\": {}, \"waves\": {:.6g}, \"issue_use\": {:.4f}, "
      "\"tensor_use\": {:.4f}, \"shared_use\": {:.4f}}}",
      modelled.seconds, modelled.multiprocessor_seconds, modelled.memory_seconds, modelled.l2_seconds,
      modelled.memory_bytes, quoted_json(modelled.bound_by), modelled.registers, modelled.registers_estimated,
      modelled.blocks_per_multiprocessor, quoted_json(modelled.limited_by), modelled.waves, modelled.issue_use,
      modelled.matrix_use, modelled.shared_use);
}

std::string lines_json(const Measurement& work) {
  std::string text;
  for (const auto& [place, line] : work.lines) {
    text +=
        fmt::format("{}{{\"file\": {}, \"line\": {}, \"own\": {}, \"inclusive\": {}}}", text.empty() ? "" : ", ",
                    quoted_json(place.first), place.second, to_json(line.own, false), to_json(line.inclusive, false));
  }
  return text;
}

std::string instructions_json(const Measurement& work) {
  std::string text;
  for (const auto& [place, instruction] : work.instructions) {
    text += fmt::format("{}{{\"ptx_line\": {}, \"text\": {}", text.empty() ? "" : ", ", place.first,
                        quoted_json(place.second));
    if (!instruction.file.empty()) {
      text += fmt::format(", \"file\": {}, \"line\": {}", quoted_json(instruction.file), instruction.line);
    }
    text += fmt::format(", \"counters\": {}}}", to_json(instruction.counters, false));
  }
  return text;
}

bool write_to(const std::string& file, const std::string& text) {
  std::FILE* out = std::fopen(file.c_str(), "w");
  if (out == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  return std::fclose(out) == 0 && written;
}

/// Whole or not at all: several processes may end at the same time with the same environment, and disks are full.
void write_file(const std::string& file, const std::string& text) {
  if (file.empty()) return;
  std::error_code error;
  const std::filesystem::file_status there = std::filesystem::symlink_status(file, error);
  bool written = false;
  errno = 0;
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) {
    written = write_to(file, text);  // a device, a pipe, a link
  } else {
    const std::string beside = fmt::format("{}.{}.part", file, ::getpid());
    written = write_to(beside, text) && std::rename(beside.c_str(), file.c_str()) == 0;
    const int reason = errno;
    if (!written) std::remove(beside.c_str());
    errno = reason;
    if (!written && reason == EACCES) written = write_to(file, text);  // the file may be ours where the folder is not
  }
  if (!written) std::fprintf(stderr, "osdn emulator: %s cannot be written: %s\n", file.c_str(), std::strerror(errno));
}

}  // namespace

void Measuring::set_registers(const std::string& kernel, int registers) {
  const std::lock_guard lock(mutex_);
  registers_[kernel] = registers;
}

int Measuring::registers(const std::string& kernel) const {
  const std::lock_guard lock(mutex_);
  const auto found = registers_.find(kernel);
  return found == registers_.end() ? 0 : found->second;
}

void Measuring::add(const std::string& kernel, const std::string& architecture, Measurement work) {
  const std::lock_guard lock(mutex_);
  ++launches_;
  Traced traced{kernel, launches_, now_, std::move(work.trace)};
  work.trace.clear();
  now_ += 1e6 * work.modelled.seconds;
  if (!traced.slices.empty() && slices_ + traced.slices.size() <= kMaxSlices) {
    slices_ += traced.slices.size();
    traced_.push_back(std::move(traced));
  }
  Entry& entry = entries_[kernel];
  ++entry.launches;
  entry.architecture = architecture;
  entry.work.add(work);
}

void Measuring::reset() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  traced_.clear();
  slices_ = 0;
  launches_ = 0;
  now_ = 0;
}

std::string Measuring::to_json(const Entry& entry, bool lines) {
  std::string text = fmt::format("{{\"launches\": {}, \"modelled_as\": {}, \"counters\": {}, \"modelled\": {}",
                                 entry.launches, quoted_json(entry.architecture),
                                 emulator::to_json(entry.work.total, true), emulator::to_json(entry.work.modelled));
  if (lines) {
    text +=
        fmt::format(", \"lines\": [{}], \"instructions\": [{}]", lines_json(entry.work), instructions_json(entry.work));
  }
  return text + "}";
}

std::string Measuring::profile_json(const std::string& kernel, bool lines) const {
  const std::lock_guard lock(mutex_);
  std::string kernels;
  for (const auto& [name, entry] : entries_) {
    if (!kernel.empty() && kernel != name) continue;
    kernels += fmt::format("{}{}: {}", kernels.empty() ? "" : ", ", quoted_json(name), to_json(entry, lines));
  }
  return fmt::format("{{\"kernels\": {{{}}}}}", kernels);
}

std::string Measuring::trace_json() const {
  const std::lock_guard lock(mutex_);
  std::string events;
  std::uint64_t process = 0;
  const auto add = [&](const std::string& event) { events += (events.empty() ? "\n" : ",\n") + event; };
  for (const Traced& traced : traced_) {
    const TraceSlice* before = nullptr;
    for (const TraceSlice& slice : traced.slices) {
      const bool new_block = before == nullptr || before->block != slice.block;
      if (new_block) {
        ++process;
        add(fmt::format(R"({{"ph": "M", "name": "process_name", "pid": {}, "args": {{"name": {}}}}})", process,
                        quoted_json(fmt::format("{}, launch {}, block {} (modelled time)", traced.kernel, traced.launch,
                                                slice.block))));
      }
      if (new_block || before->warp != slice.warp) {
        add(fmt::format(R"({{"ph": "M", "name": "thread_name", "pid": {}, "tid": {}, "args": {{"name": "warp {}"}}}})",
                        process, slice.warp, slice.warp));
      }
      add(fmt::format(R"({{"ph": "X", "name": {}, "cat": "{}", "pid": {}, "tid": {}, "ts": {:.6f}, "dur": {:.6f}, )"
                      R"("args": {{"ptx_line": {}, "source": {}}}}})",
                      quoted_json(slice.name), slice.name == "compute" ? "compute" : "wait", process, slice.warp,
                      traced.begin + slice.begin, slice.end - slice.begin, slice.ptx_line,
                      quoted_json(slice.file.empty() ? "" : fmt::format("{}:{}", slice.file, slice.line))));
      before = &slice;
    }
  }
  return fmt::format(
      "{{\"displayTimeUnit\": \"ns\", \"otherData\": {{\"time\": \"modelled, not measured\"}}, \"traceEvents\": "
      "[{}\n]}}\n",
      events);
}

void Measuring::write_at_exit(std::string profile_file, std::string trace_file) {
  const std::lock_guard lock(mutex_);
  profile_file_ = std::move(profile_file);
  trace_file_ = std::move(trace_file);
}

void Measuring::write_files() const {
  std::string profile_file, trace_file;
  {
    const std::lock_guard lock(mutex_);
    profile_file = profile_file_;
    trace_file = trace_file_;
  }
  if (!profile_file.empty()) write_file(profile_file, profile_json("", true) + "\n");
  if (!trace_file.empty()) write_file(trace_file, trace_json());
}

Measuring& measuring() {
  static auto* all = new Measuring;  // a worker may still add to it when the process ends
  return *all;
}

}  // namespace emulator
