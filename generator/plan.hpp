// Plan: an ordered list of kernel launches and one workspace size, for a Problem, a Config and an architecture. Pure
// data: nothing here compiles, loads or launches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "generator/architecture.hpp"
#include "osdn/config.hpp"
#include "osdn/error.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::generator {

/// A file that a kernel's #include finds: its name as included, and its text (static storage).
struct Header {
  std::string_view name;
  std::string_view text;
};

struct Phase;

/// One kernel of a plan: what to compile and how to launch it.
struct KernelPlan {
  const Phase* of = nullptr;    ///< static storage
  std::string phase;            ///< "preconditioner", "delta_rule"
  std::string entry;            ///< extern "C" name of the __global__ function
  std::string source;           ///< prologue of constants + one include + one instantiation
  std::vector<Header> headers;  ///< the include closure, sorted by name
  int threads = 0;              ///< per CTA
  std::size_t dynamic_shared = 0;
  int ctas_per_head = 1;  ///< of one launch of the whole sequence
  int most_ctas = 0;      ///< persistent: CTAs of any launch; 0: as many as there is work for
  bool hopper = false;    ///< takes HopperMaps as a second parameter and is compiled for the very architecture (sm_90a)
};

/// One launch of a pass: which kernel, and how many CTAs of it.
struct Launch {
  std::size_t kernel = 0;  ///< index in Plan::kernels
  std::int64_t ctas = 0;
  int pass = 0;             ///< ForwardParameters::pass
  int preconditioners = 0;  ///< ForwardParameters::preconditioners
  // Words of the workspace that are zero when it begins.
  std::size_t zeros_offset = 0;
  std::size_t zeros = 0;
};

/// How a pass at some shape is cut.
struct Cutting {
  bool cut = false;
  std::int64_t segment = 0;   ///< tokens of a segment
  std::int64_t segments = 0;  ///< numbers that the batch's segments may have; packed ⌊B·T / segment⌋ + N
  /// Operators that lie between segments: neither the first nor the last segment of a sequence has one.
  std::int64_t operators = 0;
  bool cuts_d = false;  ///< a sequence may have enough segments for d to be cut, too
};

/// With Cut::fixed every sequence is cut at the same places whatever else the batch holds. With Cut::automatic the
/// shape decides (docs/forward-plans.md says how).
[[nodiscard]] Cutting cutting(const Problem& problem, const Config& config, const Architecture& architecture,
                              const Shape& shape);

/// Corrections of the segments' entry d that a cut pass launches; what they leave over is replayed in turn.
inline constexpr int cut_corrections = 4;

/// The launches of one pass, in order. Made on the launch path, so it allocates nothing.
class Launches {
 public:
  static constexpr std::size_t most = 32;
  void add(const Launch& launch) { items_.at(count_++) = launch; }
  [[nodiscard]] const Launch* begin() const { return items_.data(); }
  [[nodiscard]] const Launch* end() const { return items_.data() + count_; }
  [[nodiscard]] std::size_t size() const { return count_; }

 private:
  std::array<Launch, most> items_{};
  std::size_t count_ = 0;
};

struct Plan {
  Problem problem;  ///< canonical
  Config config;
  Architecture architecture;
  std::vector<KernelPlan> kernels;  ///< in the order they are first launched

  /// Where the preconditioner phase leaves what the delta rule phase reads.
  struct Workspace {
    std::size_t gain_offset = 0;
    std::size_t d_chunks_offset = 0;
    std::size_t progress_offset = 0;  ///< of the fused Hopper kernel (templates/parameters.cuh)
    // What the segments of a cut pass hand to each other (templates/parameters.cuh).
    std::size_t segment_states_offset = 0;
    std::size_t operators_offset = 0;
    std::size_t segment_d_offset = 0;
    std::size_t segment_ends_offset = 0;
    std::size_t segment_moves_offset = 0;
    std::size_t cut_rounds_offset = 0;
    std::size_t bytes = 0;  ///< 0 without a preconditioner, where nothing is cut, and for decoding
  };

  /// What of a pass depends on its shape.
  struct Shaped {
    Cutting cutting;
    Workspace workspace;
    /// In order. A number of CTAs that leaves 63 bits is given as the largest one.
    Launches launches;
  };
  [[nodiscard]] Shaped at(const Shape& shape) const;
  [[nodiscard]] Cutting cutting(const Shape& shape) const;
  [[nodiscard]] Workspace workspace(const Shape& shape) const;
  [[nodiscard]] Launches launches(const Shape& shape) const { return at(shape).launches; }
};

/// Checks problem and config against the architecture and renders the kernels.
/// Errors: invalid_argument, unsupported, constraint (the constraint that is broken, asked and available).
expected<Plan> plan(const Problem& problem, const Config& config, const Architecture& architecture);

/// The configuration taken when nobody says otherwise: legal for every legal problem on every supported architecture.
expected<Config> default_config(const Problem& problem, const Architecture& architecture);

/// The same for a shape: with Cut::automatic where that cuts it.
expected<Config> default_config(const Problem& problem, const Architecture& architecture, const Shape& shape);

/// Every configuration of the space for this problem, legal ones and refused ones with their reason.
struct Candidate {
  Config config;
  std::string refusal;     ///< empty: legal
  std::string constraint;  ///< name of the rule that refuses it
};
expected<std::vector<Candidate>> configuration_space(const Problem& problem, const Architecture& architecture);

/// The same for a shape: where Cut::automatic cuts it, that too, with some lengths of segments. To keep these few, they
/// differ from the default in chunk, warps, value_split and preconditioner_warps only.
expected<std::vector<Candidate>> configuration_space(const Problem& problem, const Architecture& architecture,
                                                     const Shape& shape);

}  // namespace osdn::generator
