#include "ptx/decoder.hpp"

#include <algorithm>

#include "ptx/behind.hpp"

namespace emulator::ptx {

void fail_syntax(int line, const std::string& message) {
  throw LoadError(LoadError::Kind::syntax, line, message);
}
void fail_unsupported(int line, const std::string& message) {
  throw LoadError(LoadError::Kind::unsupported, line, message);
}

RowOperand ConstantPool::row(std::uint64_t value, int bytes) {
  if (bytes > 0 && bytes < 8) value &= (std::uint64_t{1} << (8 * bytes)) - 1;
  const auto [found, fresh] = rows_.try_emplace({value, bytes}, 0);
  if (!fresh) return found->second;
  // Rows start at cache lines.
  words_.resize((words_.size() + 7) & ~std::size_t{7});
  found->second = static_cast<RowOperand>(words_.size() * sizeof(std::uint64_t)) | 1;
  const int width = bytes == 0 ? 4 : bytes;
  const int per_word = 8 / width;
  std::uint64_t word = 0;
  for (int k = 0; k < per_word; ++k) word |= value << (8 * width * k) % 64;
  words_.insert(words_.end(), static_cast<std::size_t>(bytes == 0 ? 1 : kLanes / per_word), word);
  return found->second;
}

std::uint16_t ProgramContext::family(const std::string& name) {
  auto& families = program->families;
  const auto index = static_cast<std::size_t>(std::find(families.begin(), families.end(), name) - families.begin());
  if (index == families.size()) families.push_back(name);
  return static_cast<std::uint16_t>(index);
}

std::uint32_t ProgramContext::function_number(const Function& function) {
  const auto [found, fresh] = functions.try_emplace(function.name, static_cast<std::uint32_t>(order.size()));
  if (fresh) order.push_back(&function);
  return found->second;
}

FunctionDecoder::FunctionDecoder(ProgramContext& context, const Function& function, std::uint32_t number)
    : context_(context), function_(function), number_(number) {}

namespace {

/// %r12 → number 12 of the family %r; false for names like %r012.
bool family_number(std::string_view name, const Registers& family, std::uint64_t& number) {
  if (!name.starts_with(family.prefix) || name.size() == family.prefix.size()) return false;
  number = 0;
  const std::string_view digits = name.substr(family.prefix.size());
  if (digits.size() > 9 || (digits.size() > 1 && digits[0] == '0')) return false;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  return number < family.count;
}

}  // namespace

FunctionDecoder::Symbol FunctionDecoder::find(std::string_view name, int scope) {
  Symbol result;
  if (const auto found = expansion_.find(name); found != expansion_.end()) {
    result.kind = Symbol::Kind::vreg;
    result.vreg = found->second;
    return result;
  }
  for (int at = scope; at >= 0; at = function_.scopes[static_cast<std::size_t>(at)].parent) {
    const Scope& here = function_.scopes[static_cast<std::size_t>(at)];
    for (std::size_t i = 0; i < here.registers.size(); ++i) {
      const Registers& family = here.registers[i];
      std::uint64_t number = 0;
      const bool single = family.count == 0 && family.prefix == name;
      if (!single && !(family.count > 0 && family_number(name, family, number))) continue;
      const auto [found, fresh] = vreg_numbers_.try_emplace({at, i, number}, static_cast<std::uint32_t>(vregs_.size()));
      if (fresh) vregs_.push_back({family.type, name});
      result.kind = Symbol::Kind::vreg;
      result.vreg = found->second;
      return result;
    }
    if (const auto variable = here.variables.find(name); variable != here.variables.end()) {
      result.kind = Symbol::Kind::variable;
      result.variable = &variable->second;
      return result;
    }
    if (const auto label = here.labels.find(name); label != here.labels.end()) {
      result.kind = Symbol::Kind::label;
      result.label = label->second;
      return result;
    }
  }
  for (const auto* list : {&function_.parameters, &function_.results, &context_.module->variables}) {
    for (const Variable& variable : *list) {
      if (variable.name != name) continue;
      if (variable.in_register) {
        const auto [found, fresh] = parameter_vregs_.try_emplace(&variable, static_cast<std::uint32_t>(vregs_.size()));
        if (fresh) vregs_.push_back({variable.type, variable.name});
        result.kind = Symbol::Kind::vreg;
        result.vreg = found->second;
        return result;
      }
      result.kind = Symbol::Kind::variable;
      result.variable = &variable;
      return result;
    }
  }
  return result;
}

std::uint32_t FunctionDecoder::hidden_carry() {
  if (carry_ == kNoTarget) carry_ = temporary(Type::pred);
  return carry_;
}

void FunctionDecoder::refer(std::int32_t field, std::uint32_t vreg, bool write) {
  references_.push_back({static_cast<std::uint32_t>(drafts_.size() - 1), field, vreg, write});
}

std::uint32_t FunctionDecoder::frame_offset(const Variable& variable) {
  const auto [found, fresh] = frame_.try_emplace(&variable, 0);
  if (fresh) found->second = frame_slot(variable);
  return found->second;
}

std::uint32_t FunctionDecoder::frame_slot(const Variable& like) {
  const std::uint64_t alignment = std::max<std::size_t>(like.alignment, 1);
  const std::uint64_t offset = (frame_bytes_ + alignment - 1) / alignment * alignment;
  if (offset + like.bytes() > (1u << 24)) fail_unsupported(like.line, "more than 16 MiB of local memory");
  frame_bytes_ = static_cast<std::uint32_t>(offset + like.bytes());
  return static_cast<std::uint32_t>(offset);
}

std::uint64_t FunctionDecoder::parameter_offset(const Variable& variable) const {
  std::uint64_t offset = 0;
  for (const Variable& parameter : function_.parameters) {
    offset = (offset + parameter.alignment - 1) / parameter.alignment * parameter.alignment;
    if (&parameter == &variable) return offset;
    offset += parameter.bytes();
  }
  return offset;
}

std::uint32_t FunctionDecoder::shared_offset(const Variable& variable) {
  const auto found = context_.shared.find(&variable);
  if (found == context_.shared.end()) fail_syntax(variable.line, "a shared variable out of reach");
  return found->second;
}

void FunctionDecoder::declare_frame() {
  if (function_.entry) return;
  // The parameters and results lie in the callee's frame; a call copies them.
  for (const Variable& parameter : function_.parameters) frame_offset(parameter);
  for (const Variable& result : function_.results) frame_offset(result);
}

/// A callee whose parameters are registers reads them from its frame, where every call puts them.
void FunctionDecoder::load_register_parameters() {
  for (const Variable& parameter : function_.parameters) {
    if (!parameter.in_register) continue;
    const Symbol symbol = find(parameter.name, -1);
    drafts_.emplace_back();
    Draft& draft = drafts_.back();
    draft.in.guard = context_.constants.row(~0u, 0);
    draft.in.handler = lanes().load(Space::local, parameter.type, size_of(parameter.type));
    draft.in.size = static_cast<std::uint8_t>(size_of(parameter.type));
    draft.in.immediate = frame_offset(parameter);
    draft.in.flags = 2;  // the immediate alone is the address
    draft.note.line = parameter.line;
    draft.note.family = context_.family("ld.param");
    draft.note.space = Space::local;
    draft.note.traffic = InstructionNote::Traffic::load;
    draft.note.flow.rule = Flow::load;
    draft.note.flow.operation = draft.note.flow.width = static_cast<std::uint8_t>(size_of(parameter.type));
    draft.note.bytes = draft.in.size;
    draft.list.push_back(0);
    refer(kList, symbol.vreg, true);
  }
}

void FunctionDecoder::begin_draft(const Statement& statement) {
  drafts_.emplace_back();
  drafts_.back().note.line = statement.line;
  if (statement.guard.empty()) {
    drafts_.back().in.guard = context_.constants.row(~0u, 0);
    return;
  }
  const Symbol symbol = find(statement.guard, statement.scope);
  if (symbol.kind != Symbol::Kind::vreg || vreg(symbol.vreg).type != Type::pred) {
    fail_syntax(statement.line, quoted(statement.guard) + " is not a predicate");
  }
  drafts_.back().guarded = true;
  drafts_.back().in.guard_flip = statement.guard_negated ? ~0u : 0;
  refer(kGuard, symbol.vreg, false);
}

std::uint32_t FunctionDecoder::temporary(Type type) {
  vregs_.push_back({type, "a carry or an intermediate result"});
  return static_cast<std::uint32_t>(vregs_.size() - 1);
}

void FunctionDecoder::statement(const Statement& statement) {
  first_draft_.push_back(static_cast<std::uint32_t>(drafts_.size()));
  if (statement.kind != Statement::Kind::instruction) return;
  begin_draft(statement);
  if (!expand_specials(statement)) build_instruction(*this, statement);
}

void FunctionDecoder::run() {
  declare_frame();
  load_register_parameters();
  for (const Statement& each : function_.statements) statement(each);
  // Running off the end returns.
  first_draft_.push_back(static_cast<std::uint32_t>(drafts_.size()));
  drafts_.emplace_back();
  Draft& last = drafts_.back();
  last.in.guard = context_.constants.row(~0u, 0);
  last.in.handler = control::ret;
  last.falls_through = false;
  last.note.line = function_.statements.empty() ? function_.line : function_.statements.back().line;
  last.note.family = context_.family("ret");
  for (Draft& draft : drafts_) {
    for (std::uint32_t& target : draft.targets) target = first_draft_[target];
  }
  allocate_registers();
  finish();
}

/// Only in a kernel's own body: what lies behind a barrier of a function may come again with the next call.
void FunctionDecoder::mark_barriers() {
  std::vector<std::uint32_t> barriers;
  for (std::uint32_t i = 0; i < drafts_.size(); ++i) {
    const Instruction& in = drafts_[i].in;
    if (in.handler == control::barrier && (in.flags & kBarrierCounted) == 0) barriers.push_back(i);
  }
  const std::vector<std::uint32_t> places = behind(drafts_, barriers);
  Program& program = *context_.program;
  for (std::size_t k = 0; k < barriers.size(); ++k) {
    if (places[k] == kNoTarget || program.places_behind == 0xFFFFu) continue;
    InstructionNote& place = drafts_[places[k]].note;
    if (place.place_behind == 0) place.place_behind = static_cast<std::uint16_t>(++program.places_behind);
    drafts_[barriers[k]].note.behind = place.place_behind;
  }
}

/// References come instruction by instruction.
void FunctionDecoder::note_uses(std::uint32_t base) {
  Program& program = *context_.program;
  program.uses.resize(base + drafts_.size());
  for (std::size_t i = 0; i < references_.size();) {
    const std::size_t begin = i;
    const std::uint32_t at = references_[begin].instruction;
    while (i < references_.size() && references_[i].instruction == at) ++i;
    ValueUse& use = program.uses[base + at];
    use.first = static_cast<std::uint32_t>(program.use_list.size());
    for (const bool writes : {false, true}) {
      for (std::size_t k = begin; k < i; ++k) {
        if (references_[k].write != writes) continue;
        program.use_list.push_back(program.values + references_[k].vreg);
        ++(writes ? use.writes : use.reads);
      }
    }
  }
  program.values += static_cast<std::uint32_t>(vregs_.size());
  for (const VirtualRegister& vreg : vregs_) program.value_names.push_back(context_.register_name(vreg.name));
}

void FunctionDecoder::finish() {
  if (number_ == 0) mark_barriers();
  Program& program = *context_.program;
  const auto base = static_cast<std::uint32_t>(program.code.size());
  note_uses(base);
  note_footprints(base);
  for (Draft& draft : drafts_) {
    if (draft.in.handler == control::branch) draft.in.immediate = base + draft.targets[0];
    if (draft.in.handler == control::branch_indexed) {
      for (const std::uint32_t target : draft.targets) draft.list.push_back(static_cast<RowOperand>(base + target));
    }
    if (!draft.list.empty()) {
      program.lists.push_back(std::move(draft.list));
      draft.in.list = program.lists.back().data();
    }
    program.code.push_back(draft.in);
    program.notes.push_back(draft.note);
  }
  FunctionFrame frame;
  frame.register_bytes = register_bytes_;
  frame.local_bytes = (frame_bytes_ + 15u) & ~15u;
  frame.code = base;
  frame.signature = signature_of(function_);
  frame.address = address_of(*context_.module, function_);
  note_unwritten(frame);
  if (program.functions.size() <= number_) program.functions.resize(number_ + 1);
  program.functions[number_] = frame;
  if (number_ == 0) program.entry = base;
}

}  // namespace emulator::ptx
