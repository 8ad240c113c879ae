// Text of stacks; see the header.
#include "report/text/stack_names.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "report/model/order.h"
#include "report/text/frame_names.h"
#include "report/text/out_of_time.h"
#include "report/text/profile_text.h"

namespace lamprey::report {
namespace {

constexpr std::size_t kMaxSiteText = 360;  // with the finding's own words within its 512 bytes
constexpr std::size_t kMaxWaitText = 240;  // there are many waits
constexpr std::string_view kMore = "; ...";

symbols::Place place_of(const Frame& frame, std::int32_t pid) {
  return {pid, frame.address, frame.module_path(),
          frame.module ? std::string_view(frame.module->build_id) : std::string_view(),
          frame.offset};
}

// Frames of the C++ library through which memory is allocated: "operator new",
// "std::vector<...>::...", also with a result type before it. They are many and long, and a leak is
// never fixed there.
bool is_of_library(std::string_view name) {
  for (const std::string_view prefix : {"operator new", "std::", "__gnu_cxx::"}) {
    if (name.starts_with(prefix)) {
      return true;
    }
  }
  const std::size_t blank = name.find(' ');
  return blank != std::string_view::npos && name.substr(blank + 1).starts_with("std::");
}

// The innermost frame of the program's own code, or else of a package that it uses; nothing where
// no frame has a name of its language.
std::optional<std::size_t> innermost_own(const Stack& stack) {
  for (const Origin origin : {Origin::kOwn, Origin::kDependency}) {
    for (std::size_t i = 0; i < stack.size(); ++i) {
      if (stack[i].function && origin_of(stack[i]) == origin) {
        return i;
      }
    }
  }
  return std::nullopt;
}

// For a finding, whose text is short: the program's own functions, or else those of packages.
Stack own_functions(const Stack& stack, std::size_t innermost) {
  const Origin origin = origin_of(stack[innermost]);
  Stack part;
  std::copy_if(stack.begin() + static_cast<std::ptrdiff_t>(innermost), stack.end(),
               std::back_inserter(part), [origin](const Frame& frame) {
                 return frame.function != nullptr && origin_of(frame) == origin;
               });
  return part;
}

// The same in a program of machine code: from the innermost frame that is not the C++ library's. A
// label stays in front.
Stack own_part(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  if (const auto innermost = innermost_own(stack)) {
    return own_functions(stack, *innermost);
  }
  const std::size_t first = !stack.empty() && stack[0].label != nullptr ? 1 : 0;
  const std::size_t most = std::min(stack.size(), kMaxFramesNamed);
  std::size_t own = first;
  while (own < most && !stack[own].function &&
         is_of_library(symbolizer.name(place_of(stack[own], pid)))) {
    ++own;
  }
  Stack part(stack.begin(), stack.begin() + static_cast<std::ptrdiff_t>(first));
  part.insert(part.end(), stack.begin() + static_cast<std::ptrdiff_t>(own < most ? own : first),
              stack.end());
  return part;
}

bool is_made_at_run_time(const Frame& frame) {
  return frame.label == nullptr && !frame.function && frame.module_path().empty();
}

// Which frames of a stack with functions are shown: as many as there is room for, the program's own
// first, then by whose code they are; among equals the innermost. What the runtime puts between
// functions is left out, and so is its own code where the program's is there.
std::vector<bool> chosen_frames(const std::vector<Origin>& origins,
                                const std::vector<std::string>& texts, std::size_t most) {
  std::vector<bool> chosen(texts.size(), false);
  std::size_t bytes = kMore.size();
  std::size_t count = 0;
  for (const Origin origin : {Origin::kOwn, Origin::kDependency, Origin::kExtension,
                              Origin::kClient, Origin::kRuntime, Origin::kHidden}) {
    if (count != 0 && origin == Origin::kHidden) {
      break;
    }
    for (std::size_t i = 0; i < texts.size() && count < kMaxFramesNamed; ++i) {
      if (origins[i] == origin && bytes + texts[i].size() + 2 <= most) {
        chosen[i] = true;
        bytes += texts[i].size() + 2;
        ++count;
      }
    }
  }
  return chosen;
}

std::string text_of(const Frame& frame, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  return frame.label != nullptr ? std::string(frame.label)
         : frame.function       ? function_text(frame)
                                : symbolizer.name(place_of(frame, pid));
}

// Of a stack with functions. A text that leaves out frames further out ends with "...".
std::string function_stack_text(const Stack& stack, std::int32_t pid,
                                symbols::Symbolizer& symbolizer, std::size_t most) {
  std::vector<std::string> texts;
  std::vector<Origin> origins;
  texts.reserve(stack.size());
  origins.reserve(stack.size());
  for (const Frame& frame : stack) {
    texts.push_back(text_of(frame, pid, symbolizer));
    origins.push_back(origin_of(frame));
  }
  const std::vector<bool> chosen = chosen_frames(origins, texts, most);
  std::string text;
  bool cut = false;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    if (chosen[i]) {
      text.append(text.empty() ? "" : "; ").append(texts[i]);
    }
    cut = cut || (!chosen[i] && origins[i] == Origin::kOwn);
  }
  return cut ? text.append(kMore) : text;
}

// The frames of a stack that are shown. A perf map names code made at run time (Python's functions,
// JavaScript's). Between two such frames lie three or four of the interpreter's own, which only
// show how one function calls the other. They are left out: they would take the functions' room.
class Shown {
 public:
  explicit Shown(const Stack& stack) : stack_(stack) {
    const auto first = std::find_if(stack.begin(), stack.end(), is_made_at_run_time);
    const auto last = std::find_if(stack.rbegin(), stack.rend(), is_made_at_run_time);
    if (first != stack.end()) {
      first_ = static_cast<std::size_t>(first - stack.begin());
      last_ = static_cast<std::size_t>(stack.rend() - last) - 1;
    }
  }
  bool operator()(std::size_t i) const {
    return i <= first_ || i >= last_ || stack_[i].module_path().empty() ||
           stack_[i].module_path() != stack_[first_ + 1].module_path();
  }
  // The innermost and the outermost frame of code made at run time; equal if there are fewer than
  // two.
  std::size_t first() const { return first_; }
  std::size_t last() const { return last_; }

 private:
  const Stack& stack_;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
};

// Whether a perf map names them. Without one, an address in no known module may be anything.
bool has_names(const Shown& shown, const Stack& stack, std::int32_t pid,
               symbols::Symbolizer& symbolizer) {
  return shown.first() < shown.last() &&
         !symbolizer.name(place_of(stack[shown.first()], pid)).starts_with("??");
}

// One place in the program is many stacks: the machine code below it differs. Where the words that
// are shown are the same, they are one site.
void add_up(std::vector<MemorySite>& sites) {
  std::vector<MemorySite> kept;
  for (MemorySite& site : sites) {
    const auto same = std::find_if(kept.begin(), kept.end(), [&site](const MemorySite& other) {
      return has_functions(site.stack) && other.mapping == site.mapping &&
             other.stack_text == site.stack_text;
    });
    if (same == kept.end()) {
      kept.push_back(std::move(site));
      continue;
    }
    same->live_bytes += site.live_bytes;
    same->live_delta_bytes += site.live_delta_bytes;
    same->allocated_bytes += site.allocated_bytes;
    same->allocations += site.allocations;
    same->churn_bytes += site.churn_bytes;
    if (site.peak_bytes) {
      same->peak_bytes = same->peak_bytes.value_or(0) + *site.peak_bytes;
    }
  }
  sites = std::move(kept);
}

// Names them and adds up those that are equal but for the line of the innermost function; the line
// of the one that took most stays. `sites`: most first.
void name_and_add_up(std::vector<CpuSite>& sites, std::int32_t pid,
                     symbols::Symbolizer& symbolizer) {
  std::vector<CpuSite> kept;
  std::vector<std::string> without_line;  // of `kept`
  for (CpuSite& site : sites) {
    site.stack_text = stack_text(site.stack, pid, symbolizer);
    const auto innermost =
        std::find_if(site.stack.begin(), site.stack.end(),
                     [](const Frame& frame) { return frame.function != nullptr; });
    std::string key = site.stack_text;
    if (innermost != site.stack.end()) {
      const std::uint32_t line = std::exchange(innermost->line, 0);
      key = stack_text(site.stack, pid, symbolizer);
      innermost->line = line;
    }
    std::size_t same = 0;
    while (same < kept.size() && without_line[same] != key &&
           kept[same].stack_text != site.stack_text) {
      ++same;
    }
    if (same == kept.size()) {
      kept.push_back(std::move(site));
      without_line.push_back(std::move(key));
    } else {
      kept[same].cpu_ns += site.cpu_ns;
    }
  }
  sites = std::move(kept);
  put_in_order(sites, [](const CpuSite& a, const CpuSite& b) { return a.cpu_ns > b.cpu_ns; });
}

// The innermost function, if one is there of the program's own; empty: it has no name.
std::string innermost_text(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  const std::string text =
      stack_text(own_part(stack, pid, symbolizer), pid, symbolizer, kMaxWaitText);
  const std::string innermost = text.substr(0, text.find("; "));
  return innermost.starts_with("??") ? std::string() : innermost;
}

// Behind `said` in the headline: the innermost function of a stack, if the program's own code is in
// it. (A headline is written before stacks have names.)
void insert_place(Report& report, std::string_view said, std::string_view before,
                  const Stack& stack, symbols::Symbolizer& symbolizer) {
  const std::size_t at = said.empty() ? std::string::npos : report.headline.find(said);
  const std::string where = at != std::string::npos && is_of_program(stack)
                                ? innermost_text(stack, report.pid, symbolizer)
                                : std::string();
  if (!where.empty()) {
    report.headline.insert(at + said.size(), std::string(before) + where);
  }
}

// Of a call that waited it says which function made it, where no finding does.
void tell_who_waited(Report& report, const Blocked& front, symbols::Symbolizer& symbolizer) {
  const bool told = std::any_of(report.findings.begin(), report.findings.end(),
                                [](const Finding& finding) { return !finding.site.empty(); });
  if (!told) {
    insert_place(report, blocked_text(front), front.after ? ", after " : ", called by ",
                 front.stack, symbolizer);
  }
}

// Of a thread that computed to the end it says in which function: of the program's own, if one is
// there.
void tell_where_it_was(Report& report, symbols::Symbolizer& symbolizer) {
  if (report.blocked.empty() || report.blocked[0].stack.empty()) {
    return;
  }
  const Blocked& front = report.blocked[0];
  const std::string where = innermost_text(front.stack, report.pid, symbolizer);
  if (where.empty()) {
    return;
  }
  if (!front.on_cpu) {
    tell_who_waited(report, front, symbolizer);
    return;
  }
  struct Words {
    std::string_view said;
    std::string_view before;
  };
  for (const Words words : {Words{" on CPU, and the handler waits for it", ": "},
                            Words{" on CPU", " in "}, Words{" in computing", ", at last in "}}) {
    if (const std::size_t at = report.headline.find(words.said); at != std::string::npos) {
      report.headline.insert(at + words.said.size(), std::string(words.before) + where);
      return;
    }
  }
}

// Of a process that ended itself, or crashed, where; of one that memory ran out for, who held it.
void tell_where_it_ended(Report& report, symbols::Symbolizer& symbolizer) {
  const EndDescription& death = report.death;
  if (report.status == Status::kCrash || report.status == Status::kExit) {
    const bool call = !death.address && death.reason.ends_with(')');  // exit(3), abort()
    insert_place(report, death.reason, call ? ", called by " : ", in ", death.stack, symbolizer);
  } else if (report.status == Status::kOutOfMemory && !report.findings.empty()) {
    insert_place(report, "was killed", "; most of what was live was allocated in ",
                 report.findings.front().site, symbolizer);
  }
}

void name_first_use(FirstUse& from, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  if (is_of_program(from.stack)) {
    from.text = (from.after ? "after " : "") + innermost_text(from.stack, pid, symbolizer);
  }
}

}  // namespace

void want_names(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  const Shown shown(stack);
  for (std::size_t i = 0, wanted = 0; i < stack.size() && wanted < kMaxFramesNamed; ++i) {
    if (stack[i].label == nullptr && !stack[i].function && (i < kMaxFramesNamed || shown(i))) {
      symbolizer.want(place_of(stack[i], pid));
      wanted += shown(i) ? 1 : 0;
    }
  }
}

std::string stack_text(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer,
                       std::size_t most) {
  if (has_functions(stack)) {
    return function_stack_text(stack, pid, symbolizer, most);
  }
  const Shown shown(stack);
  const bool all = !has_names(shown, stack, pid, symbolizer);
  std::string text;
  std::size_t frames = 0;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    if (!all && !shown(i)) {
      continue;
    }
    const std::string frame = frames++ >= kMaxFramesNamed ? std::string()
                              : stack[i].label != nullptr
                                  ? std::string(stack[i].label)
                                  : symbolizer.name(place_of(stack[i], pid));
    if (frame.empty() || text.size() + frame.size() + 2 > most - kMore.size()) {
      return text.append(kMore);
    }
    text.append(text.empty() ? "" : "; ").append(frame);
  }
  return text;
}

void name_stacks(Report& report, symbols::Symbolizer& symbolizer, std::uint64_t until_ns) {
  static std::vector<MemorySite> none;
  std::vector<MemorySite>& sites = report.memory ? report.memory->sites : none;
  // The end's stack first: after its line no other can give these names.
  want_names(report.death.stack, report.pid, symbolizer);
  for (const Blocked& blocked : report.blocked) {
    want_names(blocked.stack, report.pid, symbolizer);
  }
  for (const Finding& finding : report.findings) {
    want_names(finding.site, report.pid, symbolizer);
  }
  for (const Blocked& wait : report.timeline) {
    want_names(wait.stack, report.pid, symbolizer);
  }
  for (const HostFigures& host : report.targets.hosts) {
    want_names(host.from.stack, report.pid, symbolizer);
  }
  for (const FileFigures& file : report.targets.files) {
    want_names(file.from.stack, report.pid, symbolizer);
  }
  static std::vector<CpuSite> nowhere;
  std::vector<CpuSite>& cpu_sites = report.cpu ? report.cpu->sites : nowhere;
  for (const CpuSite& site : cpu_sites) {
    want_names(site.stack, report.pid, symbolizer);
  }
  for (const MemorySite& site : sites) {
    want_names(site.stack, report.pid, symbolizer);
  }
  std::optional<ProfiledSites> profile;
  if (report.memory && report.memory->profiled) {
    profile = (*std::exchange(report.memory->profiled, nullptr))();
    want_names(*profile, report.pid, symbolizer);
  }
  symbolizer.work(until_ns);
  if (profile) {
    report.memory->profile = profile_text(*profile, report.pid, symbolizer, kMaxProfileText);
  }
  for (Finding& finding : report.findings) {
    if (!finding.site.empty()) {
      finding.text += (finding.after ? " After " : " Here: ") +
                      stack_text(own_part(finding.site, report.pid, symbolizer), report.pid,
                                 symbolizer, kMaxSiteText);
      finding.text += finding.site_note;
    }
  }
  for (MemorySite& site : sites) {
    if (!site.stack.empty()) {  // else the text says "(stack not kept)"
      site.stack_text = stack_text(site.stack, report.pid, symbolizer);
    }
  }
  add_up(sites);
  name_and_add_up(cpu_sites, report.pid, symbolizer);
  report.death.stack_text =
      stack_text(report.death.stack, report.pid, symbolizer, kMaxEndStackText);
  for (Blocked& blocked : report.blocked) {
    blocked.stack_text =
        (blocked.after ? "after " : "") +
        stack_text(blocked.stack, report.pid, symbolizer, kMaxEndStackText - sizeof("after "));
  }
  for (HostFigures& host : report.targets.hosts) {
    name_first_use(host.from, report.pid, symbolizer);
  }
  for (FileFigures& file : report.targets.files) {
    name_first_use(file.from, report.pid, symbolizer);
  }
  for (Blocked& wait : report.timeline) {
    if (is_of_program(wait.stack)) {  // else all is the runtime's
      wait.stack_text = stack_text(own_part(wait.stack, report.pid, symbolizer), report.pid,
                                   symbolizer, kMaxWaitText);
    }
  }
  tell_where_it_was(report, symbolizer);
  tell_where_it_ended(report, symbolizer);
}

}  // namespace lamprey::report
