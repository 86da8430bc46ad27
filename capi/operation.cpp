// Operations: preparing, asking and launching.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "capi/handles.hpp"
#include "capi/problem.hpp"
#include "capi/structs.hpp"

namespace osdn::capi {
namespace {

expected<void> prepare(osdn_engine* engine, const expected<Problem>& problem, const char* configuration,
                       osdn_operation** operation) {
  if (auto good = check(engine); !good) return good;
  if (!problem) return problem.error();
  std::optional<Config> config;
  if (configuration != nullptr) {
    const auto parsed = parse_config(configuration);
    if (!parsed) return parsed.error();
    config = *parsed;
  }
  auto prepared = engine->engine.prepare(*problem, config);
  if (!prepared) return prepared.error();
  return hand_out(*std::move(prepared), nullptr, engine->books, operation);
}

void describe(const osdn_operation& operation) {
  std::call_once(operation.described, [&] {
    operation.problem = to_string(operation.operation.problem());
    operation.configuration = to_string(operation.operation.config());
  });
}

osdn_kernel to_c(const KernelReport& kernel) {
  osdn_kernel out{};
  out.struct_size = sizeof(out);
  out.name = kernel.name.c_str();
  out.phase = kernel.phase.c_str();
  out.arch = kernel.arch.c_str();
  out.source = kernel.source.c_str();
  out.compile_ms = kernel.compile_ms;
  out.threads = kernel.threads;
  out.registers = kernel.registers;
  out.spill_bytes = kernel.spill_bytes;
  out.stack_bytes = kernel.stack_bytes;
  out.static_shared_bytes = kernel.static_shared_bytes;
  out.dynamic_shared_bytes = kernel.dynamic_shared_bytes;
  out.image_bytes = kernel.image_bytes;
  return out;
}

template <class Arguments>
osdn_status launch(const osdn_operation* operation, const Arguments* arguments, void* stream) noexcept {
  return guarded([&]() -> expected<void> {
    if (auto good = check(operation); !good) return good;
    const auto given = from_c(arguments);
    if (!given) return given.error();
    return operation->operation.launch(*given, stream);
  });
}

}  // namespace

expected<void> hand_out(PreparedOperation operation, std::shared_ptr<const TuningProvenance> provenance,
                        const std::shared_ptr<Books>& books, osdn_operation** out) {
  *out = new osdn_operation{.operation = std::move(operation), .books = books, .provenance = std::move(provenance)};
  books->prepared.fetch_add(1, std::memory_order_relaxed);
  return {};
}

}  // namespace osdn::capi

using namespace osdn;
using namespace osdn::capi;

osdn_status osdn_prepare(osdn_engine* engine, const osdn_problem* problem, const char* configuration,
                         osdn_operation** operation) {
  return guarded([&]() -> expected<void> {
    if (auto good = check_out("operation", operation); !good) return good;
    *operation = nullptr;
    return prepare(engine, from_c(problem), configuration, operation);
  });
}

osdn_status osdn_prepare_text(osdn_engine* engine, const char* problem, const char* configuration,
                              osdn_operation** operation) {
  return guarded([&]() -> expected<void> {
    if (auto good = check_out("operation", operation); !good) return good;
    *operation = nullptr;
    if (problem == nullptr) return invalid("problem is NULL: it must be a text such as osdn_forward:k=64,v=64");
    return prepare(engine, parse_problem(problem), configuration, operation);
  });
}

void osdn_operation_destroy(osdn_operation* operation) {
  silently([&] { destroy(operation, Kind::operation); });
}

osdn_status osdn_workspace_bytes(const osdn_operation* operation, const osdn_shape* shape, uint64_t* bytes) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(operation); !good) return good;
    if (auto good = check_out("bytes", bytes); !good) return good;
    const auto given = from_c(shape);
    if (!given) return given.error();
    *bytes = operation->operation.workspace_bytes(*given);
    return {};
  });
}

osdn_status osdn_operation_problem(const osdn_operation* operation, osdn_problem* problem) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(operation); !good) return good;
    return write("problem", to_c(operation->operation.problem()), problem);
  });
}

const char* osdn_operation_problem_text(const osdn_operation* operation) {
  const osdn_status status = guarded([&]() -> expected<void> {
    if (auto good = check(operation); !good) return good;
    describe(*operation);
    return {};
  });
  return status == OSDN_OK ? operation->problem.c_str() : nullptr;
}

const char* osdn_operation_configuration(const osdn_operation* operation) {
  const osdn_status status = guarded([&]() -> expected<void> {
    if (auto good = check(operation); !good) return good;
    describe(*operation);
    return {};
  });
  return status == OSDN_OK ? operation->configuration.c_str() : nullptr;
}

osdn_status osdn_operation_kernels(const osdn_operation* operation, uint64_t* count) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(operation); !good) return good;
    if (auto good = check_out("count", count); !good) return good;
    *count = operation->operation.kernels().size();
    return {};
  });
}

osdn_status osdn_operation_kernel(const osdn_operation* operation, uint64_t index, osdn_kernel* kernel) {
  return guarded([&]() -> expected<void> {
    if (auto good = check(operation); !good) return good;
    const auto& kernels = operation->operation.kernels();
    if (index >= kernels.size()) {
      return invalid(fmt::format("index was {}; this operation has {} kernels", index, kernels.size()));
    }
    return write("kernel", to_c(kernels[index]), kernel);
  });
}

osdn_status osdn_launch_forward(const osdn_operation* operation, const osdn_forward_arguments* arguments,
                                void* stream) {
  return launch(operation, arguments, stream);
}

osdn_status osdn_launch_decode(const osdn_operation* operation, const osdn_decode_arguments* arguments, void* stream) {
  return launch(operation, arguments, stream);
}
