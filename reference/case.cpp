#include "reference/case.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "osdn/log_gamma.hpp"
#include "reference/case_fields.hpp"
#include "reference/tensor.hpp"

namespace osdn::reference {
namespace {

using safetensors::DType;
using safetensors::Tensor;

constexpr std::array<std::string_view, 8> input_names = {
    "q", "k", "v", "beta", "log_gamma", "initial_state", "initial_d", "cu_seqlens"};

Error invalid(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), {}};
}

/// Reads tensors of one file by name, checked against a type and a shape.
class TensorLoader {
 public:
  explicit TensorLoader(const safetensors::Reader& file) : file_(file) {}

  /// The tensor's header entry; an error when it is absent or has another number of dimensions.
  expected<safetensors::TensorInfo> info(std::string_view field, std::string_view layout, std::size_t rank) const {
    const auto* found = file_.find(field);
    if (found == nullptr) return invalid(fmt::format("{} is missing; allowed: a case has {} {}", field, field, layout));
    if (found->shape.size() != rank) {
      return invalid(
          fmt::format("{} has the shape {}; allowed: {}", field, safetensors::shape_text(found->shape), layout));
    }
    return *found;
  }

  expected<Tensor> load(std::string_view field, std::string_view layout, const std::vector<std::int64_t>& shape,
                        const std::vector<DType>& types) const {
    auto found = info(field, layout, shape.size());
    if (!found) return found.error();
    if (found->shape != shape) {
      return invalid(fmt::format("{} has the shape {}; allowed: {} = {}", field, safetensors::shape_text(found->shape),
                                 layout, safetensors::shape_text(shape)));
    }
    if (std::find(types.begin(), types.end(), found->dtype) == types.end()) {
      std::string allowed;
      for (const DType type : types) allowed += fmt::format("{}{}", allowed.empty() ? "" : " or ", name(type));
      return invalid(fmt::format("{} has the type {}; allowed: {}", field, name(found->dtype), allowed));
    }
    return file_.load(field);
  }

  expected<std::optional<Tensor>> load_optional(std::string_view field, std::string_view layout,
                                                const std::vector<std::int64_t>& shape,
                                                const std::vector<DType>& types) const {
    if (file_.find(field) == nullptr) return std::optional<Tensor>{};
    auto tensor = load(field, layout, shape, types);
    if (!tensor) return tensor.error();
    return std::optional<Tensor>(*std::move(tensor));
  }

 private:
  const safetensors::Reader& file_;
};

/// Sizes come from the shapes of q, v and cu_seqlens; the element type from q.
expected<void> read_sizes(const safetensors::Reader& file, const TensorLoader& tensors, Case& out) {
  auto q = tensors.info("q", "[B,T,H,K]", 4);
  if (!q) return q.error();
  auto v = tensors.info("v", "[B,T,HV,V]", 4);
  if (!v) return v.error();
  const auto type = element_type_of(q->dtype);
  if (!type) {
    return invalid(fmt::format("q has the type {}; allowed: F32, F16 or BF16", name(q->dtype)));
  }
  constexpr std::int64_t most = std::int64_t{1} << 31;
  for (const auto& [field, shape] : {std::pair("q", q->shape), std::pair("v", v->shape)}) {
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const std::int64_t least = i == 1 ? 0 : 1;  // T may be 0
      if (shape[i] < least || shape[i] >= most) {
        return invalid(fmt::format("{} has the shape {}; allowed: sizes from {} to {} in dimension {}", field,
                                   safetensors::shape_text(shape), least, most - 1, i));
      }
    }
  }
  out.problem.type = *type;
  out.problem.k = static_cast<int>(q->shape[3]);
  out.problem.v = static_cast<int>(v->shape[3]);
  out.shape = {q->shape[0], q->shape[1], q->shape[2], v->shape[2], 0};
  if (out.shape.hv % out.shape.h != 0) {
    return invalid(
        fmt::format("v has {} heads (HV); allowed: a multiple of the {} heads of q (H)", out.shape.hv, out.shape.h));
  }
  if (file.find("cu_seqlens") != nullptr) {
    auto starts = tensors.info("cu_seqlens", "[N+1]", 1);
    if (!starts) return starts.error();
    if (starts->shape[0] < 2 || starts->shape[0] > most) {
      return invalid(fmt::format("cu_seqlens has the shape {}; allowed: [N+1] with N of 1 and more",
                                 safetensors::shape_text(starts->shape)));
    }
    out.shape.n = starts->shape[0] - 1;
    if (out.shape.b != 1) {
      return invalid(fmt::format("q has B = {} with cu_seqlens; allowed: 1, packed sequences", out.shape.b));
    }
  }
  return {};
}

/// A header of a few bytes can ask for states of any size: B, HV, K and V of a case without tokens cost nothing in the
/// file.
expected<void> check_memory(const Case& problem) {
  const std::int64_t sizes[] = {problem.shape.sequences(), problem.shape.hv, problem.problem.k, problem.problem.v, 16};
  std::int64_t needed = 1;  // the states in float64, of the input and of the answer
  bool beyond = false;
  for (const std::int64_t size : sizes) beyond = __builtin_mul_overflow(needed, size, &needed) || beyond;
  const std::int64_t there = std::int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  if (!beyond && needed <= there) return {};
  return Error{
      ErrorCode::out_of_memory,
      fmt::format("q and v ask for final states of [{}, {}, {}, {}]; allowed: what fits the {} MiB of memory",
                  problem.shape.sequences(), problem.shape.hv, problem.problem.k, problem.problem.v, there >> 20),
      {}};
}

expected<void> read_tensors(const safetensors::Reader& file, const TensorLoader& tensors, Case& out) {
  const auto [b, t, h, hv, n] = out.shape;
  const std::int64_t k = out.problem.k;
  const std::int64_t v = out.problem.v;
  const std::int64_t sequences = out.shape.sequences();
  const DType element = dtype_of(out.problem.type);

  const auto keep = [](Tensor& to, expected<Tensor> from) -> expected<void> {
    if (!from) return from.error();
    to = *std::move(from);
    return {};
  };
  const auto keep_optional = [](std::optional<Tensor>& to, expected<std::optional<Tensor>> from) -> expected<void> {
    if (!from) return from.error();
    to = *std::move(from);
    return {};
  };
  if (auto ok = keep(out.q, tensors.load("q", "[B,T,H,K]", {b, t, h, k}, {element})); !ok) return ok;
  if (auto ok = keep(out.k, tensors.load("k", "[B,T,H,K]", {b, t, h, k}, {element})); !ok) return ok;
  if (auto ok = keep(out.v, tensors.load("v", "[B,T,HV,V]", {b, t, hv, v}, {element})); !ok) return ok;
  std::vector<DType> beta_types = {DType::f32};
  if (element != DType::f32) beta_types.push_back(element);
  if (auto ok = keep(out.beta, tensors.load("beta", "[B,T,HV]", {b, t, hv}, beta_types)); !ok) return ok;
  out.problem.beta_type = out.beta.dtype == DType::f32 ? BetaType::fp32 : BetaType::element;

  if (auto ok = keep_optional(
          out.initial_state,
          tensors.load_optional("initial_state", "[N,HV,K,V]", {sequences, hv, k, v}, {state_dtype_of(out.problem)}));
      !ok) {
    return ok;
  }
  if (auto ok = keep_optional(out.initial_d,
                              tensors.load_optional("initial_d", "[N,HV,K]", {sequences, hv, k}, {DType::f32}));
      !ok) {
    return ok;
  }
  if (auto ok = keep_optional(out.cu_seqlens,
                              tensors.load_optional("cu_seqlens", "[N+1]", {n + 1}, {DType::i64, DType::i32}));
      !ok) {
    return ok;
  }

  const std::vector<std::int64_t> shape = log_gamma_shape(out.problem, out.shape);
  if (shape.empty()) {
    if (file.find("log_gamma") == nullptr) return {};
    return invalid("the tensor log_gamma is given; allowed: only with apf = per_head, per_token or per_channel");
  }
  const LogGammaAxes has = log_gamma_axes(out.problem.apf);
  std::string layout =
      fmt::format("[{}{}{}", has.tokens ? "B,T," : "", has.heads ? "HV," : "", has.features ? "K," : "");
  layout.back() = ']';
  auto log_gamma = tensors.load("log_gamma", layout, shape, {DType::f32});
  if (!log_gamma) return log_gamma.error();
  out.log_gamma = *std::move(log_gamma);
  return {};
}

expected<void> check_finite(std::string_view field, const Tensor& tensor, double most, std::string_view allowed) {
  const std::vector<double> values = to_doubles(tensor);
  const auto bad = std::find_if(values.begin(), values.end(),
                                [most](double value) { return !std::isfinite(value) || value > most; });
  if (bad == values.end()) return {};
  return invalid(fmt::format("{}, element {} of {}, is {}; allowed: {}", field, bad - values.begin(),
                             safetensors::shape_text(tensor.shape), *bad, allowed));
}

expected<void> check_values(const Case& problem) {
  constexpr double any = std::numeric_limits<double>::max();
  const std::pair<std::string_view, const Tensor*> tensors[] = {
      {"q", &problem.q},
      {"k", &problem.k},
      {"v", &problem.v},
      {"beta", &problem.beta},
      {"initial_state", problem.initial_state ? &*problem.initial_state : nullptr},
      {"initial_d", problem.initial_d ? &*problem.initial_d : nullptr}};
  for (const auto& [field, tensor] : tensors) {
    if (tensor == nullptr) continue;
    if (auto ok = check_finite(field, *tensor, any, "finite numbers"); !ok) return ok;
  }
  if (problem.log_gamma) return check_finite("log_gamma", *problem.log_gamma, 0.0, "finite numbers of 0 and less");
  return {};
}

expected<Case> load_checked(const safetensors::Reader& file) {
  Case out;
  const TensorLoader tensors(file);
  if (auto ok = read_metadata(file.header().metadata, out); !ok) return ok.error();
  if (auto ok = read_sizes(file, tensors, out); !ok) return ok.error();
  if (auto ok = check_memory(out); !ok) return ok.error();
  if (auto ok = read_tensors(file, tensors, out); !ok) return ok.error();
  if (auto ok = check_values(out); !ok) return ok.error();
  const CaseInputs inputs(out);
  if (auto ok = validate(inputs.view()); !ok) return ok.error();
  for (const auto& [tensor, info] : file.header().tensors) {
    const bool known = std::find(input_names.begin(), input_names.end(), tensor) != input_names.end();
    if (!known && tensor.rfind("expected.", 0) != 0) out.unknown.push_back("tensor " + tensor);
  }
  return out;
}

}  // namespace

expected<Case> load_case(const safetensors::Reader& file) {
  auto out = load_checked(file);
  if (out) return out;
  Error error = std::move(out).error();
  if (error.message.rfind(file.path(), 0) != 0) error.message = fmt::format("{}: {}", file.path(), error.message);
  return error;
}

expected<Case> load_case(const std::string& path) {
  auto file = safetensors::Reader::open(path);
  if (!file) return file.error();
  return load_case(*file);
}

expected<std::optional<Expected>> load_expected(const safetensors::Reader& file, const Case& problem) {
  if (file.find("expected.o") == nullptr) return std::optional<Expected>{};
  const auto [b, t, h, hv, n] = problem.shape;
  const std::int64_t k = problem.problem.k;
  const std::int64_t v = problem.problem.v;
  const std::int64_t sequences = problem.shape.sequences();
  const struct {
    const char* field;
    const char* layout;
    std::vector<std::int64_t> shape;
    std::vector<double> Expected::*to;
    bool present;
  } answers[] = {{"expected.o", "[B,T,HV,V]", {b, t, hv, v}, &Expected::o, true},
                 {"expected.final_state", "[N,HV,K,V]", {sequences, hv, k, v}, &Expected::final_state, true},
                 {"expected.final_d",
                  "[N,HV,K]",
                  {sequences, hv, k},
                  &Expected::final_d,
                  problem.problem.precondition != Precondition::none}};
  Expected out;
  for (const auto& answer : answers) {
    if (!answer.present) continue;
    auto tensor = TensorLoader(file).load(answer.field, answer.layout, answer.shape, {DType::f64, DType::f32});
    if (!tensor) {
      Error error = std::move(tensor).error();
      error.message = fmt::format("{}: {}", file.path(), error.message);
      return error;
    }
    out.*answer.to = to_doubles(*tensor);
  }
  return std::optional<Expected>(std::move(out));
}

expected<void> store_case(const std::string& path, const Case& problem, const Expected* answers) {
  std::map<std::string, Tensor> tensors = {
      {"q", problem.q}, {"k", problem.k}, {"v", problem.v}, {"beta", problem.beta}};
  if (problem.log_gamma) tensors["log_gamma"] = *problem.log_gamma;
  if (problem.initial_state) tensors["initial_state"] = *problem.initial_state;
  if (problem.initial_d) tensors["initial_d"] = *problem.initial_d;
  if (problem.cu_seqlens) tensors["cu_seqlens"] = *problem.cu_seqlens;
  if (answers != nullptr) {
    const std::int64_t hv = problem.shape.hv;
    const std::int64_t k = problem.problem.k;
    const std::int64_t sequences = problem.shape.sequences();
    tensors["expected.o"] = to_tensor(answers->o, problem.v.shape, DType::f64);
    tensors["expected.final_state"] =
        to_tensor(answers->final_state, {sequences, hv, k, problem.problem.v}, DType::f64);
    if (problem.problem.precondition != Precondition::none) {
      tensors["expected.final_d"] = to_tensor(answers->final_d, {sequences, hv, k}, DType::f64);
    }
  }
  return safetensors::write(path, metadata_of(problem), tensors);
}

expected<void> store_outputs(const std::string& path, const Case& problem, const Outputs& outputs) {
  std::map<std::string, Tensor> tensors = {{"o", outputs.o}, {"final_state", outputs.final_state}};
  if (outputs.final_d) tensors["final_d"] = *outputs.final_d;
  return safetensors::write(path, metadata_of(problem), tensors);
}

CaseInputs::CaseInputs(const Case& problem)
    : q_(to_doubles(problem.q)), k_(to_doubles(problem.k)), v_(to_doubles(problem.v)), beta_(to_doubles(problem.beta)) {
  if (problem.log_gamma) log_gamma_ = to_doubles(*problem.log_gamma);
  if (problem.initial_state) initial_state_ = to_doubles(*problem.initial_state);
  if (problem.initial_d) initial_d_ = to_doubles(*problem.initial_d);
  if (problem.cu_seqlens) cu_seqlens_ = to_integers(*problem.cu_seqlens);
  view_ = {problem.problem, problem.shape, problem.numbers, q_,         k_,         v_,
           beta_,           log_gamma_,    initial_state_,  initial_d_, cu_seqlens_};
}

expected<Expected> solve(const Case& problem) {
  const CaseInputs inputs(problem);
  auto out = forward(inputs.view());
  if (!out) return out.error();
  return Expected{std::move(out->o), std::move(out->final_state), std::move(out->final_d)};
}

Outputs to_outputs(const Case& problem, const Expected& answers) {
  const std::int64_t hv = problem.shape.hv;
  const std::int64_t k = problem.problem.k;
  const std::int64_t sequences = problem.shape.sequences();
  Outputs out;
  out.o = to_tensor(answers.o, problem.v.shape, dtype_of(problem.problem.type));
  out.final_state =
      to_tensor(answers.final_state, {sequences, hv, k, problem.problem.v}, state_dtype_of(problem.problem));
  out.final_d = to_tensor(answers.final_d, {sequences, hv, k}, DType::f32);
  return out;
}

}  // namespace osdn::reference
