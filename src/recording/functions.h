// The program's own functions in a recording: what a word of a stack says when it is no return
// address, and the tables that its numbers point into.
//
//   Function[]    handed out from the front, never changed: a name, a file, where it begins
//   SourceFile[]  the same of files
//   Text          bytes of names and paths, UTF-8, without NUL, handed out from the front
//   FrameWord[]   the frames of all stacks, each stack's own in one piece (Stack::first)
//
// Names are copied when a function is first met: its objects may move, and die with the process.
// Only plain data lives here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::recording {

inline constexpr std::uint32_t kFunctions = 4096;
inline constexpr std::uint32_t kSourceFiles = 1024;
inline constexpr std::uint32_t kFunctionText = 256 * 1024;  // bytes
inline constexpr std::uint32_t kFrameWords = 72 * 1024;     // 36 a stack, were there all stacks
inline constexpr std::uint32_t kMaxFunctionName = 127;      // bytes; a longer one is cut
inline constexpr std::uint32_t kMaxSourcePath = 255;  // bytes; of a longer one the end is kept

enum class Language : std::uint8_t {
  kNone = 0,
  kPython = 1,
  kJavaScript = 2,
  kJava = 3,
  kRuby = 4
};
inline constexpr std::uint32_t kLanguages = 5;

// How the reader of a language's frames does in this process.
enum class FrameReader : std::uint8_t {
  kAbsent = 0,  // no such runtime is here
  kOn = 1,
  kSwitchedOff = 2,     // LAMPREY_FRAMES=off
  kUnknownVersion = 3,  // of the runtime
  kMissing = 4,         // something that it must know of the runtime is not there
  kNotProven = 5,       // what it read is not what the runtime says of itself
  kListed = 6,          // the layer's compatibility list says that it stays off for this build
};

struct Function {
  std::uint32_t name;        // offset in Text
  std::uint32_t first_line;  // 0: unknown
  std::uint16_t file;        // index in SourceFile[] + 1; 0: none
  std::uint16_t name_bytes;
  Language language;
  std::uint8_t state;  // kFunctionThere, stored last
  std::uint16_t reserved;
};

struct SourceFile {
  std::uint32_t path;  // offset in Text
  std::uint16_t path_bytes;
  std::uint16_t state;  // kFunctionThere, stored last
};
inline constexpr std::uint8_t kFunctionThere = 1;

// A word of a stack with its highest bit set, which no user address has, is a function:
//   bit 62       it awaits what is further in (an async caller), it did not call it
//   bits 24..47  index in Function[] + 1; 0: one for which there was no room
//   bits 0..23   line; 0: unknown
inline constexpr std::uint64_t kFunctionFrame = std::uint64_t{1} << 63U;
inline constexpr std::uint64_t kAsyncFrame = std::uint64_t{1} << 62U;
inline constexpr std::uint32_t kMaxLines = (1U << 24U) - 1;

constexpr bool is_function_frame(std::uint64_t word) { return (word & kFunctionFrame) != 0; }
constexpr std::uint32_t function_of(std::uint64_t word) {
  return static_cast<std::uint32_t>((word >> 24U) & 0xFFFFFFU);
}
constexpr std::uint32_t line_of(std::uint64_t word) {
  return static_cast<std::uint32_t>(word & kMaxLines);
}
// `function`: index in Function[] + 1.
constexpr std::uint64_t function_frame(std::uint32_t function, std::uint32_t line) {
  return kFunctionFrame | (std::uint64_t{function & 0xFFFFFFU} << 24U) |
         (line <= kMaxLines ? line : 0);
}

static_assert(sizeof(Function) == 16 && sizeof(SourceFile) == 8);

}  // namespace lamprey::recording
