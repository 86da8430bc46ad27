// A loaded module and its kernels.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "execute/machine.hpp"
#include "ptx/source_lines.hpp"

namespace emulator {

class LoadedKernel final : public Kernel {
 public:
  Program program;
  std::vector<Parameter> layout;
  int thread_limit = 0;
  std::array<unsigned, 3> wanted_block{};  ///< .reqntid
  unsigned wanted_cluster = 1;
  const std::vector<std::string>* lines = nullptr;  ///< of the module's text, for faults
  const ptx::SourceLines* sources = nullptr;        ///< where its lines come from

  [[nodiscard]] const std::string& name() const override { return program.name; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const override { return layout; }
  [[nodiscard]] std::size_t static_shared() const override { return program.static_shared; }
  [[nodiscard]] std::size_t local_bytes() const override { return program.local_bytes; }
  [[nodiscard]] int max_threads() const override { return thread_limit; }
  [[nodiscard]] std::array<unsigned, 3> required_block() const override { return wanted_block; }
  [[nodiscard]] unsigned cluster_blocks() const override { return wanted_cluster; }
};

class LoadedModule final : public Module {
 public:
  explicit LoadedModule(Memory& memory) : memory_(memory) {}
  ~LoadedModule() override {
    for (const auto& [name, variable] : globals) memory_.release(variable.address);
  }
  LoadedModule(const LoadedModule&) = delete;
  LoadedModule& operator=(const LoadedModule&) = delete;

  [[nodiscard]] const Kernel* kernel(std::string_view wanted) const override {
    for (const auto& entry : entries) {
      if (entry->name() == wanted) return entry.get();
    }
    return nullptr;
  }
  [[nodiscard]] std::vector<const Kernel*> kernels() const override {
    std::vector<const Kernel*> result;
    for (const auto& entry : entries) result.push_back(entry.get());
    return result;
  }
  [[nodiscard]] std::optional<Global> global(std::string_view wanted) const override {
    const auto found = globals.find(wanted);
    if (found == globals.end()) return std::nullopt;
    return found->second;
  }

  std::vector<std::string> lines;
  ptx::SourceLines sources;
  std::map<std::string, Global, std::less<>> globals;  ///< .global and .const
  std::vector<std::unique_ptr<LoadedKernel>> entries;

 private:
  Memory& memory_;
};

}  // namespace emulator
