#include "bench/device/run.hpp"

#include <cmath>
#include <utility>

#include "cli/run_case.hpp"
#include "reference/tensor.hpp"

namespace osdn::bench {
namespace {

using reference::Case;
using reference::Outputs;
using safetensors::Tensor;
using tests::States;

cli::FinalStates final_states_of(States states) {
  switch (states) {
    case States::none:
      return cli::FinalStates::none;
    case States::aliased:
      return cli::FinalStates::in_place;
    case States::out:
    case States::in_and_out:
      break;
  }
  return cli::FinalStates::apart;
}

}  // namespace

expected<Outputs> run(Engine& engine, const PreparedOperation& operation, const Case& problem, States states,
                      IndexType index_type) {
  auto done = cli::run_case(engine, operation, problem, {final_states_of(states), index_type});
  if (!done) return done.error();
  return std::move(done->outputs);
}

std::vector<reference::Verdict> judge(const Case& problem, const reference::Expected& answers, const Outputs& outputs,
                                      States states) {
  if (states != States::none) return reference::judge(problem, answers, outputs);
  Outputs judged = reference::to_outputs(problem, answers);  // stands in for what nobody asked for
  judged.o = outputs.o;
  auto verdicts = reference::judge(problem, answers, judged);
  std::erase_if(verdicts, [](const reference::Verdict& verdict) { return verdict.tensor != "o"; });
  return verdicts;
}

std::vector<double> part_errors(const Tensor& found, const std::vector<double>& right, std::size_t parts) {
  const std::vector<double> values = reference::to_doubles(found);
  std::vector<double> out;
  for (std::size_t part = 0; part < parts; ++part) {
    double error = 0;
    double whole = 0;
    for (std::size_t i = right.size() * part / parts; i < right.size() * (part + 1) / parts; ++i) {
      error += (values[i] - right[i]) * (values[i] - right[i]);
      whole += right[i] * right[i];
    }
    out.push_back(std::sqrt(error / whole));
  }
  return out;
}

double relative_difference(const Tensor& a, const Tensor& b) {
  return a.data == b.data ? 0 : part_errors(a, reference::to_doubles(b), 1).front();
}

}  // namespace osdn::bench
