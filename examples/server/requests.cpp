#include "server/requests.hpp"

#include <cmath>
#include <random>

namespace server {
namespace {

void draw_unit(std::mt19937& random, float* to) {
  std::normal_distribution<float> normal;
  float squares = 0;
  for (int i = 0; i < features; ++i) {
    to[i] = normal(random);
    squares += to[i] * to[i];
  }
  for (int i = 0; i < features; ++i) to[i] /= std::sqrt(squares);
}

}  // namespace

void fill(const Request& request, int token, const Row& row) {
  std::mt19937 random(static_cast<unsigned>(request.id * 65536 + token));
  for (int head = 0; head < key_heads; ++head) {
    draw_unit(random, row.q + head * features);
    draw_unit(random, row.k + head * features);
  }
  for (int head = 0; head < heads; ++head) {
    draw_unit(random, row.v + head * features);
    row.beta[head] = std::uniform_real_distribution<float>(0.1F, 0.9F)(random);
  }
}

Rows::Rows(int tokens)
    : q(static_cast<std::size_t>(tokens) * key_heads * features),
      k(q.size()),
      v(static_cast<std::size_t>(tokens) * heads * features),
      beta(static_cast<std::size_t>(tokens) * heads) {}

Row Rows::row(int at) {
  const auto token = static_cast<std::size_t>(at);
  return {&q[token * key_heads * features], &k[token * key_heads * features], &v[token * heads * features],
          &beta[token * heads]};
}

void Rows::fill(const Request& request, int first_token, int at, int count) {
  for (int i = 0; i < count; ++i) server::fill(request, first_token + i, row(at + i));
}

std::optional<Request> Inbox::take() {
  const std::lock_guard lock(mutex_);
  if (next_ == requests_.size()) return std::nullopt;
  return requests_[next_++];
}

}  // namespace server
