// Finding Lamprey's records in what CloudWatch gives: plain lines, lines behind a time stamp, JSON
// exports that hold them as messages. What the records mean is not known here.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace lamprey::cli {

struct LineCounts {
  std::uint64_t records = 0;
  std::uint64_t skipped = 0;  // lines or messages that are not ours
  std::uint64_t newer = 0;    // ours, of a schema that this program does not know
};

// Gives every record in `text` to `take`, in order.
void find_records(const std::string& text, LineCounts& counts,
                  const std::function<void(const nlohmann::json&)>& take);

}  // namespace lamprey::cli
