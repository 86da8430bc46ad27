#include "support.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <iostream>

namespace osdn::autotune::test {

namespace fs = std::filesystem;

std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* given = std::getenv("OSDN_TEST_SEED");
    const std::uint64_t drawn = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::cout << "seed " << drawn << " (OSDN_TEST_SEED repeats it)\n";
    return drawn;
  }();
  return value;
}

std::int64_t Draw::integer(std::int64_t first, std::int64_t last) {
  return std::uniform_int_distribution<std::int64_t>(first, last)(random_);
}

double Draw::positive() {
  for (;;) {
    const auto value = std::bit_cast<double>(random_() >> 1U);  // any bits but the sign
    if (std::isfinite(value)) return value;
  }
}

std::string Draw::text(std::size_t most) {
  static constexpr std::array<const char*, 8> pieces = {"a", "Z9 ", "\"", "\\", "{}", "µ", "·,:", "/"};
  std::string out;
  for (std::int64_t left = integer(0, 40); left > 0; --left) {
    const std::string piece = pieces[static_cast<std::size_t>(integer(0, pieces.size() - 1))];
    if (out.size() + piece.size() <= most) out += piece;
  }
  return out;
}

Config Draw::config() {
  Config out;
  out.chunk = 16 << integer(0, 3);
  out.warps = 1 << integer(0, 4);
  out.stages = static_cast<int>(integer(1, 3));
  out.value_split = static_cast<int>(integer(1, 16));
  out.preconditioner = integer(0, 1) == 0 ? PreconditionerAlgorithm::serial : PreconditionerAlgorithm::parallel;
  out.preconditioner_warps = 1 << integer(0, 3);
  out.inverse = integer(0, 1) == 0 ? InverseAlgorithm::substitution : InverseAlgorithm::blocked;
  return out;
}

Shape Draw::shape() {
  Shape out;
  out.h = integer(1, 8);
  out.hv = out.h * integer(1, 4);
  out.t = integer(0, 100000);
  if (integer(0, 1) == 0)
    out.b = integer(1, 64);
  else
    out.n = integer(1, 64);
  return out;
}

std::string Draw::sources() {
  std::string out;
  for (int i = 0; i < 32; ++i) out += "0123456789abcdef"[integer(0, 15)];
  return out;
}

Resources Draw::resources() {
  Resources out;
  out.registers = static_cast<int>(integer(0, 255));
  out.spill_bytes = static_cast<std::size_t>(integer(0, 100000));
  out.shared_bytes = static_cast<std::size_t>(integer(0, 233472));
  out.threads = static_cast<int>(integer(0, 1024));
  out.workspace_bytes = static_cast<std::size_t>(random_() >> 1U);
  out.compile_ms = positive();
  return out;
}

Circumstances Draw::circumstances() {
  return {integer(0, 1) << 40 | integer(0, 4'000'000'000), static_cast<int>(integer(0, 13020)),
          static_cast<int>(integer(0, 13020)), "0.1.0", integer(0, 1) == 0 ? "events" : "modelled"};
}

Trial Draw::trial() {
  Trial out;
  out.config = config();
  out.sources = sources();
  out.shape = shape();
  out.outcome = static_cast<Outcome>(integer(0, static_cast<int>(Outcome::died)));
  if (out.outcome != Outcome::passed) out.reason = text(500);
  out.median_seconds = positive();
  out.spread = positive();
  out.samples = static_cast<int>(integer(0, 1000));
  out.discarded = static_cast<int>(integer(0, 1000));
  out.ratio = positive();
  out.resources = resources();
  out.circumstances = circumstances();
  return out;
}

Finalist Draw::finalist() {
  Finalist out;
  out.config = config();
  out.sources = sources();
  out.median_seconds = positive();
  out.spread = positive();
  out.ratio = positive();
  out.ratio_low = positive();
  out.ratio_high = positive();
  out.resources = resources();
  for (std::int64_t left = integer(0, 200); left > 0; --left) out.samples.push_back(positive());
  return out;
}

Choice Draw::choice() {
  Choice out;
  out.shape = shape();
  for (std::int64_t left = integer(1, 5); left > 0; --left) out.finalists.push_back(finalist());
  out.default_config = config();
  out.strategy = "exhaustive";
  out.seed = random_();
  out.candidates = integer(0, 100000);
  out.tried = integer(0, 100000);
  out.gated_out = integer(0, 100000);
  out.discarded = integer(0, 100000);
  out.ended = "separated";
  out.circumstances = circumstances();
  return out;
}

Key some_key() {
  Key out;
  out.problem.type = ElementType::fp32;
  out.problem.k = 32;
  out.problem.v = 32;
  out.problem = *canonical(out.problem);
  out.bucket = {5, 11};
  out.gpu = {"Software \"GPU\" µ/1", 132, 90, 3200, true};
  return out;
}

namespace {

/// Memory where there is such a folder: these tests sync thousands of times.
fs::path scratch() {
  const char* memory = "/dev/shm";
  return ::access(memory, W_OK | X_OK) == 0 ? fs::path(memory) : fs::temp_directory_path();
}

}  // namespace

DatabaseTest::DatabaseTest() {
  std::string name = (scratch() / "osdn-database-XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
}

DatabaseTest::~DatabaseTest() {
  std::error_code failed;
  for (auto at = fs::recursive_directory_iterator(folder_, failed); !failed && at != fs::end(at);
       at.increment(failed)) {
    if (at->is_directory(failed)) ::chmod(at->path().c_str(), 0700);
  }
  fs::remove_all(folder_, failed);
}

Database DatabaseTest::open(std::vector<std::string> read_only) {
  DatabaseOptions options;
  options.directory = directory();
  options.read_only = std::move(read_only);
  options.library_entries = false;
  options.log = runtime::Log([this](LogLevel level, std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (level == LogLevel::warning) warnings_.emplace_back(text);
  });
  auto opened = Database::open(std::move(options));
  if (opened) return *opened;
  ADD_FAILURE() << opened.error().message;
  return {};
}

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
}

}  // namespace osdn::autotune::test
