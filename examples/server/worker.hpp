// One thread of the server: a stream, a batch of slots, and the loop that keeps them busy.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "osdn/engine.hpp"
#include "osdn/tuner.hpp"
#include "server/cuda.hpp"
#include "server/metrics.hpp"
#include "server/requests.hpp"

namespace server {

inline constexpr int batch = 4;  // sequences that a worker decodes at the same time

osdn::Problem prompt_problem();
osdn::Problem step_problem();
osdn::Shape prompt_shape(int tokens);
osdn::Shape step_shape();

class Worker {
 public:
  Worker(const Cuda& cuda, osdn::Engine engine, osdn::Tuner tuner);

  /// Serves until the inbox is empty. The last new token's o of request i goes to answers[i].
  void serve(Inbox& inbox, std::vector<std::vector<float>>& answers);
  const Metrics& metrics() const { return metrics_; }

 private:
  struct Sequence {
    Request request;
    int done = 0;  // new tokens
  };

  osdn::DeviceBuffer room(std::size_t bytes);
  osdn::DecodeArguments step_arguments() const;
  void admit(const Request& request, int slot);
  void step();

  const Cuda& cuda_;
  osdn::Engine engine_;
  osdn::Tuner tuner_;
  Queue queue_;

  // The pools and a step's tensors keep their addresses, so one recorded graph serves every step.
  osdn::DeviceBuffer states_, d_, table_, q_, k_, v_, beta_, o_;
  // A prompt's; the workspace is one per launch in flight, and this worker has one stream.
  osdn::DeviceBuffer prompt_q_, prompt_k_, prompt_v_, prompt_beta_, prompt_o_, workspace_;
  std::optional<Graph> graph_;

  std::vector<std::optional<Sequence>> slots_;
  std::vector<std::int32_t> rows_;  // of the table: a slot's own number, −1 where nobody sits
  Rows step_rows_;
  Rows prompt_rows_;
  std::vector<float> outputs_;
  Metrics metrics_;
};

}  // namespace server
