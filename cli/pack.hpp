// The verbs of packs.
#pragma once

#include <CLI/CLI.hpp>

namespace osdn::cli {

void add_pack(CLI::App& app, int& exit_code);
void add_unpack(CLI::App& app, int& exit_code);

}  // namespace osdn::cli
