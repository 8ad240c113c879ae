// One function each, and not one for each text's length and each number's type: they are called in
// fifty places, and the companion is small.
#include "report/model/report.h"

namespace lamprey::report {

[[gnu::noinline]] void Finding::add_evidence(std::string_view name, std::int64_t value) {
  evidence.emplace_back(name, value);
}

[[gnu::noinline]] void Coverage::add_unseen(const char* text) { unseen.emplace_back(text); }

}  // namespace lamprey::report
