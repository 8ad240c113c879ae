// The trace files that `lamprey report` writes while it reads. What is in them stands in
// output/trace_files.h.
#pragma once

#include <string>
#include <string_view>

#include "cli/analysis/spans.h"
#include "cli/output/trace_files.h"

namespace lamprey::cli {

// A file that is written piece by piece, or nothing where no path was given. "-" is standard
// output.
class PieceFile {
 public:
  PieceFile(const char* option, const std::string& path);
  ~PieceFile() { shut(); }
  PieceFile(const PieceFile&) = delete;
  PieceFile& operator=(const PieceFile&) = delete;

  bool is_wanted() const { return !path_.empty(); }
  void write(std::string_view text);
  // False when something could not be written; says so.
  bool finish();

 private:
  void flush();
  void shut();

  const char* option_;
  std::string path_;
  int file_ = -1;
  int error_ = 0;
  std::string buffer_;
};

class TraceOutputs {
 public:
  TraceOutputs(const std::string& otlp, const std::string& perfetto);

  bool are_wanted() const { return otlp_.is_wanted() || perfetto_.is_wanted(); }
  void add(const Value& record) { tracing_.add(record); }
  bool finish();

 private:
  PieceFile otlp_;
  PieceFile perfetto_;
  OtlpFile otlp_text_;
  PerfettoFile perfetto_text_;
  Tracing tracing_;
};

}  // namespace lamprey::cli
