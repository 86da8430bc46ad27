// The shapes of the benchmark table, out of bench/data/shapes.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "osdn/error.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::bench {

struct Work {
  std::string name;   ///< `4x8192 h16/64`: batch and tokens, heads of keys and of values; ` d256` unless K = V = 128;
                      ///< `decode 64x1 h32 bf16 state`: a step of 64 sequences
  std::string group;  ///< where the shape is from: "table", "FLA", …
  Problem problem;
  Shape shape;
  std::vector<std::int64_t> lengths;  ///< of a packed batch's sequences
};

/// `quick`: the small ones that a software device can do, and none of the others. `problem` replaces the file's unless
/// empty, and leaves out the shapes of other operations; K and V are the shape's. Errors: io, corrupt, those of
/// canonical and validate.
expected<std::vector<Work>> read_work(const std::string& file, bool quick, const std::string& problem);

}  // namespace osdn::bench
