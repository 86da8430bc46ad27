// What a Tuner stands on.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "autotune/database/database.hpp"
#include "autotune/database/ladder.hpp"
#include "autotune/key.hpp"
#include "osdn/tuner.hpp"
#include "runtime/growing_table.hpp"
#include "runtime/log.hpp"
#include "runtime/single_flight.hpp"

namespace osdn {

class TunerState {
 public:
  static expected<std::shared_ptr<TunerState>> create(const Engine& engine, const TunerOptions& options);

  expected<TunedOperation> prepare(const Problem& problem, const Shape& shape, Stream stream);

  [[nodiscard]] const Engine& engine() const { return engine_; }
  [[nodiscard]] const TunerOptions& options() const { return options_; }
  [[nodiscard]] const autotune::Database& database() const { return database_; }

 private:
  struct TableKey {
    Problem problem;
    autotune::Bucket bucket;

    friend bool operator==(const TableKey&, const TableKey&) = default;
    [[nodiscard]] std::size_t hash() const {
      return runtime::QuickHash().add(problem).add(bucket.heads, bucket.tokens).value();
    }
  };
  struct Chosen {
    Config config;
    TuningProvenance provenance;
  };

  TunerState(const Engine& engine, const TunerOptions& options, autotune::Database database,
             const generator::Architecture& architecture);

  /// Whether nothing may be compiled or copied now.
  [[nodiscard]] expected<bool> capturing(Stream stream) const;
  expected<std::shared_ptr<const TunedOperation>> make(const autotune::Key& key, const Shape& shape);
  /// The default where what was chosen cannot be compiled here and no pack has it; `error` where that does not help.
  expected<PreparedOperation> without_compiler(const autotune::Key& key, Chosen& chosen, Error error);
  /// Whether mode tune has nothing left to find.
  [[nodiscard]] static bool settled(const Chosen& chosen);
  expected<Chosen> choose(const autotune::Key& key, const Shape& shape);
  expected<Chosen> look_up(const autotune::Key& key, const Shape& shape) const;
  /// Runs a sweep.
  expected<Chosen> sweep(const autotune::Key& key, const Shape& shape);
  expected<Chosen> agree(const autotune::Key& key, Chosen mine);
  void trace(const autotune::Key& key, const Shape& shape);

  Engine engine_;
  TunerOptions options_;
  autotune::Database database_;
  autotune::GpuKey gpu_;
  generator::Architecture architecture_;
  runtime::Log log_;
  std::mutex agreeing_;
  std::map<std::string, std::string> agreed_;  ///< guarded by agreeing_; by key
  runtime::SingleFlight<std::string, TunedOperation> flights_;
  runtime::GrowingTable<TableKey, std::shared_ptr<const TunedOperation>> table_;
};

}  // namespace osdn
