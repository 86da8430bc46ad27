// The fastest configuration that is known for this GPU; the first run finds it, later ones look it up.
#include <cstdio>
#include <cstdlib>
#include <osdn/tuner.hpp>

int main(int argc, char** argv) {  // no argument: the GPU; ./libosdn_emulator.so: a machine without one
  auto engine = osdn::Engine::create({.driver_library = argc > 1 ? argv[1] : ""}).value_or_throw();
  const osdn::Problem problem{.type = osdn::ElementType::fp32, .k = 16, .v = 16};
  const osdn::Shape shape{.b = 1, .t = 200, .h = 2, .hv = 2};
  const osdn::TuningBudget budget{.seconds = 60, .trials = argc > 2 ? std::atoi(argv[2]) : 0};

  auto tuner = osdn::Tuner::create(engine, {.mode = osdn::TuningMode::tune, .budget = budget}).value_or_throw();
  auto [forward, provenance] = tuner.prepare(problem, shape).value_or_throw();

  std::printf("%s: %s\n", osdn::name(provenance->source), provenance->explanation.c_str());
  std::printf("%s\n", osdn::to_string(forward.config()).c_str());  // forward.launch(…) as ever
}
