// A prompt through the forward pass, then token after token through the step kernel, its state in a row of a pool.
#include <cstdint>
#include <cstdio>
#include <osdn/engine.hpp>
#include <random>
#include <vector>

int main(int argc, char** argv) {  // no argument: the GPU; ./libosdn_emulator.so: a machine without one
  auto engine = osdn::Engine::create({.driver_library = argc > 1 ? argv[1] : ""}).value_or_throw();
  osdn::Problem problem{.type = osdn::ElementType::fp32, .k = 64, .v = 64};
  auto forward = engine.prepare(problem).value_or_throw();
  problem.operation = osdn::Operation::osdn_decode;
  auto decode = engine.prepare(problem).value_or_throw();

  constexpr int sequences = 2, heads = 4, prompt = 40, steps = 10, rows = 6;  // the pool serves more than these two
  constexpr int token = heads * 64, state = heads * 64 * 64, d = heads * 64;
  std::mt19937 random(1);
  auto tensor = [&](std::size_t count) {
    std::vector<float> values(count);
    for (float& x : values) x = std::uniform_real_distribution<float>(0.0F, 0.2F)(random);
    auto buffer = engine.allocate(count * sizeof(float)).value_or_throw();
    buffer.upload(values.data()).value_or_throw();
    return buffer;
  };
  auto states = engine.allocate(sizeof(float) * rows * state).value_or_throw();
  auto ds = engine.allocate(sizeof(float) * rows * d).value_or_throw();
  auto table = engine.allocate(sizeof(std::int32_t) * (sequences + 1)).value_or_throw();
  const std::int32_t slots[sequences + 1] = {3, 1, -1};  // the batch is padded to three: the last one is skipped
  table.upload(slots).value_or_throw();

  // Prompts, one at a time: the pass leaves its final state in the sequence's row.
  for (int n = 0; n < sequences; ++n) {
    auto q = tensor(prompt * token), k = tensor(prompt * token), v = tensor(prompt * token);
    auto beta = tensor(prompt * heads), o = tensor(prompt * token);
    const osdn::Shape shape{.b = 1, .t = prompt, .h = heads, .hv = heads};
    auto workspace = engine.allocate(forward.workspace_bytes(shape)).value_or_throw();
    osdn::ForwardArguments pass{.shape = shape, .q = q.address(), .k = k.address(), .v = v.address()};
    pass.beta = beta.address(), pass.o = o.address();
    pass.final_state = states.address() + sizeof(float) * state * static_cast<std::uint64_t>(slots[n]);
    pass.final_d = ds.address() + sizeof(float) * d * static_cast<std::uint64_t>(slots[n]);
    pass.workspace = workspace.address(), pass.workspace_bytes = workspace.bytes();
    forward.launch(pass).value_or_throw();
    engine.synchronize().value_or_throw();
  }

  // Then a token of each sequence a step, states in place.
  std::vector<float> result((sequences + 1) * token);
  for (int i = 0; i < steps; ++i) {
    auto q = tensor(result.size()), k = tensor(result.size()), v = tensor(result.size()), o = tensor(result.size());
    auto beta = tensor((sequences + 1) * heads);
    osdn::DecodeArguments step{.shape = {.b = sequences + 1, .t = 1, .h = heads, .hv = heads}};
    step.q = q.address(), step.k = k.address(), step.v = v.address(), step.beta = beta.address();
    step.o = o.address();
    step.slots = rows, step.state = states.address(), step.d = ds.address(), step.state_slots = table.address();
    decode.launch(step).value_or_throw();
    o.download(result.data()).value_or_throw();
  }
  std::printf("%s: o[0] = %.6f, o[%d] = %.6f\n", engine.device().name.c_str(), result[0], sequences * token - 1,
              result[sequences * token - 1]);
}
