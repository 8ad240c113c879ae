// `lamprey run`: any program under the library, then its table and its record. How a program is run
// and how figures are made is elsewhere.
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands/child_program.h"
#include "cli/commands/commands.h"
#include "cli/commands/own_layer.h"
#include "cli/input/json_document.h"
#include "cli/input/program_words.h"
#include "cli/output/cpu_table.h"
#include "cli/output/tables.h"
#include "cloudwatch/line.h"
#include "companion/config.h"
#include "descriptors/whole.h"
#include "recording/layout.h"
#include "recording/own_directory.h"
#include "recording/place.h"
#include "recording/reader.h"
#include "report/ledger/at_rest.h"
#include "report/text/human.h"
#include "report/text/stack_names.h"

namespace lamprey::cli {
namespace {

constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

struct RunOptions {
  std::string out;
  bool quiet = false;
  std::optional<std::string> sample_bytes;
  std::vector<std::string> words;
};

void complain(const std::string& text) { std::fprintf(stderr, "lamprey: %s\n", text.c_str()); }

// Why the library cannot be used; empty when it can.
std::string obstacle(const OwnLayer& layer) {
  if (!layer.found) {
    return fmt::format(
        "no layer in {}, where the zip of the layer is unpacked; nothing is recorded",
        layer.folder);
  }
  const std::string library = layer.library();
  if (access(library.c_str(), R_OK) != 0) {
    return fmt::format("library {} cannot be read: {}; nothing is recorded", library,
                       std::strerror(errno));
  }
  if (library.find_first_of(" :") != std::string::npos) {
    return fmt::format(
        "library {} has a space or colon in its path, which LD_PRELOAD takes for "
        "the end of it; nothing is recorded",
        library);
  }
  return {};
}

void prepare_child(const std::string& library, const std::string& directory,
                   const RunOptions& options) {
  if (!library.empty()) {
    const char* existing = std::getenv("LD_PRELOAD");
    const std::string preload =
        existing == nullptr || *existing == '\0' ? library : library + ":" + existing;
    setenv("LD_PRELOAD", preload.c_str(), 1);
    setenv("_LAMPREY_TARGET", std::to_string(getpid()).c_str(), 1);
    setenv("_LAMPREY_ROLE", "run", 1);
    setenv(recording::kDirectoryVariable, directory.c_str(), 1);
  }
  if (options.sample_bytes) {
    setenv("LAMPREY_SAMPLE_BYTES", options.sample_bytes->c_str(), 1);
  }
}

std::string find_program(const std::string& word) {
  if (word.find('/') != std::string::npos) {
    return word;
  }
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (true) {
    const std::size_t colon = rest.find(':');
    std::string candidate = std::string(rest.substr(0, colon)) + "/" + word;
    if (access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
    if (colon == std::string_view::npos) {
      return word;
    }
    rest.remove_prefix(colon + 1);
  }
}

// Whether the program asks for a dynamic linker at all; nothing when it is no ELF file.
std::optional<bool> is_dynamic(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr header{};
  if (!file.read(reinterpret_cast<char*>(&header), sizeof(header)) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_phentsize != sizeof(Elf64_Phdr)) {
    return std::nullopt;
  }
  file.seekg(static_cast<std::streamoff>(header.e_phoff));
  for (int index = 0; index < header.e_phnum; ++index) {
    Elf64_Phdr segment{};
    if (!file.read(reinterpret_cast<char*>(&segment), sizeof(segment))) {
      return std::nullopt;
    }
    if (segment.p_type == PT_INTERP) {
      return true;
    }
  }
  return false;
}

std::string why_unrecorded(const std::string& word) {
  const char* setting = std::getenv("LAMPREY");
  if (setting != nullptr && std::strcmp(setting, "off") == 0) {
    return "LAMPREY=off";
  }
  const std::string path = find_program(word);
  struct stat status {};
  if (stat(path.c_str(), &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID)) != 0) {
    return path + " is setuid or setgid, where the dynamic linker ignores LD_PRELOAD";
  }
  const auto dynamic = is_dynamic(path);
  if (dynamic && !*dynamic) {
    return path + " is statically linked: no library can be loaded into it";
  }
  return fmt::format("the library did not attach to {}: another C library, or no room in /tmp",
                     path);
}

// What the wait status says, and what the process itself said where the two agree.
report::EndDescription death_of(const ChildEnd& end,
                                const std::optional<report::SelfReport>& account) {
  report::EndDescription death;
  if (WIFSIGNALED(end.wait_status)) {
    const int number = WTERMSIG(end.wait_status);
    if (account && account->signal == number) {
      return account->death;
    }
    death.signal = report::signal_name(number);
    death.reason = "signal " + death.signal;
  } else if (WEXITSTATUS(end.wait_status) != 0) {
    const int code = WEXITSTATUS(end.wait_status);
    if (account && account->death.exit_code && (*account->death.exit_code & 0xFF) == code) {
      death = account->death;
    } else {
      death.reason = "exit";
    }
    death.exit_code = code;
  }
  return death;
}

void add_end(report::Report& report, const ChildEnd& end) {
  const auto ns = [](const timeval& time) {
    return (static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U) +
           (static_cast<std::uint64_t>(time.tv_usec) * 1000U);
  };
  report.process.cpu_user_ns = ns(end.usage.ru_utime);
  report.process.cpu_system_ns = ns(end.usage.ru_stime);
  report.process.peak_rss_bytes = static_cast<std::uint64_t>(end.usage.ru_maxrss) * 1024;
}

std::string record_of(const report::Report& report) {
  cloudwatch::LineOptions options;
  options.detail = cloudwatch::Detail::kFull;
  options.metrics = false;
  return cloudwatch::to_line(report, options);
}

// False when the record could not be appended.
bool append(const std::string& path, const std::string& record) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  const bool written = descriptor >= 0 && cloudwatch::write_line(descriptor, record);
  if (!written) {
    complain(fmt::format("--out {}: {}", path, std::strerror(errno)));
  }
  if (descriptor >= 0) {
    close(descriptor);
  }
  return written;
}

// The record has the names of the functions as they are told to everybody.
std::string cpu_part(const std::string& record) {
  Document document;
  if (!document.read_whole(record)) {
    return {};
  }
  const std::string table = cpu_table(document.root());
  return table.empty() ? table : table + "\n";
}

void show(const RunOptions& options, const std::string& directory, const ChildEnd& end,
          std::uint64_t ended_mono_ns) {
  const std::string path = fmt::format("{}/{}{}", directory, end.pid, recording::kSuffix);
  recording::Failure failure;
  auto reader = recording::Reader::open(path, failure);
  if (!reader) {
    complain(failure.error == recording::OpenError::kMissing
                 ? "no recording: " + why_unrecorded(options.words.front())
                 : failure.text);
    return;
  }
  report::Ledger ledger(std::move(*reader));
  report::EndCause how;
  how.status = WIFSIGNALED(end.wait_status)        ? report::Status::kCrash
               : WEXITSTATUS(end.wait_status) != 0 ? report::Status::kError
                                                   : report::Status::kOk;
  how.death = death_of(end, ledger.self_report());
  how.mono_ns = ended_mono_ns;
  how.duration_known = true;
  symbols::Symbolizer symbolizer;
  ledger.report_process_end(report::Type::kRun, how, [&](report::Report& report) {
    add_end(report, end);
    report::name_stacks(report, symbolizer, UINT64_MAX);
    const std::string record = record_of(report);
    if (!options.out.empty()) {
      append(options.out, record);
    }
    if (!options.quiet) {
      descriptors::write_whole(STDERR_FILENO, fmt::format("\nlamprey: {}\n\n{}{}", report.headline,
                                                          cpu_part(record), report_table(report)));
    }
  });
}

// In a function the companion tells of a bad value; here there is none.
void complain_of_settings(const RunOptions& options) {
  std::vector<std::string> complaints;
  companion::read_config(
      [&options](const char* name) {
        const bool ours = std::strcmp(name, "LAMPREY_SAMPLE_BYTES") == 0;
        return ours && options.sample_bytes ? nullptr : std::getenv(name);
      },
      complaints);
  for (const std::string& complaint : complaints) {
    std::fprintf(stderr, "%s\n", complaint.c_str());
  }
}

int run(const RunOptions& options) {
  if (!options.out.empty()) {
    const int descriptor =
        open(options.out.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) {
      complain(fmt::format("--out {} cannot be written: {}", options.out, std::strerror(errno)));
      return 2;
    }
    close(descriptor);
  }
  complain_of_settings(options);
  const OwnLayer layer = own_layer();
  std::string library = layer.library();
  std::optional<recording::OwnDirectory> directory(std::in_place);
  std::string trouble = obstacle(layer);
  if (trouble.empty() && directory->path().empty()) {
    trouble = directory->obstacle() + "; nothing is recorded";
  }
  if (!trouble.empty()) {
    complain(trouble);
    library.clear();
  }
  const ChildEnd end =
      run_program(options.words, [&] { prepare_child(library, directory->path(), options); });
  const std::uint64_t ended_mono_ns = recording::monotonic_ns();
  if (end.start_error != 0) {
    complain(fmt::format("PROGRAM {} cannot be run: {}",
                         options.words.front().empty() ? "\"\"" : options.words.front(),
                         std::strerror(end.start_error)));
    return end.start_error == ENOENT ? kNotFound : kNotExecutable;
  }
  if (!library.empty()) {
    show(options, directory->path(), end, ended_mono_ns);
  }
  directory.reset();  // what follows may be our own death
  return follow_into_death(end.wait_status);
}

// What is wrong with it; empty when nothing is.
std::string check_sample_bytes(const std::string& text) {
  std::uint64_t bytes = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, bytes);
  if (result.ec == std::errc{} && result.ptr == end && bytes <= companion::kMaxSampleBytes) {
    return {};
  }
  return fmt::format("\"{}\" is not a number of bytes from 0 to {}", text,
                     companion::kMaxSampleBytes);
}

}  // namespace

void add_run(CLI::App& app, int& exit_status) {
  CLI::App* command = app.add_subcommand(
      "run", "Run any program under the library: lamprey run [OPTIONS] -- PROGRAM ARGS...");
  auto options = std::make_shared<RunOptions>();
  command->add_option("--out", options->out, "Append the record, one JSON line, to this file");
  command->add_flag("--quiet", options->quiet, "No table on stderr");
  command
      ->add_option("--sample-bytes", options->sample_bytes,
                   "Mean bytes between two sampled stacks, 0: none")
      ->check(check_sample_bytes);
  command->add_option("PROGRAM", options->words, "After --: the program and its arguments")
      ->required();
  command->callback([options, &exit_status] {
    options->words = program_words(options->words);
    exit_status = run(*options);
  });
}

}  // namespace lamprey::cli
