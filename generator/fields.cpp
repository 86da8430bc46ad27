#include "generator/fields.hpp"

#include <fmt/format.h>

#include <limits>

namespace osdn::generator {

std::string Integers::words() const {
  if (step == Step::multiples_of_16) return fmt::format("a multiple of 16 from {} to {}", first, last);
  if (step == Step::powers_of_two || last - first < 4) {
    std::vector<std::string> numbers;
    for (std::int64_t n = first; n <= last; n = step == Step::powers_of_two ? n * 2 : n + 1) {
      numbers.push_back(std::to_string(n));
    }
    const std::vector<std::string_view> views(numbers.begin(), numbers.end());
    return one_of(views);
  }
  if (last == std::numeric_limits<std::int64_t>::max()) return fmt::format("an integer of at least {}", first);
  return fmt::format("an integer from {} to {}", first, last);
}

}  // namespace osdn::generator
