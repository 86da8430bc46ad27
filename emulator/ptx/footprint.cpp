// What the strict checks must know of a function's registers: which of them each instruction reads and writes, and
// which may be read before anything was written to them.
#include "ptx/decoder.hpp"

namespace emulator::ptx {

std::uint32_t ProgramContext::register_name(std::string_view name) {
  const auto [found, fresh] =
      register_names.try_emplace(name, static_cast<std::uint32_t>(program->register_names.size()));
  if (fresh) program->register_names.emplace_back(name);
  return found->second;
}

/// References come instruction by instruction.
void FunctionDecoder::note_footprints(std::uint32_t base) {
  Program& program = *context_.program;
  program.footprints.resize(base + drafts_.size());
  for (std::size_t i = 0; i < references_.size();) {
    std::size_t end = i;
    const std::uint32_t at = references_[i].instruction;
    while (end < references_.size() && references_[end].instruction == at) ++end;
    Footprint& footprint = program.footprints[base + at];
    footprint.first = static_cast<std::uint32_t>(program.places.size());
    const auto collect = [&](bool predicates, bool writes) {
      std::uint8_t count = 0;
      for (std::size_t k = i; k < end; ++k) {
        const Reference& reference = references_[k];
        const VirtualRegister& vreg = vregs_[reference.vreg];
        if (reference.field == kGuard || reference.write != writes || (vreg.type == Type::pred) != predicates) continue;
        program.places.push_back(
            {place_[reference.vreg], static_cast<std::uint16_t>(vreg.bytes()), context_.register_name(vreg.name)});
        ++count;
      }
      return count;
    };
    footprint.reads = collect(false, false);
    footprint.writes = collect(false, true);
    footprint.predicate_reads = collect(true, false);
    footprint.predicate_writes = collect(true, true);
    i = end;
  }
}

void FunctionDecoder::note_unwritten(FunctionFrame& frame) {
  Program& program = *context_.program;
  frame.predicate_bytes = predicate_bytes_;
  frame.first_unwritten = static_cast<std::uint32_t>(program.unwritten.size());
  for (const std::uint32_t v : unwritten_) {
    program.unwritten.push_back(
        {place_[v], static_cast<std::uint16_t>(vregs_[v].bytes()), context_.register_name(vregs_[v].name)});
  }
  frame.unwritten = static_cast<std::uint32_t>(unwritten_.size());
}

}  // namespace emulator::ptx
