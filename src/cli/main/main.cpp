// The `lamprey` command: hands the words to the command they name. Nothing else may live here.
#include <cstdio>
#include <exception>
#include <string>

#include "cli/commands.h"
#include "version.h"

namespace {

// What went wrong with the words themselves; 0 for --help and --version.
int complain(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    return app.exit(error);
  }
  std::string message = error.what();
  for (char& c : message) {
    c = c == '\n' ? ' ' : c;
  }
  std::fprintf(stderr, "lamprey: %s (see lamprey --help)\n", message.c_str());
  return 2;
}

int run(int argc, char** argv) {
  CLI::App app{"Lamprey: a flight recorder for AWS Lambda functions", "lamprey"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("lamprey ") + lamprey::kVersion);
  int exit_status = 0;
  lamprey::cli::add_run(app, exit_status);
  lamprey::cli::add_local(app, exit_status);
  lamprey::cli::add_report(app, exit_status);
  lamprey::cli::add_decode(app, exit_status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return complain(app, error);
  }
  return exit_status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lamprey: %s\n", error.what());
    return 1;
  }
}
