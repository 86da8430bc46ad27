// The osdn program: reads the command line and hands over to one verb.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string_view>

#include "cli/interruption.hpp"
#include "cli/pack.hpp"
#include "cli/report.hpp"
#include "cli/verbs.hpp"

namespace osdn::cli {
namespace {

constexpr const char* footer =
    "Results go to stdout, messages to stderr.\n"
    "Exit codes: 0 done; 1 a result is outside its tolerance, a cache entry or tuning line is damaged, or databases\n"
    "differ; 2 bad usage, file, problem or configuration; 3 a library, device, memory or file system is missing or\n"
    "refuses; 4 a fault of osdn itself.";

bool wants_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--json") return true;
  }
  return false;
}

/// The innermost verb that was named.
const CLI::App* named_verb(const CLI::App& app) {
  const CLI::App* verb = &app;
  while (!verb->get_subcommands().empty()) verb = verb->get_subcommands().back();
  return verb;
}

std::string allowed_after(const CLI::App& verb) {
  std::string out;
  for (const CLI::App* inner : verb.get_subcommands([](const CLI::App*) { return true; })) {
    out += (out.empty() ? "" : ", ") + inner->get_name();
  }
  for (const CLI::Option* option : verb.get_options()) out += (out.empty() ? "" : ", ") + option->get_name();
  return out;
}

int usage_error(const CLI::App& app, const CLI::ParseError& error, bool json) {
  const CLI::App* verb = named_verb(app);
  std::string what = error.what();
  while (!what.empty() && (what.back() == '\n' || what.back() == ' ')) what.pop_back();
  if (const auto left = verb->remaining(); !left.empty()) what = fmt::format("{} is not known", left.front());
  std::string name;
  for (const CLI::App* outer = verb; outer != &app; outer = outer->get_parent()) name = " " + outer->get_name() + name;
  return fail(
      {ErrorCode::invalid_argument, fmt::format("{}; allowed after osdn{}: {}", what, name, allowed_after(*verb)), {}},
      json);
}

/// An option without its value takes the next option for it: `--arch --json`.
void refuse_options_as_values(CLI::App& app) {
  const CLI::Validator is_value(
      [](const std::string& text) {
        return text.starts_with("--") ? fmt::format("its value is missing before {}", text) : std::string();
      },
      "");
  for (CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() > 0) option->check(is_value);
  }
  for (CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) refuse_options_as_values(*verb);
}

int run(int argc, char** argv) {
  CLI::App app("osdn: kernels for Online Scaled DeltaNet, generated, compiled, run and checked", "osdn");
  app.footer(footer);
  app.set_version_flag("--version", OSDN_VERSION);
  app.require_subcommand(1);
  int exit_code = success;
  add_doctor(app, exit_code);
  add_list(app, exit_code);
  add_generate(app, exit_code);
  add_compile(app, exit_code);
  add_run(app, exit_code);
  add_verify(app, exit_code);
  add_tune(app, exit_code);
  add_cache(app, exit_code);
  add_pack(app, exit_code);
  add_unpack(app, exit_code);
  add_db(app, exit_code);
  add_report(app, exit_code);
  refuse_options_as_values(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    exit_code = app.exit(asked);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error, wants_json(argc, argv));
  }
  // What was printed has arrived, or the result is not a result.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    note("osdn: cannot write to stdout");
    return exit_code == success ? environment : exit_code;
  }
  return exit_code;
}

}  // namespace
}  // namespace osdn::cli

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the size limit is an error of write(), not the end of the process
  using namespace osdn;
  cli::watch_interruptions();
  const bool json = cli::wants_json(argc, argv);
  try {
    return cli::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return cli::fail({ErrorCode::out_of_memory, "memory is exhausted; a smaller case may fit", {}}, json);
  } catch (const std::exception& error) {
    return cli::fail({ErrorCode::internal, error.what(), {}}, json);
  }
}
