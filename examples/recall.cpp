// Associative recall: a DeltaNet and an OSDN read the same pairs ("France: Paris") again and again and are asked for
// all of them after every reading. Keys are letters and letter groups hashed into 64 numbers, so similar names are
// similar keys and get into each other's way.
//
//   example_recall PAIRS.txt RESIDUALS.svg [DRIVER]     DRIVER: ./libosdn_emulator.so on a machine without a GPU
//
// One launch each: the readings and the questions are one sequence, a question is a token with β = 0 (it writes
// nothing, d stays as it is), and three value heads read with three values of β.
#include <cstdio>
#include <exception>
#include <osdn/engine.hpp>
#include <string>
#include <vector>

#include "recall/curves.hpp"
#include "recall/text.hpp"
#include "recall/tokens.hpp"

namespace {

using recall::betas;
using recall::features;
using recall::passes;
using recall::Tokens;

/// o of one pass over all tokens, [T, heads, features].
std::vector<float> forward(osdn::Engine& engine, osdn::Precondition precondition, const Tokens& tokens) {
  osdn::Problem problem{.type = osdn::ElementType::fp32, .k = features, .v = features, .precondition = precondition};
  auto operation = engine.prepare(problem).value_or_throw();
  auto upload = [&](const std::vector<float>& values) {
    auto buffer = engine.allocate(values.size() * sizeof(float)).value_or_throw();
    buffer.upload(values.data()).value_or_throw();
    return buffer;
  };
  const auto q = upload(tokens.q);
  const auto k = upload(tokens.k);
  const auto v = upload(tokens.v);
  const auto beta = upload(tokens.beta);
  const auto o = engine.allocate(tokens.v.size() * sizeof(float)).value_or_throw();
  const auto workspace = engine.allocate(operation.workspace_bytes(tokens.shape)).value_or_throw();

  osdn::ForwardArguments arguments{.shape = tokens.shape, .q = q.address(), .k = k.address(), .v = v.address()};
  arguments.hyperparameters = recall::hyperparameters;
  arguments.beta = beta.address(), arguments.o = o.address();
  arguments.workspace = workspace.address(), arguments.workspace_bytes = workspace.bytes();
  operation.launch(arguments).value_or_throw();

  std::vector<float> result(tokens.v.size());
  o.download(result.data()).value_or_throw();
  return result;
}

int run(const char* pairs_file, const char* picture, const char* driver) {
  const auto pairs = recall::read_pairs(pairs_file);
  std::vector<std::vector<float>> values;
  for (const recall::Pair& pair : pairs) values.push_back(recall::signature(pair.value, features));
  const Tokens tokens = recall::make_tokens(pairs, values);

  auto engine = osdn::Engine::create({.driver_library = driver}).value_or_throw();
  const auto delta_net = forward(engine, osdn::Precondition::none, tokens);
  const auto osdn_net = forward(engine, osdn::Precondition::osdn, tokens);

  std::printf("%s: %zu pairs, %d readings, %lld tokens\n", engine.device().name.c_str(), pairs.size(), passes,
              static_cast<long long>(tokens.shape.t));
  std::vector<recall::Curve> curves;
  for (std::size_t head = 0; head < betas.size(); ++head) {
    for (const bool preconditioned : {false, true}) {
      recall::Curve curve = recall::judge(preconditioned ? osdn_net : delta_net, values, head);
      curve.name = std::string(preconditioned ? "OSDN" : "DeltaNet") + ", β = " + recall::short_text(betas[head]);
      curve.dashed = !preconditioned;
      std::printf("%-20s residual %.4f after 1 reading, %.4f after %d; right: %d, %d of %zu\n", curve.name.c_str(),
                  curve.residuals.front(), curve.residuals.back(), passes, curve.right.front(), curve.right.back(),
                  pairs.size());
      curves.push_back(std::move(curve));
    }
  }
  recall::draw(curves, picture);
  std::printf("drawn: %s\n", picture);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s PAIRS.txt RESIDUALS.svg [DRIVER]\n", argv[0]);
    return 2;
  }
  try {
    return run(argv[1], argv[2], argc > 3 ? argv[3] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
