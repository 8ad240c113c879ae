// The directory for which a thread's last question about a path counted. Programs ask about one
// file after the other of the same directory (git, an import system), and which entry of the table
// that directory is follows from the text before the last name alone: so it is compared, not put
// into one form and hashed anew (~1,100 instructions of a hooked lstat()).
//
// Each thread slot has one place. A signal handler that interrupts its filling finds it marked and
// neither reads nor fills it. Of libc only what searches and compares memory is called, which is
// async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/process/thread.h"

namespace lamprey::preload::io::recent_directory {

inline constexpr std::size_t kMaxBytes = 112;

// What a path is relative to. Equal origins mean the same directory.
struct Origin {
  std::int32_t at;           // descriptor, or one of those below
  std::uint32_t generation;  // of the descriptor's entry
};
inline constexpr std::int32_t kRoot = -1;
inline constexpr std::int32_t kWorkingDirectory = -2;
inline constexpr std::int32_t kNowhere = -3;  // not known

// Everything of a path but its last name.
struct Question {
  Origin origin;
  const char* text;  // borrowed
  std::size_t bytes;
};

// False: too long, relative to nowhere, or the last name is none (a slash at the end, "." or "..").
bool ask(const Origin& origin, const char* path, Question& question);

inline constexpr std::uint32_t kUnknown = UINT32_MAX;

// The target that was kept for the same question, or kUnknown.
std::uint32_t recall(const Question& question);
void keep(const Question& question, std::uint32_t target);

// The working directory changed, or the recording in which the targets are.
void forget_all();

}  // namespace lamprey::preload::io::recent_directory
