// osdn db pin and unpin: configurations fixed by hand.
#include <fmt/format.h>

#include <ctime>

#include "cli/config_choice.hpp"
#include "cli/db.hpp"

namespace osdn::cli {

expected<int> db_pin(const DbOptions& options) {
  auto database = open_database(options);
  if (!database) return database.error();
  auto situation = find_situation(*database, options);
  if (!situation) return situation.error();
  auto config = choose_config(situation->problem, situation->architecture, options.config, {});
  if (!config) return config.error();
  const autotune::Key key = situation->key();
  if (auto ok = database->append(key, autotune::Pin{*config, std::time(nullptr)}); !ok) return ok.error();
  if (options.json) {
    Json out = to_json(key);
    out["config"] = to_string(*config);
    print_json(out);
  } else {
    print(fmt::format("{}\nis used for {} on {}", to_string(*config), to_string(key.bucket), to_string(key.gpu)));
  }
  return success;
}

expected<int> db_unpin(const DbOptions& options) {
  auto database = open_database(options);
  if (!database) return database.error();
  auto situation = find_situation(*database, options);
  if (!situation) return situation.error();
  const autotune::Key key = situation->key();
  const auto pin = database->load(key).pin;
  if (pin) {
    if (auto ok = database->remove_pin(key); !ok) return ok.error();
  }
  if (options.json) {
    Json out = to_json(key);
    out["removed"] = pin ? Json(to_string(pin->config)) : Json();
    print_json(out);
  } else {
    print(pin ? fmt::format("{} is no longer pinned for {}", to_string(pin->config), to_string(key.bucket))
              : fmt::format("nothing was pinned for {}", to_string(key.bucket)));
  }
  return success;
}

}  // namespace osdn::cli
