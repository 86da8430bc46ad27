// Arguments from tensors as DLPack describes them (dlpack.h of dmlc/dlpack, version 1.0).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "capi/handles.hpp"
#include "capi/problem.hpp"
#include "capi/structs.hpp"
#include "osdn/log_gamma.hpp"

namespace osdn::capi {
namespace {

// DLDeviceType and DLDataTypeCode.
constexpr int32_t dl_cuda = 2;
constexpr int32_t dl_cuda_managed = 13;
constexpr unsigned dl_int = 0;
constexpr unsigned dl_float = 2;
constexpr unsigned dl_bfloat = 4;

struct Type {
  unsigned code;
  unsigned bits;
  std::string_view name;

  [[nodiscard]] bool is(const osdn_dl_tensor& tensor) const {
    return tensor.dtype.code == code && tensor.dtype.bits == bits && tensor.dtype.lanes == 1;
  }
};
constexpr Type fp32{dl_float, 32, "float32"};
constexpr Type int32{dl_int, 32, "int32"};
constexpr Type int64{dl_int, 64, "int64"};

Type type_of(ElementType type) {
  if (type == ElementType::fp32) return fp32;
  return type == ElementType::bf16 ? Type{dl_bfloat, 16, "bfloat16"} : Type{dl_float, 16, "float16"};
}

std::string text_of(const osdn_dl_tensor& tensor) {
  const auto kind = tensor.dtype.code == dl_int      ? "int"
                    : tensor.dtype.code == dl_float  ? "float"
                    : tensor.dtype.code == dl_bfloat ? "bfloat"
                                                     : "type code ";
  std::string out = kind;
  if (tensor.dtype.code != dl_int && tensor.dtype.code != dl_float && tensor.dtype.code != dl_bfloat) {
    out += fmt::format("{}, bits ", tensor.dtype.code);
  }
  out += std::to_string(tensor.dtype.bits);
  if (tensor.dtype.lanes != 1) out += fmt::format("x{}", tensor.dtype.lanes);
  return out;
}

/// A tensor that was given, and what it is called.
struct Given {
  std::string_view name;
  const osdn_dl_tensor* tensor;

  [[nodiscard]] std::span<const int64_t> shape() const {
    return {tensor->shape, static_cast<std::size_t>(tensor->ndim)};
  }
  [[nodiscard]] uint64_t address() const {
    return reinterpret_cast<std::uintptr_t>(tensor->data) + tensor->byte_offset;
  }
};

Error wrong(const Given& given, std::string_view what) {
  return invalid(fmt::format("tensor {}: {}", given.name, what));
}

/// Reads tensors of one call: sizes are learned from the first that has them.
class Reader {
 public:
  explicit Reader(const osdn_operation& operation)
      : device_(operation.books->device), problem_(operation.operation.problem()) {}

  /// -1: not known yet.
  int64_t b = -1, t = -1, h = -1, hv = -1, n = -1, slots = -1, checkpoints = -1;

  [[nodiscard]] const Problem& problem() const { return problem_; }
  [[nodiscard]] Type element() const { return type_of(problem_.type); }
  [[nodiscard]] Type beta() const { return problem_.beta_type == BetaType::fp32 ? fp32 : element(); }
  [[nodiscard]] Type state() const {
    return problem_.state_type == StateType::bf16 ? type_of(ElementType::bf16) : fp32;
  }

  /// One axis: its name, where its size is kept, or which size it must have.
  struct Axis {
    std::string_view name;
    int64_t* size = nullptr;
    int64_t fixed = -1;
  };

  expected<void> check(const Given& given, std::initializer_list<Type> types, std::span<const Axis> axes) {
    const osdn_dl_tensor& tensor = *given.tensor;
    if (tensor.device.device_type != dl_cuda && tensor.device.device_type != dl_cuda_managed) {
      return wrong(given, fmt::format("it is on a device of DLPack's type {}; allowed: 2 (CUDA) and 13 (CUDA managed)",
                                      tensor.device.device_type));
    }
    if (tensor.device.device_id != device_.ordinal) {
      return wrong(given, fmt::format("it is on device {}, but the engine is on device {} ({})",
                                      tensor.device.device_id, device_.ordinal, device_.name));
    }
    bool good = false;
    std::string names;
    for (const Type& type : types) {
      good = good || type.is(tensor);
      names += fmt::format("{}{}", names.empty() ? "" : " or ", type.name);
    }
    if (!good) return wrong(given, fmt::format("it is of {}; wanted: {}", text_of(tensor), names));
    return check_shape(given, axes);
  }

 private:
  static std::string wanted(std::span<const Axis> axes) {
    std::string out;
    for (const Axis& axis : axes) {
      const int64_t size = axis.size != nullptr ? *axis.size : axis.fixed;
      out += fmt::format("{}{}", out.empty() ? "" : ",", axis.name);
      if (size >= 0) out += fmt::format("={}", size);
    }
    return "[" + out + "]";
  }

  static expected<void> check_shape(const Given& given, std::span<const Axis> axes) {
    const osdn_dl_tensor& tensor = *given.tensor;
    if (tensor.ndim < 0 || (tensor.ndim > 0 && tensor.shape == nullptr)) return wrong(given, "it has no shape");
    // Garbage is refused before anything is read that it claims to have: no tensor of the interface has half as many.
    if (tensor.ndim > 8) return wrong(given, fmt::format("it has {} axes; wanted: {}", tensor.ndim, wanted(axes)));
    const auto shape = given.shape();
    bool good = shape.size() == axes.size();
    for (std::size_t i = 0; good && i < axes.size(); ++i) {
      const int64_t size = axes[i].size != nullptr ? *axes[i].size : axes[i].fixed;
      good = shape[i] >= 0 && (size < 0 || size == shape[i]);
    }
    if (!good) {
      return wrong(given, fmt::format("its shape is [{}]; wanted: {}", fmt::join(shape, ","), wanted(axes)));
    }
    int64_t elements = 1;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (__builtin_mul_overflow(elements, shape[i], &elements)) {
        return wrong(given, fmt::format("its shape is [{}], more elements than 63 bits count", fmt::join(shape, ",")));
      }
      if (axes[i].size != nullptr) *axes[i].size = shape[i];
    }
    return {};
  }

  const DeviceDescription& device_;
  const Problem& problem_;
};

using Axis = Reader::Axis;

bool is_empty(const Given& given) {
  for (const int64_t size : given.shape()) {
    if (size == 0) return true;
  }
  return false;
}

/// Where nothing may lie between rows.
expected<void> check_dense(const Given& given) {
  if (given.tensor->strides == nullptr || is_empty(given)) return {};
  int64_t step = 1;
  for (std::size_t i = given.shape().size(); i-- > 0;) {
    const int64_t size = given.shape()[i];
    if (size != 1 && given.tensor->strides[i] != step) {
      return wrong(given,
                   fmt::format("its strides are [{}], but it must be contiguous",
                               fmt::join(given.tensor->strides, given.tensor->strides + given.shape().size(), ",")));
    }
    step *= size;
  }
  return {};
}

/// The strides of [batch, token, head] of a tensor that has these axes, from its axis `first` on, and behind them the
/// features, if `features`.
expected<osdn_strides> strides_of(const Given& given, bool features) {
  osdn_strides out{};
  if (given.tensor->strides == nullptr || is_empty(given)) return out;
  const std::size_t rows = given.shape().size() - (features ? 1 : 0);
  const int64_t* const strides = given.tensor->strides;
  if (features && given.shape()[rows] != 1 && strides[rows] != 1) {
    return wrong(given,
                 fmt::format("the stride of its last axis is {}; its features must lie side by side", strides[rows]));
  }
  int64_t* const into[] = {&out.batch, &out.token, &out.head};
  for (std::size_t i = 0; i < rows; ++i) {
    if (given.shape()[i] == 1) continue;  // as dense as it can be
    if (strides[i] <= 0) {
      return wrong(given, fmt::format("the stride of its axis {} is {}; it must be positive: expanded and flipped "
                                      "tensors must be copied first",
                                      i, strides[i]));
    }
    *into[3 - rows + i] = strides[i];
  }
  return out;
}

/// A tensor with rows: checks it and says where it lies.
expected<void> rows(Reader& reader, const Given& given, Type type, std::span<const Axis> axes, bool features,
                    uint64_t& address, osdn_strides& strides) {
  if (given.tensor == nullptr) return {};
  if (auto good = reader.check(given, {type}, axes); !good) return good;
  const auto found = strides_of(given, features);
  if (!found) return found.error();
  strides = *found;
  address = given.address();
  return {};
}

/// One without gaps.
expected<void> dense(Reader& reader, const Given& given, std::initializer_list<Type> types,
                     std::initializer_list<Axis> axes, uint64_t& address) {
  if (given.tensor == nullptr) return {};
  if (auto good = reader.check(given, types, {axes.begin(), axes.size()}); !good) return good;
  if (auto good = check_dense(given); !good) return good;
  address = given.address();
  return {};
}

template <class Tensors>
expected<void> check_presence(const Tensors& tensors) {
  for (const Given& given : {Given{"q", tensors.q}, Given{"k", tensors.k}, Given{"v", tensors.v},
                             Given{"beta", tensors.beta}, Given{"o", tensors.o}}) {
    if (given.tensor == nullptr) return wrong(given, "it is NULL, but every launch needs it");
  }
  return {};
}

template <class Arguments>
expected<void> log_gamma(Reader& reader, const osdn_dl_tensor* tensor, Arguments& out) {
  const Given given{"log_gamma", tensor};
  const LogGammaAxes has = log_gamma_axes(reader.problem().apf);
  if (has.any()) {
    std::array<Axis, 4> axes;
    std::size_t count = 0;
    if (has.tokens) {
      axes[count++] = {"B", &reader.b};
      axes[count++] = {"T", &reader.t};
    }
    if (has.heads) axes[count++] = {"HV", &reader.hv};
    if (has.features) axes[count++] = {"K", nullptr, reader.problem().k};
    return rows(reader, given, fp32, std::span(axes).first(count), has.features, out.log_gamma, out.log_gamma_strides);
  }
  if (tensor == nullptr) return {};
  return wrong(given, "the operation takes none: prepare it with apf=per_head, per_token or per_channel");
}

/// q, k, v, beta, log_gamma, o and cu_seqlens, and with them the sizes.
template <class Tensors, class Arguments>
expected<void> pass(Reader& reader, const Tensors& in, Arguments& out) {
  if (auto good = check_presence(in); !good) return good;
  const Problem& problem = reader.problem();
  const Axis b{"B", &reader.b};
  const Axis t{"T", &reader.t};
  const Axis hv{"HV", &reader.hv};
  const Axis keys[] = {b, t, {"H", &reader.h}, {"K", nullptr, problem.k}};
  const Axis values[] = {b, t, hv, {"V", nullptr, problem.v}};
  const Axis scalars[] = {b, t, hv};
  const Type element = reader.element();
  if (auto good = rows(reader, {"q", in.q}, element, keys, true, out.q, out.q_strides); !good) return good;
  if (auto good = rows(reader, {"k", in.k}, element, keys, true, out.k, out.k_strides); !good) return good;
  if (auto good = rows(reader, {"v", in.v}, element, values, true, out.v, out.v_strides); !good) return good;
  if (auto good = rows(reader, {"o", in.o}, element, values, true, out.o, out.o_strides); !good) return good;
  if (auto good = rows(reader, {"beta", in.beta}, reader.beta(), scalars, false, out.beta, out.beta_strides); !good) {
    return good;
  }
  if (auto good = log_gamma(reader, in.log_gamma, out); !good) return good;
  int64_t boundaries = -1;
  if (auto good = dense(reader, {"cu_seqlens", in.cu_seqlens}, {int64, int32}, {{"N+1", &boundaries}}, out.cu_seqlens);
      !good) {
    return good;
  }
  if (in.cu_seqlens != nullptr) {
    if (boundaries < 2) return wrong({"cu_seqlens", in.cu_seqlens}, "it needs at least two entries: 0 and T");
    out.cu_seqlens_bits = in.cu_seqlens->dtype.bits;
    out.n = boundaries - 1;
  }
  out.b = reader.b;
  out.t = reader.t;
  out.h = reader.h;
  out.hv = reader.hv;
  reader.n = in.cu_seqlens != nullptr ? out.n : out.b;
  return {};
}

/// States and d of sequences, slots or checkpoints.
expected<void> states(Reader& reader, std::string_view state_name, const osdn_dl_tensor* state, Type type,
                      std::string_view d_name, const osdn_dl_tensor* d, const Axis& axis, uint64_t& state_address,
                      uint64_t& d_address) {
  const Axis hv{"HV", &reader.hv};
  const Axis k{"K", nullptr, reader.problem().k};
  const Axis v{"V", nullptr, reader.problem().v};
  if (auto good = dense(reader, {state_name, state}, {type}, {axis, hv, k, v}, state_address); !good) return good;
  return dense(reader, {d_name, d}, {fp32}, {axis, hv, k}, d_address);
}

expected<void> checkpoints(Reader& reader, const osdn_dl_tensor* state, const osdn_dl_tensor* d, Type type,
                           int64_t every, uint64_t& state_address, uint64_t& d_address) {
  if (state == nullptr && d == nullptr) return {};
  if (every <= 0) return invalid("checkpoints were given, but arguments->checkpoint_every is not set");
  reader.checkpoints = reader.b * reader.t / every;
  return states(reader, "checkpoint_state", state, type, "checkpoint_d", d, {"B*T/every", &reader.checkpoints},
                state_address, d_address);
}

expected<void> forward(const osdn_operation& operation, const osdn_forward_tensors& in, osdn_forward_arguments& out) {
  Reader reader(operation);
  if (auto good = pass(reader, in, out); !good) return good;
  const Axis n{"N", &reader.n};
  if (auto good = states(reader, "initial_state", in.initial_state, fp32, "initial_d", in.initial_d, n,
                         out.initial_state, out.initial_d);
      !good) {
    return good;
  }
  if (auto good =
          states(reader, "final_state", in.final_state, fp32, "final_d", in.final_d, n, out.final_state, out.final_d);
      !good) {
    return good;
  }
  return checkpoints(reader, in.checkpoint_state, in.checkpoint_d, fp32, out.checkpoint_every, out.checkpoint_state,
                     out.checkpoint_d);
}

expected<void> decode(const osdn_operation& operation, const osdn_decode_tensors& in, osdn_decode_arguments& out) {
  Reader reader(operation);
  if (auto good = pass(reader, in, out); !good) return good;
  const Axis slots{"slots", &reader.slots};
  if (auto good = states(reader, "state", in.state, reader.state(), "d", in.d, slots, out.state, out.d); !good) {
    return good;
  }
  if (auto good = states(reader, "output_state", in.output_state, reader.state(), "output_d", in.output_d, slots,
                         out.output_state, out.output_d);
      !good) {
    return good;
  }
  if (reader.slots >= 0) out.slots = reader.slots;
  const Axis n{"N", &reader.n};
  if (auto good = dense(reader, {"state_slots", in.state_slots}, {int32}, {n}, out.state_slots); !good) return good;
  if (auto good = dense(reader, {"output_slots", in.output_slots}, {int32}, {n}, out.output_slots); !good) return good;
  return checkpoints(reader, in.checkpoint_state, in.checkpoint_d, reader.state(), out.checkpoint_every,
                     out.checkpoint_state, out.checkpoint_d);
}

template <class Tensors, class Arguments, class Fill>
osdn_status from_tensors(const osdn_operation* operation, const Tensors* tensors, Arguments* arguments,
                         const Arguments& defaults, Operation wanted, Fill&& fill) noexcept {
  return guarded([&]() -> expected<void> {
    if (auto good = check(operation); !good) return good;
    if (operation->operation.problem().operation != wanted) {
      return invalid(fmt::format("operation is {}; these are tensors of {}",
                                 wanted == Operation::osdn_decode ? "osdn_forward" : "osdn_decode",
                                 wanted == Operation::osdn_decode ? "osdn_decode" : "osdn_forward"));
    }
    Tensors none{};
    none.struct_size = sizeof(none);
    const auto in = read("tensors", tensors, none);
    if (!in) return in.error();
    const auto given = read("arguments", arguments, defaults);
    if (!given) return given.error();
    Arguments out = *given;
    if (auto good = fill(*operation, *in, out); !good) return good;
    return write("arguments", out, arguments);
  });
}

}  // namespace
}  // namespace osdn::capi

using namespace osdn;
using namespace osdn::capi;

osdn_status osdn_forward_from_dlpack(const osdn_operation* operation, const osdn_forward_tensors* tensors,
                                     osdn_forward_arguments* arguments) {
  return from_tensors(operation, tensors, arguments, default_forward(), Operation::osdn_forward, forward);
}

osdn_status osdn_decode_from_dlpack(const osdn_operation* operation, const osdn_decode_tensors* tensors,
                                    osdn_decode_arguments* arguments) {
  return from_tensors(operation, tensors, arguments, default_decode(), Operation::osdn_decode, decode);
}
