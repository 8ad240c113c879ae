// An entry of a line's `timeline`, for tests of what reads lines. Nothing else lives here.
#pragma once

#include <nlohmann/json.hpp>

namespace lamprey::cli {

inline nlohmann::json wait(double at, double length, const char* thread, const char* spent_on) {
  return {{"at_ms", at},
          {"for_ms", length},
          {"call", "recv"},
          {"thread", thread},
          {"spent_on", spent_on},
          {"target", "db:5432"},
          {"stack", "load (/var/task/app.py:16); handler (/var/task/app.py:30)"}};
}

}  // namespace lamprey::cli
