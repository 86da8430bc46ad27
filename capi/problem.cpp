#include "capi/problem.hpp"

#include <fmt/format.h>

#include <cstring>
#include <string>

#include "capi/structs.hpp"

namespace osdn::capi {
namespace {

template <class Enum>
constexpr bool same(Enum ours, int theirs) {
  return static_cast<int>(ours) == theirs;
}
static_assert(same(Operation::osdn_forward, OSDN_OPERATION_FORWARD) &&
              same(Operation::osdn_decode, OSDN_OPERATION_DECODE));
static_assert(same(ElementType::bf16, OSDN_TYPE_BF16) && same(ElementType::fp16, OSDN_TYPE_FP16) &&
              same(ElementType::fp32, OSDN_TYPE_FP32));
static_assert(same(Fp32Math::tf32, OSDN_MATH_TF32) && same(Fp32Math::tf32x3, OSDN_MATH_TF32X3));
static_assert(same(Precondition::none, OSDN_PRECONDITION_NONE) && same(Precondition::osdn, OSDN_PRECONDITION_OSDN));
static_assert(same(Apf::none, OSDN_APF_NONE) && same(Apf::constant, OSDN_APF_CONSTANT) &&
              same(Apf::per_head, OSDN_APF_PER_HEAD) && same(Apf::per_token, OSDN_APF_PER_TOKEN) &&
              same(Apf::per_channel, OSDN_APF_PER_CHANNEL));
static_assert(same(Norm::max, OSDN_NORM_MAX) && same(Norm::add, OSDN_NORM_ADD) && same(Norm::one, OSDN_NORM_ONE));
static_assert(same(BetaType::fp32, OSDN_BETA_FP32) && same(BetaType::element, OSDN_BETA_ELEMENT));
static_assert(same(StateType::fp32, OSDN_STATE_FP32) && same(StateType::bf16, OSDN_STATE_BF16));
static_assert(same(Decay::none, OSDN_DECAY_NONE) && same(Decay::scalar, OSDN_DECAY_SCALAR) &&
              same(Decay::vector, OSDN_DECAY_VECTOR));
static_assert(same(Erase::none, OSDN_ERASE_NONE) && same(Erase::beta, OSDN_ERASE_BETA) &&
              same(Erase::vector, OSDN_ERASE_VECTOR));
static_assert(same(ValueCoefficient::one, OSDN_VALUE_ONE) && same(ValueCoefficient::beta, OSDN_VALUE_BETA) &&
              same(ValueCoefficient::vector, OSDN_VALUE_VECTOR));

// A reminder: what the C++ interface gained since these were written, its C form lacks. It would be dropped in silence.
static_assert(sizeof(Problem) == 60 && sizeof(Shape) == 40 && sizeof(Hyperparameters) == 32 && sizeof(Strides) == 24 &&
                  sizeof(ForwardArguments) == 352 && sizeof(DecodeArguments) == 360,
              "a new field is taken over in the C struct, in its defaults and in from_c; then correct these sizes");

expected<bool> truth(const char* name, int32_t value) {
  if (value == 0 || value == 1) return value == 1;
  return invalid(fmt::format("{} was {}; allowed: 0 or 1", name, value));
}

Strides from_c(const osdn_strides& given) {
  return {.batch = given.batch, .token = given.token, .head = given.head};
}

/// What both kinds of arguments have.
template <class Given, class Arguments>
expected<void> fill(const Given& a, Arguments& out) {
  out.shape = {.b = a.b, .t = a.t, .h = a.h, .hv = a.hv != 0 ? a.hv : a.h, .n = a.n};
  out.hyperparameters = {.eta = a.eta,
                         .d_min = a.d_min,
                         .d_max = a.d_max,
                         .norm_eps = a.norm_eps,
                         .anchor = a.anchor,
                         .log_gamma = a.log_gamma_constant};
  if (a.scale != 0.0F) out.hyperparameters.scale = a.scale;
  if (a.cu_seqlens_bits != 32 && a.cu_seqlens_bits != 64) {
    return invalid(fmt::format("arguments->cu_seqlens_bits was {}; allowed: 32 or 64", a.cu_seqlens_bits));
  }
  out.cu_seqlens_type = a.cu_seqlens_bits == 64 ? IndexType::int64 : IndexType::int32;
  out.q = a.q;
  out.k = a.k;
  out.v = a.v;
  out.beta = a.beta;
  out.log_gamma = a.log_gamma;
  out.cu_seqlens = a.cu_seqlens;
  out.o = a.o;
  out.q_strides = from_c(a.q_strides);
  out.k_strides = from_c(a.k_strides);
  out.v_strides = from_c(a.v_strides);
  out.o_strides = from_c(a.o_strides);
  out.beta_strides = from_c(a.beta_strides);
  out.log_gamma_strides = from_c(a.log_gamma_strides);
  return {};
}

/// The defaults that both begin with.
template <class Given>
void fill_defaults(Given& out) {
  const Hyperparameters defaults;
  out.struct_size = sizeof(Given);
  out.b = 1;
  out.h = 1;
  out.eta = defaults.eta;
  out.d_min = defaults.d_min;
  out.d_max = defaults.d_max;
  out.norm_eps = defaults.norm_eps;
  out.anchor = defaults.anchor;
  out.log_gamma_constant = defaults.log_gamma;
  out.cu_seqlens_bits = 64;
}

}  // namespace

osdn_problem to_c(const Problem& problem) {
  osdn_problem out{};
  out.struct_size = sizeof(out);
  out.operation = static_cast<int32_t>(problem.operation);
  out.type = static_cast<int32_t>(problem.type);
  out.k = problem.k;
  out.v = problem.v;
  out.precondition = static_cast<int32_t>(problem.precondition);
  out.apf = static_cast<int32_t>(problem.apf);
  out.norm = static_cast<int32_t>(problem.norm);
  out.beta_aware = problem.beta_aware ? 1 : 0;
  out.qk_l2norm = problem.qk_l2norm ? 1 : 0;
  out.beta_type = static_cast<int32_t>(problem.beta_type);
  out.math = static_cast<int32_t>(problem.math);
  out.state_type = static_cast<int32_t>(problem.state_type);
  out.decay = static_cast<int32_t>(problem.decay);
  out.erase = static_cast<int32_t>(problem.erase);
  out.value = static_cast<int32_t>(problem.value);
  out.micro_steps = problem.micro_steps;
  return out;
}

expected<Problem> from_c(const osdn_problem* problem) {
  const auto given = read("problem", problem, to_c({}));
  if (!given) return given.error();
  const auto beta_aware = truth("problem->beta_aware", given->beta_aware);
  if (!beta_aware) return beta_aware.error();
  const auto qk_l2norm = truth("problem->qk_l2norm", given->qk_l2norm);
  if (!qk_l2norm) return qk_l2norm.error();
  return canonical({.operation = static_cast<Operation>(given->operation),
                    .type = static_cast<ElementType>(given->type),
                    .k = given->k,
                    .v = given->v,
                    .precondition = static_cast<Precondition>(given->precondition),
                    .apf = static_cast<Apf>(given->apf),
                    .norm = static_cast<Norm>(given->norm),
                    .beta_aware = *beta_aware,
                    .qk_l2norm = *qk_l2norm,
                    .beta_type = static_cast<BetaType>(given->beta_type),
                    .math = static_cast<Fp32Math>(given->math),
                    .state_type = static_cast<StateType>(given->state_type),
                    .decay = static_cast<Decay>(given->decay),
                    .erase = static_cast<Erase>(given->erase),
                    .value = static_cast<ValueCoefficient>(given->value),
                    .micro_steps = given->micro_steps});
}

osdn_shape default_shape() {
  return {sizeof(osdn_shape), 1, 0, 1, 0, 0};
}

expected<Shape> from_c(const osdn_shape* shape) {
  const auto given = read("shape", shape, default_shape());
  if (!given) return given.error();
  const Shape out{
      .b = given->b, .t = given->t, .h = given->h, .hv = given->hv != 0 ? given->hv : given->h, .n = given->n};
  if (out.b == 0 && !out.packed()) return out;  // an empty batch needs nothing
  if (auto good = validate(out); !good) return std::move(good).error();
  return out;
}

osdn_forward_arguments default_forward() {
  osdn_forward_arguments out{};
  fill_defaults(out);
  return out;
}

osdn_decode_arguments default_decode() {
  osdn_decode_arguments out{};
  fill_defaults(out);
  return out;
}

expected<ForwardArguments> from_c(const osdn_forward_arguments* arguments) {
  const auto given = read("arguments", arguments, default_forward());
  if (!given) return given.error();
  ForwardArguments out;
  if (auto good = fill(*given, out); !good) return std::move(good).error();
  out.initial_state = given->initial_state;
  out.initial_d = given->initial_d;
  out.final_state = given->final_state;
  out.final_d = given->final_d;
  out.workspace = given->workspace;
  out.workspace_bytes = given->workspace_bytes;
  out.checkpoint_every = given->checkpoint_every;
  out.checkpoint_state = given->checkpoint_state;
  out.checkpoint_d = given->checkpoint_d;
  return out;
}

expected<DecodeArguments> from_c(const osdn_decode_arguments* arguments) {
  const auto given = read("arguments", arguments, default_decode());
  if (!given) return given.error();
  DecodeArguments out;
  if (auto good = fill(*given, out); !good) return std::move(good).error();
  out.slots = given->slots;
  out.state = given->state;
  out.d = given->d;
  out.state_slots = given->state_slots;
  out.output_state = given->output_state;
  out.output_d = given->output_d;
  out.output_slots = given->output_slots;
  out.checkpoint_every = given->checkpoint_every;
  out.checkpoint_state = given->checkpoint_state;
  out.checkpoint_d = given->checkpoint_d;
  return out;
}

}  // namespace osdn::capi

using namespace osdn;
using namespace osdn::capi;

osdn_status osdn_problem_init(osdn_problem* problem, size_t struct_size) {
  return guarded([&] { return write("problem", to_c({}), problem, struct_size); });
}

osdn_status osdn_problem_parse(const char* text, osdn_problem* problem) {
  return guarded([&]() -> expected<void> {
    if (text == nullptr) return invalid("text is NULL: it must be a problem's text, such as osdn_forward:k=64,v=64");
    const auto parsed = parse_problem(text);
    if (!parsed) return parsed.error();
    return write("problem", to_c(*parsed), problem);
  });
}

osdn_status osdn_problem_text(const osdn_problem* problem, char* text, size_t capacity, size_t* needed) {
  return guarded([&]() -> expected<void> {
    if (text == nullptr && capacity != 0) return invalid("text is NULL, but capacity is not 0");
    const auto given = from_c(problem);
    if (!given) return given.error();
    const std::string all = to_string(*given);
    if (needed != nullptr) *needed = all.size() + 1;
    if (capacity == 0) return {};
    const std::size_t length = all.size() < capacity ? all.size() : capacity - 1;
    std::memcpy(text, all.data(), length);
    text[length] = '\0';
    return {};
  });
}

osdn_status osdn_shape_init(osdn_shape* shape, size_t struct_size) {
  return guarded([&] { return write("shape", default_shape(), shape, struct_size); });
}

osdn_status osdn_forward_arguments_init(osdn_forward_arguments* arguments, size_t struct_size) {
  return guarded([&] { return write("arguments", default_forward(), arguments, struct_size); });
}

osdn_status osdn_decode_arguments_init(osdn_decode_arguments* arguments, size_t struct_size) {
  return guarded([&] { return write("arguments", default_decode(), arguments, struct_size); });
}
