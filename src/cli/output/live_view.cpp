// Watching a log; see the header.
#include "cli/output/live_view.h"

#include <unistd.h>

#include <algorithm>

#include "cli/output/printable.h"
#include "cli/output/record_view.h"
#include "descriptors/whole.h"

namespace lamprey::cli {

void LiveView::text(std::string_view text) {
  progress_.clear();
  failed_ = failed_ || !descriptors::write_whole(STDOUT_FILENO, text);
}

void LiveView::record(const Value& record) { text(record_view(record, style_)); }

void LiveView::other(std::string_view lines) {
  std::string out;
  do {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    const bool carriage = line.ends_with('\r');
    out += printable_log(line.substr(0, line.size() - (carriage ? 1 : 0))) + "\n";
  } while (!lines.empty());
  text(out);
}

}  // namespace lamprey::cli
