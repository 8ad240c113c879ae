// `findings`: what is worth a human's attention; see docs/record.md.
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

using report::Report;

// The short form leaves out the advice, which is the same for every finding of a code, and the
// evidence, whose figures stand in the text too.
Entries finding_entries(const Report& report, Form form) {
  Entries entries;
  for (const report::Finding& finding : report.findings) {
    if (entries.size() == kMaxVital) {
      break;
    }
    Object entry;
    entry.add("code", finding.code);
    entry.add("severity", report::name_of(finding.severity));
    entry.add("text", cut(finding.text));
    if (finding.count != 0) {
      entry.add("count", finding.count);
    }
    if (form == Form::kFull) {
      put_text(entry, "advice", std::string(finding.advice));
      Object evidence;
      for (const auto& [name, value] : finding.evidence) {
        evidence.add_named(name, value);
      }
      entry.add("evidence", evidence);
    }
    entries.push_back(entry.text());
  }
  return entries;
}

}  // namespace lamprey::cloudwatch
