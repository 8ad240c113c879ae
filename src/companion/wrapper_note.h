// The note that the wrapper leaves for the companion: what an extension cannot see by itself, and
// whether the library could be loaded. Only reading it lives here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lamprey::companion {

struct WrapperNote {
  std::string environment;  // AWS_LAMBDA_RUNTIME_API as the wrapper saw it
  std::string library;      // ok, missing, architecture, tmp, off
  std::string command;
  std::uint64_t started_ns = 0;  // UNIX time; 0 unknown
};

// Nothing when there is no such file, when it is not this user's, or when it is larger than any
// that the wrapper writes.
std::optional<WrapperNote> read_wrapper_note(const std::string& path);

// Why there is no recording to read, for coverage.unseen; `note` is the one of this environment.
std::string why_unrecorded(const std::optional<WrapperNote>& note);

}  // namespace lamprey::companion
