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

/// Modelled ticks of every instruction, for the whole grid: those of the blocks that were played, in proportion.
std::vector<std::uint64_t> modelled_ticks(std::size_t instructions, const Measures& measures) {
  std::vector<std::uint64_t> ticks(instructions);
  std::uint64_t played = 0, issued = 0;
  for (const BlockSample& sample : measures.samples) {
    for (std::size_t i = 0; i < instructions; ++i) ticks[i] += sample.simulated.spent[i];
    played += sample.issued;
  }
  for (const BlockWork& work : measures.work) issued += work.issued;
  if (played == 0) return ticks;
  const double factor = static_cast<double>(issued) / static_cast<double>(played);
  for (std::uint64_t& each : ticks) each = static_cast<std::uint64_t>(static_cast<double>(each) * factor);
  return ticks;
}

std::string name_of(const Slice& slice) {
  switch (slice.kind) {
    case Slice::Kind::compute:
      return "compute";
    case Slice::Kind::barrier:
      return "barrier " + std::to_string(slice.barrier);
    case Slice::Kind::copies:
      return "asynchronous copies";
    case Slice::Kind::memory:
      return "memory";
  }
  return "";
}

std::vector<TraceSlice> trace_of(const Program& program, const ModelPlan& plan, const Profile& profile,
                                 const Measures& measures, const ptx::SourceLines& sources) {
  std::vector<TraceSlice> out;
  const double ticks_per_microsecond = 1e-3 * profile.clock_khz * static_cast<double>(kTicks);
  for (const BlockSample& sample : measures.samples) {
    if (sample.block >= plan.traced) break;
    for (const Slice& slice : sample.simulated.slices) {
      TraceSlice each;
      each.name = name_of(slice);
      each.block = sample.block;
      each.warp = slice.warp;
      each.begin = static_cast<double>(slice.begin) / ticks_per_microsecond;
      each.end = static_cast<double>(slice.end) / ticks_per_microsecond;
      each.ptx_line = program.notes[slice.first].line;
      if (const int mark = sources.at(each.ptx_line); mark >= 0) {
        each.file = sources.file(sources.mark(mark).file);
        each.line = sources.mark(mark).line;
      }
      out.push_back(std::move(each));
    }
  }
  return out;
}

}  // namespace

Measurement summarise_measurement(const Program& program, const ModelPlan& plan, const Profile& profile,
                                  const std::vector<Count>& counts, const Measures& measures,
                                  const std::vector<std::string>& text, const ptx::SourceLines& sources) {
  Measurement out;
  out.measured = true;
  const std::vector<std::uint64_t> ticks = modelled_ticks(counts.size(), measures);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i].warps == 0) continue;
    const InstructionNote& note = program.notes[i];
    Counters counters = counters_of(program.code[i], note, counts[i], measures.tallies[i]);
    counters.modelled_cycles = ticks[i] / kTicks;
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
  out.modelled = model(plan, profile, measures.work, measures.samples, measures.touched, out.total.global_sectors);
  out.trace = trace_of(program, plan, profile, measures, sources);
  return out;
}

}  // namespace emulator
