// The `lamprey` command: hands the words to the command they name. Nothing else may live here.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "version.h"

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option :
       command.get_options([](const CLI::Option* one) { return one->nonpositional(); })) {
    names.push_back(option->get_name());
  }
  return names;
}

// The first word that belongs to nothing; empty when there is none.
std::string stray_word(const CLI::App& app) {
  for (const std::string& word : app.remaining(true)) {
    if (word != "--") {
      return word;
    }
  }
  return {};
}

// What, which value, what is accepted.
std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  const std::string word = stray_word(app);
  const bool is_option = word.size() > 1 && word.front() == '-';
  const auto chosen = app.get_subcommands();
  if (chosen.empty() && !is_option) {
    return (word.empty() ? "COMMAND is missing" : "COMMAND " + word + " is unknown") +
           ": accepted are " + joined(commands_of(app));
  }
  const CLI::App& command = chosen.empty() ? app : *chosen.front();
  const bool runs_program = command.get_name() == "run" || command.get_name() == "local";
  const std::string stands = runs_program ? "; a program and its arguments stand after --" : "";
  if (is_option) {
    return "option " + word + " is unknown: accepted are " + joined(options_of(command)) + stands;
  }
  if (!word.empty()) {
    return "argument " + word + " is one too many" + stands;
  }
  return std::string(error.what()) + " (see lamprey " + command.get_name() + " --help)";
}

// What went wrong with the words themselves; 0 for --help and --version.
int complain(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    return app.exit(error);
  }
  std::string message = complaint(app, error);
  for (char& c : message) {
    c = static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  std::fprintf(stderr, "lamprey: %s\n", message.c_str());
  return 2;
}

// An option whose value was forgotten must not take the dashes before the program for it.
void refuse_dashes(CLI::App& app) {
  const auto all = [](const auto* /*one*/) { return true; };
  for (CLI::App* command : app.get_subcommands(all)) {
    for (CLI::Option* option : command->get_options(all)) {
      if (option->nonpositional() && option->get_expected_min() > 0) {
        option->check([](const std::string& value) {
          return value == "--" ? std::string("its value is missing before --") : std::string();
        });
      }
    }
  }
}

int run(int argc, char** argv) {
  CLI::App app{"Lamprey: a flight recorder for AWS Lambda functions", "lamprey"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("lamprey ") + lamprey::kVersion);
  int exit_status = 0;
  lamprey::cli::add_run(app, exit_status);
  lamprey::cli::add_local(app, exit_status);
  lamprey::cli::add_report(app, exit_status);
  lamprey::cli::add_show(app, exit_status);
  lamprey::cli::add_diff(app, exit_status);
  lamprey::cli::add_decode(app, exit_status);
  refuse_dashes(app);
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
