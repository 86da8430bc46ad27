// Case files: one forward problem that describes itself, with its answers if they are known. docs/case-files.md
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "osdn/error.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"
#include "reference/forward.hpp"
#include "reference/safetensors.hpp"

namespace osdn::reference {

/// A forward problem with its inputs, as stored: what is uploaded is what was in the file.
struct Case {
  Problem problem;
  Shape shape;
  Numbers numbers;
  safetensors::Tensor q, k, v, beta;
  std::optional<safetensors::Tensor> log_gamma, initial_state, initial_d;
  std::optional<safetensors::Tensor> cu_seqlens;  ///< I64 or I32
  std::vector<std::string> unknown;               ///< metadata and tensors that a case does not have
};

/// The right answers. final_d is empty without a preconditioner.
struct Expected {
  std::vector<double> o;
  std::vector<double> final_state;
  std::vector<double> final_d;
};

/// What running a case gives, as it is stored: o in the element type, the final states in fp32.
struct Outputs {
  safetensors::Tensor o;
  safetensors::Tensor final_state;
  std::optional<safetensors::Tensor> final_d;
};

/// Reads the inputs, never `expected.*`. Everything is checked: types, shapes, ranges, cu_seqlens, and that every
/// number is finite. Errors: io, corrupt, invalid_argument, each naming the file, the field, what it was and what is
/// allowed.
expected<Case> load_case(const safetensors::Reader& file);
expected<Case> load_case(const std::string& path);

/// Reads `expected.*`; nothing when the file has none.
expected<std::optional<Expected>> load_expected(const safetensors::Reader& file, const Case& problem);

/// The case as a file; `answers` may be null.
expected<void> store_case(const std::string& path, const Case& problem, const Expected* answers);

/// Writes `o`, `final_state` and, where there is one, `final_d`.
expected<void> store_outputs(const std::string& path, const Case& problem, const Outputs& outputs);

/// The inputs of a case as doubles, owned.
class CaseInputs {
 public:
  explicit CaseInputs(const Case& problem);
  [[nodiscard]] const ForwardInputs& view() const { return view_; }
  CaseInputs(const CaseInputs&) = delete;
  CaseInputs& operator=(const CaseInputs&) = delete;

 private:
  std::vector<double> q_, k_, v_, beta_, log_gamma_, initial_state_, initial_d_;
  std::vector<std::int64_t> cu_seqlens_;
  ForwardInputs view_;
};

/// The float64 answers of a case, computed. Errors: as forward().
expected<Expected> solve(const Case& problem);

/// Answers rounded to what a kernel would store.
Outputs to_outputs(const Case& problem, const Expected& answers);

}  // namespace osdn::reference
