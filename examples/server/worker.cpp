#include "server/worker.hpp"

#include <algorithm>

namespace server {
namespace {

constexpr std::size_t word = sizeof(float);
constexpr std::size_t state_bytes = word * heads * features * features;
constexpr std::size_t d_bytes = word * heads * features;
constexpr std::size_t key_bytes = word * key_heads * features;  // of a token
constexpr std::size_t value_bytes = word * heads * features;

}  // namespace

osdn::Problem prompt_problem() {
  return {.type = osdn::ElementType::fp32, .k = features, .v = features};
}

osdn::Problem step_problem() {
  osdn::Problem problem = prompt_problem();
  problem.operation = osdn::Operation::osdn_decode;
  return problem;
}

osdn::Shape prompt_shape(int tokens) {
  return {.b = 1, .t = tokens, .h = key_heads, .hv = heads};
}

osdn::Shape step_shape() {
  return {.b = batch, .t = 1, .h = key_heads, .hv = heads};
}

osdn::DeviceBuffer Worker::room(std::size_t bytes) {
  return engine_.allocate(bytes).value_or_throw();
}

Worker::Worker(const Cuda& cuda, osdn::Engine engine, osdn::Tuner tuner)
    : cuda_(cuda),
      engine_(std::move(engine)),
      tuner_(std::move(tuner)),
      queue_(cuda),
      states_(room(batch * state_bytes)),
      d_(room(batch * d_bytes)),
      table_(room(batch * sizeof(std::int32_t))),
      q_(room(batch * key_bytes)),
      k_(room(batch * key_bytes)),
      v_(room(batch * value_bytes)),
      beta_(room(batch * heads * word)),
      o_(room(batch * value_bytes)),
      prompt_q_(room(longest_prompt * key_bytes)),
      prompt_k_(room(longest_prompt * key_bytes)),
      prompt_v_(room(longest_prompt * value_bytes)),
      prompt_beta_(room(longest_prompt * heads * word)),
      prompt_o_(room(longest_prompt * value_bytes)),
      slots_(batch),
      rows_(batch, -1),
      step_rows_(batch),
      prompt_rows_(longest_prompt),
      outputs_(batch * heads * features) {
  std::size_t most = 0;
  for (int tokens = 1; tokens <= longest_prompt; ++tokens) {  // other lengths may have other configurations
    const auto prompt = tuner_.prepare(prompt_problem(), prompt_shape(tokens)).value_or_throw().operation;
    most = std::max(most, prompt.workspace_bytes(prompt_shape(tokens)));
  }
  workspace_ = room(most);
  const auto step = tuner_.prepare(step_problem(), step_shape()).value_or_throw().operation;
  graph_.emplace(cuda_, queue_, [&] { step.launch(step_arguments(), queue_.stream()).value_or_throw(); });
}

osdn::DecodeArguments Worker::step_arguments() const {
  osdn::DecodeArguments step{.shape = step_shape(), .q = q_.address(), .k = k_.address(), .v = v_.address()};
  step.beta = beta_.address(), step.o = o_.address();
  step.slots = batch, step.state = states_.address(), step.d = d_.address(), step.state_slots = table_.address();
  return step;
}

/// A prompt's pass leaves its state in the row of its slot.
void Worker::admit(const Request& request, int slot) {
  const auto begin = Clock::now();
  const auto tokens = static_cast<std::size_t>(request.prompt);
  prompt_rows_.fill(request, 0, 0, request.prompt);
  queue_.upload(prompt_q_.address(), prompt_rows_.q.data(), tokens * key_bytes);
  queue_.upload(prompt_k_.address(), prompt_rows_.k.data(), tokens * key_bytes);
  queue_.upload(prompt_v_.address(), prompt_rows_.v.data(), tokens * value_bytes);
  queue_.upload(prompt_beta_.address(), prompt_rows_.beta.data(), tokens * heads * word);

  osdn::ForwardArguments pass{.shape = prompt_shape(request.prompt)};
  pass.q = prompt_q_.address(), pass.k = prompt_k_.address(), pass.v = prompt_v_.address();
  pass.beta = prompt_beta_.address(), pass.o = prompt_o_.address();
  pass.final_state = states_.address() + static_cast<std::uint64_t>(slot) * state_bytes;
  pass.final_d = d_.address() + static_cast<std::uint64_t>(slot) * d_bytes;
  pass.workspace = workspace_.address(), pass.workspace_bytes = workspace_.bytes();
  const auto prompt = tuner_.prepare(prompt_problem(), pass.shape, queue_.stream()).value_or_throw().operation;
  prompt.launch(pass, queue_.stream()).value_or_throw();
  queue_.wait();

  slots_[static_cast<std::size_t>(slot)] = Sequence{request};
  rows_[static_cast<std::size_t>(slot)] = slot;
  metrics_.prefill_seconds.push_back(seconds_since(begin));
  metrics_.prompt_tokens += request.prompt;
}

/// One new token of every sequence that sits in a slot.
void Worker::step() {
  const auto begin = Clock::now();
  for (int slot = 0; slot < batch; ++slot) {
    const auto& sequence = slots_[static_cast<std::size_t>(slot)];
    if (sequence) step_rows_.fill(sequence->request, sequence->request.prompt + sequence->done, slot, 1);
  }
  queue_.upload(table_.address(), rows_.data(), table_.bytes());
  queue_.upload(q_.address(), step_rows_.q.data(), q_.bytes());
  queue_.upload(k_.address(), step_rows_.k.data(), k_.bytes());
  queue_.upload(v_.address(), step_rows_.v.data(), v_.bytes());
  queue_.upload(beta_.address(), step_rows_.beta.data(), beta_.bytes());
  const auto launch = Clock::now();
  graph_->launch(queue_);
  metrics_.launch_seconds.push_back(seconds_since(launch));
  queue_.download(outputs_.data(), o_.address(), o_.bytes());
  queue_.wait();
  metrics_.step_seconds.push_back(seconds_since(begin));
}

void Worker::serve(Inbox& inbox, std::vector<std::vector<float>>& answers) {
  cuda_.make_current();
  for (;;) {
    bool busy = false;
    for (int slot = 0; slot < batch; ++slot) {
      auto& sequence = slots_[static_cast<std::size_t>(slot)];
      if (!sequence) {
        if (const auto request = inbox.take()) admit(*request, slot);
      }
      busy = busy || sequence;
    }
    if (!busy) return;
    step();
    for (int slot = 0; slot < batch; ++slot) {
      auto& sequence = slots_[static_cast<std::size_t>(slot)];
      if (!sequence) continue;
      ++metrics_.new_tokens;
      if (++sequence->done < sequence->request.steps) continue;
      const float* row = &outputs_[static_cast<std::size_t>(slot) * heads * features];
      answers[static_cast<std::size_t>(sequence->request.id)].assign(row, row + heads * features);
      ++metrics_.requests;
      sequence.reset();
      rows_[static_cast<std::size_t>(slot)] = -1;
    }
  }
}

}  // namespace server
