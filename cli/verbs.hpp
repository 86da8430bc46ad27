// The verbs. Each adds itself to the command line; when it is called it leaves its exit code.
#pragma once

#include <CLI/CLI.hpp>

namespace osdn::cli {

void add_doctor(CLI::App& app, int& exit_code);
void add_list(CLI::App& app, int& exit_code);
void add_generate(CLI::App& app, int& exit_code);
void add_compile(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_tune(CLI::App& app, int& exit_code);
void add_cache(CLI::App& app, int& exit_code);
void add_db(CLI::App& app, int& exit_code);
void add_report(CLI::App& app, int& exit_code);

}  // namespace osdn::cli
