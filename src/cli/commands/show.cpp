// `lamprey show`: a log with its records as people read them, also while it is being written.
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "cli/commands/commands.h"
#include "cli/input/file_bytes.h"
#include "cli/input/log_files.h"
#include "cli/input/log_lines.h"
#include "cli/output/live_view.h"
#include "cli/output/printable.h"

namespace lamprey::cli {
namespace {

struct ShowOptions {
  std::string path = "-";
  bool follow = false;
};

constexpr int kPauseMs = 200;

int complain(const std::string& path, const std::string& why) {
  std::fprintf(stderr, "lamprey: FILE %s %s\n", printable(path).c_str(), why.c_str());
  return 2;
}

// A file that still grows: what is there now, and then whatever comes.
int follow(const std::string& path, RecordFinder& finder, const LiveView& view) {
  const auto file = FileBytes::open(path);
  if (file == nullptr) {
    return complain(path, std::string("cannot be read: ") + std::strerror(errno));
  }
  std::string pending;
  std::string chunk(64U << 10, '\0');
  while (!view.failed() && file->fault().empty()) {
    const std::size_t got = file->read(chunk.data(), chunk.size());
    if (got == 0) {
      if (!file->is_regular()) {
        break;
      }
      poll(nullptr, 0, kPauseMs);
      continue;
    }
    pending.append(chunk, 0, got);
    const std::size_t end = pending.rfind('\n');
    if (end != std::string::npos) {
      finder.lines(std::string_view(pending).substr(0, end + 1));
      pending.erase(0, end + 1);
    }
  }
  finder.lines(pending);
  return 0;
}

int show(const ShowOptions& options) {
  LiveView view(style_of(STDOUT_FILENO));
  RecordFinder finder([&view](const Value& record) { view.record(record); },
                      [&view](std::string_view line) { view.other(line); });
  if (options.follow) {
    if (const int status = follow(options.path, finder, view); status != 0) {
      return status;
    }
  } else {
    LogFiles files({options.path});
    Block block;
    while (!view.failed() && !files.is_missing() && files.next(block)) {
      block.whole ? finder.whole(block.text) : finder.lines(block.text);
    }
    for (const std::string& fault : files.faults()) {
      std::fprintf(stderr, "lamprey: %s\n", printable(fault).c_str());
    }
    if (!files.faults().empty()) {
      return files.is_missing() ? 2 : 1;
    }
  }
  if (view.failed()) {
    std::fprintf(stderr, "lamprey: standard output cannot be written: %s\n", std::strerror(errno));
    return 1;
  }
  if (finder.counts().newer != 0) {
    std::fprintf(stderr, "lamprey: %llu records have a schema other than \"1\" and are not shown\n",
                 static_cast<unsigned long long>(finder.counts().newer));
  }
  if (finder.counts().records == 0) {
    std::fprintf(stderr, "lamprey: no records of Lamprey in FILE %s (%llu other lines)\n",
                 printable(options.path).c_str(),
                 static_cast<unsigned long long>(finder.counts().skipped));
    return 1;
  }
  return 0;
}

}  // namespace

void add_show(CLI::App& app, int& exit_status) {
  CLI::App* command = app.add_subcommand(
      "show", "Show a log with its records in a few lines each, also while it is being written");
  auto options = std::make_shared<ShowOptions>();
  command->add_option("FILE", options->path,
                      "Log lines or a CloudWatch export, also .gz; - (default) is standard input");
  command->add_flag("-f,--follow", options->follow, "Wait for what is still written to FILE");
  command->callback([options, &exit_status] { exit_status = show(*options); });
}

}  // namespace lamprey::cli
