// `findings`: what is worth a human's attention; see docs/record.md.
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

using report::Report;

Json findings_json(const Report& report, std::size_t most) {
  Json list = Json::array();
  for (const report::Finding& finding : report.findings) {
    if (list.size() == most) {
      break;
    }
    Json entry;
    entry["code"] = finding.code;
    entry["severity"] = report::name_of(finding.severity);
    entry["text"] = cut(finding.text);
    put_text(entry, "advice", finding.advice);
    Json evidence;
    for (const auto& [name, value] : finding.evidence) {
      evidence[name] = value;
    }
    put_object(entry, "evidence", std::move(evidence));
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace lamprey::cloudwatch
