// pprof's profile.proto, encoded by hand (protobuf wire format), and packed by zlib; see
// profile_files.h. Field numbers are those of github.com/google/pprof/proto/profile.proto.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <new>
#include <string_view>

#include "cli/output/profile_files.h"

namespace lamprey::cli {
namespace {

// profile.proto
enum Profile : std::uint32_t {
  kSampleType = 1,
  kSample = 2,
  kMapping = 3,
  kLocation = 4,
  kFunction = 5,
  kStringTable = 6,
  kTimeNanos = 9,
  kPeriodType = 11,
  kPeriod = 12,
  kDefaultSampleType = 14,
};

class Message {
 public:
  void number(std::uint32_t field, std::uint64_t value) {
    varint(field << 3U);
    varint(value);
  }
  void bytes(std::uint32_t field, std::string_view value) {
    varint((field << 3U) | 2U);
    varint(value.size());
    out_ += value;
  }
  void packed(std::uint32_t field, const std::vector<std::uint64_t>& values) {
    Message inner;
    for (const std::uint64_t value : values) {
      inner.varint(value);
    }
    bytes(field, inner.out_);
  }
  const std::string& text() const { return out_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) {
      out_ += static_cast<char>((value & 0x7FU) | 0x80U);
    }
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

// Text by its number, as the format wants it; number 0 is the empty text.
class Strings {
 public:
  Strings() { number(""); }
  std::uint64_t number(const std::string& text) {
    const auto [entry, is_new] = numbers_.emplace(text, list_.size());
    if (is_new) {
      list_.push_back(text);
    }
    return entry->second;
  }
  const std::vector<std::string>& list() const { return list_; }

 private:
  std::map<std::string, std::uint64_t> numbers_;
  std::vector<std::string> list_;
};

// "f (m)" → f, m; "f" → f, "".
std::pair<std::string, std::string> function_and_module(const std::string& frame) {
  const std::size_t open = frame.rfind(" (");
  if (open == std::string::npos || open == 0 || frame.back() != ')') {
    return {frame, ""};
  }
  const std::string module = frame.substr(open + 2, frame.size() - open - 3);
  if (frame.starts_with("??")) {
    return {frame, module.substr(0, module.find(" +0x"))};
  }
  return {frame.substr(0, open), module};
}

class Encoder {
 public:
  struct Type {
    const char* name;
    const char* unit;
  };

  // `shown`: which type is shown unless another is asked for; a sample stands for `period` of it, 0
  // unknown.
  Encoder(const std::vector<Type>& types, std::size_t shown, std::uint64_t period)
      : shown_(types[shown]), period_(period) {
    for (const Type& type : types) {
      out_.bytes(kSampleType, value_type(type));
    }
  }

  // One value for each type.
  void sample(const Frames& frames, const std::vector<std::int64_t>& values) {
    std::vector<std::uint64_t> locations;  // innermost first
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
      locations.push_back(location(*frame));
    }
    Message message;
    message.packed(1, locations);
    message.packed(2, {values.begin(), values.end()});
    out_.bytes(kSample, message.text());
  }

  std::string finish(std::uint64_t time_ns) {
    const std::string period_type = value_type(shown_);
    for (const std::string& text : strings_.list()) {
      out_.bytes(kStringTable, text);
    }
    if (time_ns != 0) {
      out_.number(kTimeNanos, time_ns);
    }
    out_.bytes(kPeriodType, period_type);
    if (period_ != 0) {
      out_.number(kPeriod, period_);
    }
    out_.number(kDefaultSampleType, strings_.number(shown_.name));
    return out_.text();
  }

 private:
  std::string value_type(const Type& type) {
    Message message;
    message.number(1, strings_.number(type.name));
    message.number(2, strings_.number(type.unit));
    return message.text();
  }

  // A location, a function and (once a module) a mapping: ids count from 1.
  std::uint64_t location(const std::string& frame) {
    const auto [entry, is_new] = locations_.emplace(frame, locations_.size() + 1);
    if (!is_new) {
      return entry->second;
    }
    const std::uint64_t id = entry->second;
    const auto [name, module] = function_and_module(frame);
    Message function;
    function.number(1, id);
    function.number(2, strings_.number(name));
    function.number(3, strings_.number(name));
    function.number(4, strings_.number(module));
    out_.bytes(kFunction, function.text());
    Message line;
    line.number(1, id);
    Message location;
    location.number(1, id);
    if (!module.empty()) {
      location.number(2, mapping(module));
    }
    location.bytes(4, line.text());
    out_.bytes(kLocation, location.text());
    return id;
  }

  std::uint64_t mapping(const std::string& module) {
    const auto [entry, is_new] = mappings_.emplace(module, mappings_.size() + 1);
    if (is_new) {
      Message message;
      message.number(1, entry->second);
      message.number(5, strings_.number(module));
      message.number(7, 1);  // has_functions: pprof need not look for symbols itself
      out_.bytes(kMapping, message.text());
    }
    return entry->second;
  }

  Type shown_;
  std::uint64_t period_;
  Message out_;
  Strings strings_;
  std::map<std::string, std::uint64_t> locations_;
  std::map<std::string, std::uint64_t> mappings_;
};

}  // namespace

std::string gzipped(const std::string& bytes) {
  constexpr int kGzip = MAX_WBITS + 16;  // zlib.h: with gzip's header and trailer, not zlib's own
  constexpr int kMemoryLevel = 8;        // zlib's default
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  std::string out;
  std::array<Bytef, 65536> in;
  std::array<Bytef, 65536> packed;
  std::size_t taken = 0;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    if (stream.avail_in == 0) {
      const std::size_t size = std::min(in.size(), bytes.size() - taken);
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(taken), size, in.begin());
      stream.next_in = in.data();
      stream.avail_in = static_cast<uInt>(size);
      taken += size;
    }
    stream.next_out = packed.data();
    stream.avail_out = static_cast<uInt>(packed.size());
    state = deflate(&stream, taken == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    out.append(packed.begin(), packed.end() - static_cast<std::ptrdiff_t>(stream.avail_out));
  }
  deflateEnd(&stream);
  return out;
}

std::string pprof_file(const std::map<Frames, SiteSum>& sites, std::uint64_t time_ns) {
  Encoder encoder({{"live_bytes", "bytes"}, {"allocated_bytes", "bytes"}, {"allocations", "count"}},
                  0, 0);
  for (const auto& [frames, sum] : sites) {
    encoder.sample(frames, {sum.live_bytes, sum.allocated_bytes, sum.allocations});
  }
  return gzipped(encoder.finish(time_ns));
}

std::string pprof_file(const CpuSites& sites, std::uint64_t hz, std::uint64_t time_ns) {
  constexpr std::uint64_t kNsASecond = 1'000'000'000;
  Encoder encoder({{"samples", "count"}, {"cpu", "nanoseconds"}}, 1, hz == 0 ? 0 : kNsASecond / hz);
  for (const PictureStack& stack : picture_of(sites).stacks) {
    encoder.sample(*stack.frames, {stack.count, stack.values[0]});
  }
  return gzipped(encoder.finish(time_ns));
}

}  // namespace lamprey::cli
