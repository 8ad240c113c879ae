// `lamprey decode`: the records that a recording left on disk would give.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands/commands.h"
#include "cloudwatch/line.h"
#include "recording/reader.h"
#include "report/ledger/at_rest.h"
#include "report/text/stack_names.h"

namespace lamprey::cli {
namespace {

int decode(const std::string& path) {
  recording::Failure failure;
  auto reader = recording::Reader::open(path, failure);
  if (!reader) {
    std::fprintf(stderr, "lamprey: %s\n", failure.text.c_str());
    return failure.error == recording::OpenError::kMissing ? 2 : 1;
  }
  report::Ledger ledger(std::move(*reader));
  cloudwatch::LineOptions options;
  options.detail = cloudwatch::Detail::kFull;
  options.metrics = false;
  bool written = true;
  bool any = false;
  symbols::Symbolizer symbolizer;
  report::give_everything(ledger, [&](report::Report& report) {
    report::name_stacks(report, symbolizer, UINT64_MAX);
    any = true;
    written =
        written && cloudwatch::write_line(STDOUT_FILENO, cloudwatch::to_line(report, options));
  });
  if (!written) {
    std::fprintf(stderr, "lamprey: standard output cannot be written\n");
    return 1;
  }
  if (!any) {
    std::fprintf(stderr,
                 "lamprey: recording %s: its process still runs, and nothing has ended yet\n",
                 path.c_str());
  }
  const auto& dropped = ledger.reader().dropped();
  if (!dropped.empty()) {
    std::fprintf(stderr, "lamprey: recording %s: %s%s\n", path.c_str(), dropped.front().c_str(),
                 dropped.size() > 1 ? ", and more" : "");
    return 1;
  }
  return 0;
}

}  // namespace

void add_decode(CLI::App& app, int& exit_status) {
  CLI::App* command =
      app.add_subcommand("decode", "Print the records that a recording left on disk would give");
  auto path = std::make_shared<std::string>();
  command->add_option("FILE", *path, "A recording, /tmp/lamprey/<pid>.rec")->required();
  command->callback([path, &exit_status] { exit_status = decode(*path); });
}

}  // namespace lamprey::cli
