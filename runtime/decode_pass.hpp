// Decoding steps in the words of the forward pass, and back: what both have in common is handled once.
#pragma once

#include "osdn/arguments.hpp"
#include "osdn/engine.hpp"

namespace osdn::runtime {

/// What a step and a pass have in common under the same names.
template <class From, class To>
void copy_common(const From& a, To& out) {
  out.shape = a.shape;
  out.hyperparameters = a.hyperparameters;
  out.q = a.q;
  out.k = a.k;
  out.v = a.v;
  out.beta = a.beta;
  out.log_gamma = a.log_gamma;
  out.cu_seqlens = a.cu_seqlens;
  out.cu_seqlens_type = a.cu_seqlens_type;
  out.o = a.o;
  out.q_strides = a.q_strides;
  out.k_strides = a.k_strides;
  out.v_strides = a.v_strides;
  out.o_strides = a.o_strides;
  out.beta_strides = a.beta_strides;
  out.log_gamma_strides = a.log_gamma_strides;
  out.checkpoint_every = a.checkpoint_every;
  out.checkpoint_state = a.checkpoint_state;
  out.checkpoint_d = a.checkpoint_d;
}

/// The pools as initial and final states, in place where no others are given.
[[nodiscard]] inline ForwardArguments pass_of(const DecodeArguments& a) {
  ForwardArguments out;
  copy_common(a, out);
  out.initial_state = a.state;
  out.initial_d = a.d;
  out.final_state = a.output_state != 0 ? a.output_state : a.state;
  out.final_d = a.output_d != 0 ? a.output_d : a.d;
  return out;
}

/// A pass as one step: sequence n has row n, initial states are read and final ones written.
[[nodiscard]] inline DecodeArguments step_of(const ForwardArguments& a) {
  DecodeArguments out;
  copy_common(a, out);
  out.state = a.initial_state;
  out.d = a.initial_d;
  out.output_state = a.final_state;
  out.output_d = a.final_d;
  return out;
}

/// Runs a pass by whichever operation this is.
inline expected<void> launch_pass(const PreparedOperation& operation, const ForwardArguments& arguments,
                                  Stream stream = nullptr) {
  return operation.problem().operation == Operation::osdn_decode ? operation.launch(step_of(arguments), stream)
                                                                 : operation.launch(arguments, stream);
}

}  // namespace osdn::runtime
