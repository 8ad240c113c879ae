// Finding Lamprey's records in what CloudWatch gives: plain lines, lines behind a time stamp, JSON
// exports that hold them as messages. What the records mean is not known here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/input/json_document.h"

namespace lamprey::cli {

struct LineCounts {
  std::uint64_t records = 0;
  std::uint64_t skipped = 0;  // lines or messages that are not ours
  std::uint64_t newer = 0;    // ours, of a schema that this program does not know
};

class RecordFinder {
 public:
  using Take = std::function<void(const Value& record)>;
  using Other = std::function<void(std::string_view line)>;

  // `take` gets every record, in order; `other`, where there is one, every other line or message.
  explicit RecordFinder(Take take, Other other = {});

  // Lines, the last with or without its newline.
  void lines(std::string_view text);
  // All of a file: one JSON text if it is one, else lines.
  void whole(std::string_view text);
  const LineCounts& counts() const { return counts_; }

 private:
  // A message is read while the text around it still is: each level has a document of its own.
  struct Level {
    std::string text;
    Document document;
  };
  void line(std::string_view line, std::size_t depth);
  bool json(std::string_view text, std::size_t depth);
  void walk(const Value& json, std::size_t depth, int level);
  bool record(const Value& json);
  bool message(const Value& json, std::size_t depth);
  void skip(std::string_view line);
  Level& level(std::size_t depth);

  Take take_;
  Other other_;
  LineCounts counts_;
  std::vector<std::unique_ptr<Level>> levels_;
};

// Every record in `text`, whatever it is.
void find_records(std::string_view text, LineCounts& counts, const RecordFinder::Take& take);

}  // namespace lamprey::cli
