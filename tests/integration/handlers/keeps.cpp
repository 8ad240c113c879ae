// Linked with client.c: a handler that parses each order and keeps the lines of all of them, and,
// compiled with -DBOUNDED, one that forgets the oldest.
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

namespace shop {

struct Line {
  std::string article;
  std::vector<int> prices;
};

class Ledger {
 public:
  void remember(int order) {
    lines_.push_back({"article number " + std::to_string(order) + std::string(500, '.'), {}});
    lines_.back().prices.assign(100, order);
#ifdef BOUNDED
    while (lines_.size() > kMax) {
      lines_.pop_front();
    }
#endif
  }

 private:
  [[maybe_unused]] static constexpr std::size_t kMax = 200;
  std::deque<Line> lines_;
};

}  // namespace shop

extern "C" void handle_event(const char*) {
  static shop::Ledger ledger;
  for (int order = 0; order < 100; ++order) {
    ledger.remember(order);
  }
  const std::vector<char> scratch(100000, 'x');  // given back at once
  volatile char used = scratch.back();
  (void)used;
}
