// `platform`: Lambda's own account of an earlier invocation; see docs/record.md.
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

Object platform_section(const report::Report& report) {
  Object platform;
  if (report.platform) {
    put_text(platform, "request_id", report.platform->request_id);
    put(platform, "billed_ms", report.platform->billed_ms);
    put(platform, "max_memory_mb", report.platform->max_memory_mb);
    put_ms(platform, "init_ms", report.platform->init_ns);
    put_ms(platform, "restore_ms", report.platform->restore_ns);
  }
  return platform;
}

}  // namespace lamprey::cloudwatch
