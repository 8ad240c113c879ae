// A summary as bytes and back: one list of its members, passed to an archive that writes or
// reads. The reader takes what it gets for anything: short, long, or not a summary's at all.
#include <algorithm>
#include <utility>

#include "report/summary/summary.h"

namespace lamprey::report {
namespace {

constexpr std::uint64_t kVersion = 1;  // to be raised with each change of what follows
constexpr std::uint64_t kMaxEntries = 1000;
constexpr std::uint64_t kMaxCoarse = 16;

}  // namespace

// Writes or reads: one list of members does for both. Numbers take as many bytes as they need,
// seven bits in each.
class Archive {
 public:
  Archive() : reads_(false) {}
  explicit Archive(std::string_view in) : in_(in), reads_(true) {}

  bool reads() const { return reads_; }
  bool good() const { return good_; }
  bool at_end() const { return in_.empty(); }
  std::string& out() { return out_; }
  void require(bool condition) { good_ = good_ && condition; }

  void number(std::uint64_t& value) {
    if (reads_) {
      read(value);
      return;
    }
    std::uint64_t rest = value;
    for (; rest >= 0x80; rest >>= 7U) {
      out_.push_back(static_cast<char>(rest | 0x80U));
    }
    out_.push_back(static_cast<char>(rest));
  }
  // At most `most`, which is only looked at when it is read.
  void number(std::uint64_t& value, std::uint64_t most) {
    number(value);
    require(value <= most);
    value = good_ ? value : 0;
  }
  void text(std::string& value) {
    std::uint64_t size = value.size();
    number(size);
    if (!reads_) {
      out_.append(value);
      return;
    }
    require(size <= in_.size());
    value = in_.substr(0, good_ ? size : 0);
    in_.remove_prefix(value.size());
  }

 private:
  void read(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !in_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(in_.front());
      in_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) {
        return;
      }
    }
    good_ = false;
  }

  std::string out_;
  std::string_view in_;
  bool reads_;
  bool good_ = true;
};

namespace {

void pass_entry(Archive& archive, Entry& entry) {
  auto part = static_cast<std::uint64_t>(entry.part);
  archive.number(part, kParts - 1);
  entry.part = static_cast<Part>(part);
  const std::size_t count = figures_of(entry.part);
  archive.number(entry.id, entry.part == Part::kCall      ? recording::kCallCount - 1
                           : entry.part == Part::kFinding ? std::uint64_t{2}
                                                          : 0);
  archive.text(entry.name);
  archive.text(entry.more);
  archive.number(entry.known, (std::uint64_t{1} << count) - 1);
  for (std::size_t i = 0; i < count; ++i) {
    if (((entry.known >> i) & 1U) != 0) {
      archive.number(entry.figures[i]);
    }
  }
}

void pass_metric(Archive& archive, Distribution& metric) {
  for (std::uint64_t* value : {&metric.count, &metric.sum, &metric.min, &metric.max}) {
    archive.number(*value);
  }
  archive.number(metric.coarse, kMaxCoarse);
  archive.number(metric.used, Distribution::kMaxBuckets);
  for (std::size_t i = 0; i < metric.used; ++i) {
    Distribution::Bucket& bucket = metric.buckets[i];
    for (std::uint64_t* value : {&bucket.step, &bucket.count, &bucket.sum}) {
      archive.number(*value);
    }
  }
}

}  // namespace

void Summary::pass(Archive& archive) {
  std::uint64_t version = kVersion;
  archive.number(version);
  archive.require(version == kVersion);
  std::uint64_t count = entries_.size();
  archive.number(count, kMaxEntries);
  for (std::size_t i = 0; i < count && archive.good(); ++i) {
    pass_entry(archive, archive.reads() ? entries_.emplace_back() : entries_[i]);
  }
  for (Distribution& metric : figures_->metrics) {
    pass_metric(archive, metric);
  }
}

std::string Summary::save() const {
  Archive archive;
  const_cast<Summary*>(this)->pass(archive);  // it reads only
  return std::move(archive.out());
}

bool Summary::restore(std::string_view bytes) {
  Summary read;
  read.figures_ = std::make_shared<SummaryFigures>();
  Archive archive(bytes);
  read.pass(archive);
  bool calls = false;
  bool kernel = false;
  for (const Entry& entry : read.entries_) {
    calls = calls || entry.part == Part::kCalls;
    kernel = kernel || entry.part == Part::kKernel;
    archive.require((entry.part != Part::kCall || calls) &&
                    (entry.part != Part::kKernelCall || kernel));
  }
  const bool good = archive.good() && archive.at_end() && read.invocations() != 0 &&
                    read.entries_.front().part == Part::kCounts;
  if (good) {
    *this = std::move(read);
  }
  return good;
}

}  // namespace lamprey::report
