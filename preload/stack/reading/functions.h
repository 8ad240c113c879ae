// The program's own functions in the recording (recording/functions.h): found by what tells one
// from all others, added with names when first met. Which frames a stack has is the readers' work
// (python/, v8/, hotspot/, ruby/).
//
// Cost: find() ~2 ns, known_line() ~1 ns; add() some hundred nanoseconds, once for each function.
// No allocation, lock, system call; any thread, any signal handler. Two threads that meet a new
// function at the same instant may make two entries of it: readers show the same text for both.
#pragma once

#include <cstdint>

#include "recording/functions.h"

namespace lamprey::preload::stack {
inline namespace reading {
namespace functions {

// Bytes of UTF-8, borrowed. Whoever reads a language's strings checks that they can be read.
struct Text {
  const char* bytes;
  std::uint32_t size;
};

// The number (index in Function[] + 1) of the function with this identity: a hash, never 0, of all
// that tells it from others, also from one that was at its address before. 0: not met yet.
std::uint32_t find(std::uint64_t identity);

// Adds it; 0 when there is no room (counted). A long name is cut at its end, a long path at its
// start.
std::uint32_t add(std::uint64_t identity, recording::Language language, Text name, Text file,
                  std::uint32_t first_line);

// Lines are dear to find: the table of a code object is decoded from its start. So the answer for
// (function, offset of the instruction in it) is remembered, as long as no other takes its place.
bool known_line(std::uint32_t function, std::uint64_t offset, std::uint32_t& line);
void remember_line(std::uint32_t function, std::uint64_t offset, std::uint32_t line);

// In a forked child that gets a recording of its own: nothing is known there yet.
void forget_all();

}  // namespace functions
}  // namespace reading
}  // namespace lamprey::preload::stack
