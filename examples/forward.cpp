#include <cstdio>
#include <osdn/engine.hpp>
#include <random>
#include <vector>

int main(int argc, char** argv) {  // no argument: the GPU; ./libosdn_emulator.so: a machine without one
  auto engine = osdn::Engine::create({.driver_library = argc > 1 ? argv[1] : ""}).value_or_throw();
  auto forward = engine.prepare({.type = osdn::ElementType::fp32, .k = 64, .v = 64}).value_or_throw();
  const osdn::Shape shape{.b = 2, .t = 100, .h = 4, .hv = 4};  // q, k, v, o: [2,100,4,64]; beta: [2,100,4]
  std::mt19937 random(1);
  auto tensor = [&](std::size_t count) {
    std::vector<float> values(count);
    for (float& x : values) x = std::uniform_real_distribution<float>(0.0F, 0.2F)(random);
    auto buffer = engine.allocate(count * sizeof(float)).value_or_throw();
    buffer.upload(values.data()).value_or_throw();
    return buffer;
  };
  auto q = tensor(51200), k = tensor(51200), v = tensor(51200), beta = tensor(800), o = tensor(51200);
  auto workspace = engine.allocate(forward.workspace_bytes(shape)).value_or_throw();
  osdn::ForwardArguments arguments{.shape = shape, .q = q.address(), .k = k.address(), .v = v.address()};
  arguments.beta = beta.address(), arguments.o = o.address();
  arguments.workspace = workspace.address(), arguments.workspace_bytes = workspace.bytes();
  forward.launch(arguments).value_or_throw();
  std::vector<float> result(51200);
  o.download(result.data()).value_or_throw();
  std::printf("%s: o[0] = %.6f, o[51199] = %.6f\n", engine.device().name.c_str(), result.front(), result.back());
}
