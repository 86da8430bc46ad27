// What clients ask for: so many tokens of a prompt, so many new ones. Numbers in place of a model's activations are
// drawn from (request, token), so that any token can be made again when an answer is checked.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace server {

inline constexpr int key_heads = 2;
inline constexpr int heads = 4;
inline constexpr int features = 64;
inline constexpr int longest_prompt = 256;

struct Request {
  int id = 0;
  int prompt = 0;  // tokens
  int steps = 0;   // new tokens
};

/// One token's row of each tensor: q, k [key_heads, features], v [heads, features], beta [heads].
struct Row {
  float* q;
  float* k;
  float* v;
  float* beta;
};
void fill(const Request& request, int token, const Row& row);

/// Tokens first, first + 1, … of a request, one behind the other.
struct Rows {
  explicit Rows(int tokens);
  void fill(const Request& request, int first_token, int at, int count);
  Row row(int at);

  std::vector<float> q, k, v, beta;
};

/// Requests that wait; many threads take from it.
class Inbox {
 public:
  explicit Inbox(std::vector<Request> requests) : requests_(std::move(requests)) {}
  std::optional<Request> take();

 private:
  std::mutex mutex_;
  std::vector<Request> requests_;
  std::size_t next_ = 0;
};

}  // namespace server
