// Records out of a seed, and folders of their own, for the tests of the tuning database.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "autotune/database/database.hpp"

namespace osdn::autotune::test {

/// $OSDN_TEST_SEED, else one that is drawn; printed once.
[[nodiscard]] std::uint64_t seed();

/// Draws records. Doubles are any finite ones that a record may hold, not round ones.
class Draw {
 public:
  explicit Draw(std::uint64_t stream) : random_(seed() + stream * 0x9E3779B97F4A7C15U) {}

  std::int64_t integer(std::int64_t first, std::int64_t last);
  double positive();
  std::string text(std::size_t most);  ///< printable, quotes and backslashes and UTF-8 among it
  Config config();
  Shape shape();
  Trial trial();
  Finalist finalist();
  Choice choice();

 private:
  std::string sources();
  Resources resources();
  Circumstances circumstances();
  std::mt19937_64 random_;
};

/// A key of a GPU that nobody has.
[[nodiscard]] Key some_key();

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest();
  ~DatabaseTest() override;

  /// A database in the test's folder, without the library's entries; what it warns of is kept.
  Database open(std::vector<std::string> read_only = {});
  [[nodiscard]] std::string directory() const { return (folder_ / "tuning").string(); }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::filesystem::path folder_;
  std::vector<std::string> warnings_;
  std::mutex mutex_;
};

[[nodiscard]] std::string read(const std::string& path);
void write(const std::string& path, const std::string& bytes);

}  // namespace osdn::autotune::test
