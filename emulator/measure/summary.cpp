// From counts by instruction to counts by line.
#include <algorithm>

#include "execute/operations.hpp"
#include "measure/meter.hpp"

namespace emulator {
namespace {

Counters counters_of(const Instruction& in, const InstructionNote& note, const Count& count, const Tally& tally) {
  Counters out;
  out.warp_instructions = count.warps;
  out.thread_instructions = count.threads;
  out.divergent_instructions = tally.divergent;
  out.split_branches = tally.splits;
  out.barrier_waits = in.handler == control::barrier && in.mode != kBarrierArrive ? count.warps : 0;
  out.tensor_flops = count.warps * note.warp_flops;
  out.global_load_bytes = tally.global_load_bytes;
  out.global_store_bytes = tally.global_store_bytes;
  out.global_requests = tally.global_requests;
  out.global_sectors = tally.sectors;
  out.excess_sectors = tally.sectors - tally.least_sectors;
  out.shared_load_bytes = tally.shared_load_bytes;
  out.shared_store_bytes = tally.shared_store_bytes;
  out.shared_requests = tally.shared_requests;
  out.shared_passes = tally.passes;
  out.bank_conflicts = tally.passes - tally.least_passes;
  out.local_load_bytes = tally.local_load_bytes;
  out.local_store_bytes = tally.local_store_bytes;
  return out;
}

/// Adds to the line an instruction comes from, and to every line it was inlined at, once each.
void add_to_lines(Measurement& out, const Counters& counters, const ptx::SourceLines& sources, int mark) {
  std::vector<std::pair<std::string, int>> places;
  for (int at = mark; at >= 0; at = sources.mark(at).parent) {
    const ptx::SourceMark& place = sources.mark(at);
    places.emplace_back(sources.file(place.file), place.line);
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    Measurement::Line& line = out.lines[places[i]];
    if (i == 0) line.own.add(counters);
    const bool repeated = std::find(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(i), places[i]) !=
                          places.begin() + static_cast<std::ptrdiff_t>(i);
    if (!repeated) line.inclusive.add(counters);
  }
}

}  // namespace

Measurement summarise_measurement(const Program& program, const std::vector<Count>& counts,
                                  const std::vector<Tally>& tallies, const std::vector<std::string>& text,
                                  const ptx::SourceLines& sources) {
  Measurement out;
  out.measured = true;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i].warps == 0) continue;
    const InstructionNote& note = program.notes[i];
    const Counters counters = counters_of(program.code[i], note, counts[i], tallies[i]);
    out.total.add(counters);
    const auto line = static_cast<std::size_t>(note.line);
    auto& instruction = out.instructions[{note.line, line > 0 && line <= text.size() ? text[line - 1] : std::string()}];
    instruction.counters.add(counters);
    const int mark = sources.at(note.line);
    if (mark < 0) continue;
    instruction.file = sources.file(sources.mark(mark).file);
    instruction.line = sources.mark(mark).line;
    add_to_lines(out, counters, sources, mark);
  }
  return out;
}

}  // namespace emulator
