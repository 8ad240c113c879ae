// Profiles in words; see the header.
#include "report/text/profile_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/model/counted.h"
#include "report/text/stack_names.h"

namespace lamprey::report {
namespace {

constexpr std::size_t kAtATime = 8;  // stacks
constexpr const char* kNoStack = "(stack not kept)";

// Calls `look` with each site and its stack.
template <typename Look>
void for_each_stack(const ProfiledSites& profile, Look look) {
  for (std::size_t first = 0; first < profile.sites.size(); first += kAtATime) {
    const auto from = profile.sites.begin() + static_cast<std::ptrdiff_t>(first);
    const std::size_t count = std::min(kAtATime, profile.sites.size() - first);
    const std::vector<ProfiledSite> some(from, from + static_cast<std::ptrdiff_t>(count));
    const std::vector<Stack> stacks = profile.stacks_of(some);
    for (std::size_t i = 0; i < count; ++i) {
      look(some[i], stacks[i]);
    }
  }
}

// Texts one after the other, each once: found by hash, kept nowhere else.
class Texts {
 public:
  explicit Texts(std::string_view between) : between_(between) {}

  // The place of a text, from 0; how many there are: it is new.
  std::size_t find(std::string_view text) const {
    const std::uint32_t hash = hash_of(text);
    std::size_t at = 0;
    while (at < all_.size() && (all_[at].hash != hash || (*this)[at] != text)) {
      ++at;
    }
    return at;
  }
  void add(std::string_view text) {
    joined_.append(joined_.empty() ? "" : between_);
    all_.push_back({hash_of(text), static_cast<std::uint32_t>(joined_.size()),
                    static_cast<std::uint32_t>(text.size())});
    joined_.append(text);
  }
  void cut(std::size_t count) {
    if (count < all_.size()) {
      joined_.resize(all_[count].at - (count == 0 ? 0 : between_.size()));
      all_.resize(count);
    }
  }
  std::string_view operator[](std::size_t at) const {
    return std::string_view(joined_).substr(all_[at].at, all_[at].bytes);
  }
  std::size_t size() const { return all_.size(); }
  std::string& joined() { return joined_; }

 private:
  // FNV-1a; the texts themselves are compared, too.
  static std::uint32_t hash_of(std::string_view text) {
    std::uint32_t hash = 2166136261U;
    for (const char c : text) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    }
    return hash;
  }
  struct Text {
    std::uint32_t hash;
    std::uint32_t at;
    std::uint32_t bytes;
  };
  std::string_view between_;
  std::string joined_;
  std::vector<Text> all_;
};

void append(std::string& text, std::int64_t figure) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), figure);
  text.append(text.empty() || text.back() == ' ' ? "" : " ").append(digits.data(), end.ptr);
}

// Frames, and chains of frames by their places.
class Writer {
 public:
  explicit Writer(std::size_t most) : most_(most) {}

  void add(const ProfiledSite& site, const std::string& stack) {
    const std::size_t frames_before = frames_.size();
    const std::size_t files_before = files_.size();
    std::string chain;
    for (std::string_view rest = stack; !rest.empty();) {
      const std::size_t end = rest.find("; ");
      const std::size_t place = place_in(frames_, with_number(rest.substr(0, end)));
      append(chain, static_cast<std::int64_t>(place));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    }
    const std::size_t place = chains_.find(chain);
    if (place == chains_.size()) {
      constexpr std::size_t kFigures = 48;  // bytes of a site's, about
      const std::size_t size = files_.joined().size() + frames_.joined().size() +
                               chains_.joined().size() + chain.size() +
                               ((chains_.size() + 1) * kFigures);
      if (size > most_) {
        frames_.cut(frames_before);
        files_.cut(files_before);
        return;
      }
      chains_.add(chain);
      sums_.push_back({});
    }
    add_figures(sums_[place], site);
  }

  AllocationProfile take(const ProfiledSites& profile) {
    AllocationProfile text;
    text.since = profile.since;
    text.until = profile.until;
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      text.sites.append(i == 0 ? "" : "; ");
      append(text.sites, static_cast<std::int64_t>(sums_[i].allocated_bytes));
      append(text.sites, static_cast<std::int64_t>(sums_[i].allocations));
      append(text.sites, sums_[i].live_bytes);
      append(text.sites, sums_[i].live_delta_bytes);
      text.sites.append(" ").append(chains_[i]);
    }
    text.files = std::move(files_.joined());
    text.frames = std::move(frames_.joined());
    return text;
  }

 private:
  static std::size_t place_in(Texts& texts, std::string_view text) {
    const std::size_t place = texts.find(text);
    if (place == texts.size()) {
      texts.add(text);
    }
    return place;
  }

  // "f (/var/task/app.py:12)" → "f (#0:12)": most of a frame is the path of its file.
  std::string with_number(std::string_view frame) {
    const std::size_t path = frame.rfind(" (/");
    const std::size_t line = frame.rfind(':');
    if (path == std::string_view::npos || line == std::string_view::npos || line < path) {
      return std::string(frame);
    }
    std::string text(frame.substr(0, path));
    text.append(" (#");
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                   place_in(files_, frame.substr(path + 2, line - path - 2)));
    return text.append(digits.data(), end.ptr).append(frame.substr(line));
  }

  static void add_figures(ProfiledSite& sum, const ProfiledSite& site) {
    sum.allocated_bytes += site.allocated_bytes;
    sum.allocations += site.allocations;
    sum.live_bytes = report::sum(sum.live_bytes, site.live_bytes);
    sum.live_delta_bytes = report::sum(sum.live_delta_bytes, site.live_delta_bytes);
  }

  std::size_t most_;
  Texts files_{"; "};
  Texts frames_{"; "};
  Texts chains_{""};
  std::vector<ProfiledSite> sums_;  // of each chain
};

}  // namespace

void want_names(const ProfiledSites& profile, std::int32_t pid, symbols::Symbolizer& symbolizer) {
  for_each_stack(profile, [&](const ProfiledSite&, const Stack& stack) {
    want_names(stack, pid, symbolizer);
  });
}

AllocationProfile profile_text(const ProfiledSites& profile, std::int32_t pid,
                               symbols::Symbolizer& symbolizer, std::size_t most) {
  Writer writer(most);
  for_each_stack(profile, [&](const ProfiledSite& site, const Stack& stack) {
    std::string text = stack.empty() ? kNoStack : stack_text(stack, pid, symbolizer);
    writer.add(site, site.mapping ? "mmap; " + text : text);
  });
  return writer.take(profile);
}

}  // namespace lamprey::report
