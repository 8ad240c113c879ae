// See frames_of_functions.h. Layout: V8 src/execution/frame-constants.h, src/objects/code.h,
// deoptimization-data.h; what a frame is, is told by its code, never by its slots: code that was
// entered half way through a loop keeps the interpreter's.
#include "preload/stack/v8/frames_of_functions.h"

#include "preload/stack/reading/functions.h"
#include "preload/stack/v8/lines.h"
#include "preload/stack/v8/machine_code.h"
#include "preload/stack/v8/position_tables.h"
#include "preload/stack/v8/runtime.h"
#include "preload/stack/v8/seen_frames.h"

namespace lamprey::preload::stack::v8 {
namespace {

// Below the frame pointer, in words.
struct Slots {
  Word offset;     // a bytecode's, or a feedback vector
  Word bytecodes;  // BytecodeArray
  Word arguments;
  Word function;  // JSFunction
  Word context;   // or what a frame of V8's own is, a Smi that is shifted by 1 only
};

constexpr Word kMaxFrameTypes = 64;
constexpr std::uint32_t kMaxInlined = 32;
constexpr std::uint32_t kLiteralIds = 1U << 24U;
constexpr std::uint64_t kBaseline = 2;  // kinds of keys of lines that are not a bytecode's
constexpr std::uint64_t kOptimised = 3;

struct InliningPosition {
  std::uint64_t call;    // Position in the function outside
  std::int32_t literal;  // index of the inlined function; -1: the outermost itself
  std::uint32_t padding;
};

bool read_slots(const NativeFrame& frame, Slots& slots) {
  return read_at(frame.fp - sizeof(Slots), slots);
}

// -- one function, one line -----------------------------------------------------------------------

// The line at that position of the table; 0: unknown.
std::uint32_t line_at(const Reading& reading, const SharedFunction& function, Word table,
                      std::int64_t code_offset) {
  Bytes bytes = {};
  Position position;
  return bytes_of(reading.v8, table, bytes) && position_at(bytes, code_offset, position)
             ? line_of(reading.v8, *function.script, position.offset())
             : 0;
}

// The line of a bytecode, as it is remembered or as it is found.
std::uint32_t line_of_bytecode(const Reading& reading, const SharedFunction& function,
                               std::uint32_t number, const Object& bytecodes, std::int64_t offset) {
  const auto key = static_cast<std::uint64_t>(offset);
  std::uint32_t line = 0;
  if (number == 0 || functions::known_line(number, key, line)) {
    return line;
  }
  line = line_at(reading, function, bytecodes.word(reading.v8.bytecode_positions), offset);
  if (line != 0) {
    functions::remember_line(number, key, line);
  }
  return line;
}

bool open_bytecodes(Reading& reading, Word word, Object& bytecodes) {
  const std::uint16_t type = reading.v8.types.bytecode_array;
  bytecodes = Object(word, reading.v8.bytecode_first);
  return reading.bytecodes.has(bytecodes, type, type) && is_smi(bytecodes.word(kArrayLength));
}

// What the interpreter and generators keep is counted from the object's tagged address.
std::int64_t bytecode_offset(const Layout& v8, Word word) {
  return std::int64_t{smi(word)} - (v8.bytecode_first - 1);
}

// -- kinds of code --------------------------------------------------------------------------------

// False: the frame is none of the interpreter's.
bool append_interpreted(Reading& reading, const SharedFunction& function, const Slots& slots,
                        const NativeFrame& frame, Words& words) {
  Object bytecodes;
  if (!is_smi(slots.offset) || !open_bytecodes(reading, slots.bytecodes, bytecodes)) {
    return false;
  }
  const std::int64_t offset = bytecode_offset(reading.v8, slots.offset);
  const std::int32_t length = smi(bytecodes.word(kArrayLength));
  const bool sound = offset >= -1 && offset < length && function.literal < kLiteralIds;
  if (frame.interrupted && !sound) {
    return false;  // proves nothing: the slot may be another frame's, whose own is not made yet
  }
  if (!frame.interrupted) {
    prove(sound);
  }
  const std::uint32_t number = number_of(reading.v8, function);
  const std::uint32_t line = line_of_bytecode(reading, function, number, bytecodes, offset);
  const std::uint64_t word = recording::function_frame(number, line);
  if (number != 0 && line != 0 && !frame.interrupted) {
    seen_frames::remember(reading, {slots.function, slots.offset, frame.pc}, function, word);
  }
  words.append(word);
  return true;
}

std::uint32_t line_in_baseline(const Reading& reading, const SharedFunction& function,
                               const Code& code, const Object& bytecodes, std::uint64_t pc_offset) {
  const Layout& v8 = reading.v8;
  const std::uintptr_t first = bytecodes.address() + v8.bytecode_first;
  const std::int32_t length = smi(bytecodes.word(kArrayLength));
  Bytes table = {};
  std::int64_t offset = 0;
  if (length <= 0 || !can_read(first, static_cast<std::size_t>(length)) ||
      !bytes_of(v8, code.object.word(v8.code_positions), table)) {
    return 0;
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(first);
  return bytecode_at(table, {bytes, bytes + length}, v8.bytecodes, pc_offset, offset)
             ? line_at(reading, function, bytecodes.word(v8.bytecode_positions), offset)
             : 0;
}

void append_baseline(Reading& reading, const SharedFunction& function, const Slots& slots,
                     const Code& code, std::uintptr_t pc, Words& words) {
  const std::uint32_t number = number_of(reading.v8, function);
  const std::uint64_t pc_offset = pc - 1 - code.start;
  const std::uint64_t key = mix(mix(kBaseline, code.size), pc_offset);
  std::uint32_t line = 0;
  Object bytecodes;
  if (number != 0 && !functions::known_line(number, key, line) &&
      open_bytecodes(reading, slots.bytecodes, bytecodes)) {
    line = line_in_baseline(reading, function, code, bytecodes, pc_offset);
    if (line != 0) {
      functions::remember_line(number, key, line);
    }
  }
  words.append(recording::function_frame(number, line));
}

// -- optimised code -------------------------------------------------------------------------------

// The words of one frame of optimised code, the innermost inlined function first.
struct Inlined {
  std::uint64_t words[kMaxInlined + 1];
  std::uint32_t count;
};

// Remembered under the outer function's number: how many words there are, and of each its two
// halves. All of them are there, or none.
bool recall(std::uint32_t number, std::uint64_t key, Inlined& inlined) {
  if (!functions::known_line(number, key, inlined.count) || inlined.count > kMaxInlined + 1) {
    return false;
  }
  for (std::uint32_t i = 0; i < inlined.count; ++i) {
    std::uint32_t function = 0;
    std::uint32_t line = 0;
    if (!functions::known_line(number, key + (std::uint64_t{2} * i) + 1, function) ||
        !functions::known_line(number, key + (std::uint64_t{2} * i) + 2, line)) {
      return false;
    }
    inlined.words[i] = recording::function_frame(function, line);
  }
  return true;
}

void remember(std::uint32_t number, std::uint64_t key, const Inlined& inlined) {
  functions::remember_line(number, key, inlined.count);
  for (std::uint32_t i = 0; i < inlined.count; ++i) {
    functions::remember_line(number, key + (std::uint64_t{2} * i) + 1,
                             recording::function_of(inlined.words[i]));
    functions::remember_line(number, key + (std::uint64_t{2} * i) + 2,
                             recording::line_of(inlined.words[i]));
  }
}

// What was inlined by those literals, positions and calls.
class Inlining {
 public:
  Inlining(Reading& reading, const Code& code) : reading_(reading) {
    const Layout& v8 = reading.v8;
    const Object data(code.object.word(v8.code_deopt),
                      kArrayFirst + (sizeof(Word) * (v8.deopt_inlining + 1U)));
    if (data) {
      literals_ = data.word(kArrayFirst + (sizeof(Word) * v8.deopt_literals));
      there_ = bytes_of(v8, data.word(kArrayFirst + (sizeof(Word) * v8.deopt_inlining)), calls_);
    }
  }

  // Appends the functions inside `outer`, and leaves in `position` where that called the first.
  void append(const SharedFunction& outer, Position& position, Inlined& inlined) {
    while (position.inlined() != 0 && inlined.count < kMaxInlined) {
      const std::size_t at = (position.inlined() - 1) * sizeof(InliningPosition);
      InliningPosition call = {};
      if (!there_ || at + sizeof(call) > static_cast<std::size_t>(calls_.end - calls_.begin)) {
        return;
      }
      __builtin_memcpy(&call, calls_.begin + at, sizeof(call));
      SharedFunction function = outer;
      if (call.literal < 0 || read_literal(call.literal, function)) {
        append_one(function, position, inlined);
      }
      const Position next(call.call);
      const bool falls = next.inlined() < position.inlined();  // or it would never end
      position = next;
      if (!falls) {
        return;
      }
    }
  }

 private:
  bool read_literal(std::int32_t index, SharedFunction& function) {
    Word word = 0;
    return is_pointer(literals_) &&
           read_at(literals_ - 1 + kArrayFirst + (sizeof(Word) * static_cast<std::size_t>(index)),
                   word) &&
           read_shared(reading_, strong(word), function);
  }

  void append_one(const SharedFunction& function, Position position, Inlined& inlined) {
    if (function.script != nullptr) {
      inlined.words[inlined.count++] =
          recording::function_frame(number_of(reading_.v8, function),
                                    line_of(reading_.v8, *function.script, position.offset()));
    }
  }

  Reading& reading_;
  Word literals_ = 0;
  Bytes calls_ = {};
  bool there_ = false;
};

// What tells this code from other code of the same function at the same place.
std::uint64_t key_of(const Code& code, Bytes table, std::uint64_t pc_offset) {
  const auto length = static_cast<std::size_t>(table.end - table.begin);
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  const std::size_t some = length < sizeof(first) ? length : sizeof(first);
  __builtin_memcpy(&first, table.begin, some);
  __builtin_memcpy(&last, table.end - some, some);
  return mix(mix(mix(mix(mix(kOptimised, code.size), pc_offset), length), first), last);
}

void append_optimised(Reading& reading, const SharedFunction& function, const Code& code,
                      std::uintptr_t pc, Words& words) {
  const std::uint32_t number = number_of(reading.v8, function);
  const std::uint64_t pc_offset = pc - 1 - code.start;
  Bytes table = {};
  if (number == 0 || !bytes_of(reading.v8, code.object.word(reading.v8.code_positions), table)) {
    words.append(recording::function_frame(number, 0));
    return;
  }
  const std::uint64_t key = key_of(code, table, pc_offset);
  Inlined inlined;
  if (!recall(number, key, inlined)) {
    inlined.count = 0;
    const Script script = *function.script;  // those of inlined functions take its place
    SharedFunction outer = function;
    outer.script = &script;
    Position position;
    if (position_at(table, static_cast<std::int64_t>(pc_offset), position)) {
      Inlining(reading, code).append(outer, position, inlined);
    }
    const std::uint32_t line = line_of(reading.v8, script, position.offset());
    inlined.words[inlined.count++] = recording::function_frame(number, line);
    remember(number, key, inlined);
  }
  for (std::uint32_t i = 0; i < inlined.count; ++i) {
    words.append(inlined.words[i]);
  }
}

void append_generated(Reading& reading, const SharedFunction& function, const Slots& slots,
                      const Code& code, const NativeFrame& frame, Words& words) {
  if (code.kind == reading.v8.baseline_kind) {
    append_baseline(reading, function, slots, code, frame.pc, words);
  } else if (code.kind > reading.v8.baseline_kind) {
    append_optimised(reading, function, code, frame.pc, words);
  } else if (!append_interpreted(reading, function, slots, frame, words)) {
    words.append(recording::function_frame(number_of(reading.v8, function), 0));
  }
}

// A frame in whose slots a JSFunction stands, if all is as it seems.
FrameKind read_function_frame(Reading& reading, const Slots& slots, const NativeFrame& frame,
                              Words& words) {
  const std::uintptr_t pc = frame.pc;
  Code code = {};
  const bool generated = code_at(reading, pc, code);
  const bool unseen = generated || frame.interrupted;
  if (const std::uint64_t word =
          unseen ? 0 : seen_frames::recall(reading, {slots.function, slots.offset, pc});
      word != 0) {
    words.append(word);
    return FrameKind::kFunction;
  }
  SharedFunction function = {};
  if (!read_function(reading, slots.function, function)) {
    if (!in_module(pc)) {
      return FrameKind::kForeign;  // a library without tables, a regular expression's code
    }
    if (!frame.interrupted) {
      disprove();
    }
    return FrameKind::kMachinery;
  }
  if (function.script == nullptr) {
    return FrameKind::kBuiltin;
  }
  if (generated) {
    append_generated(reading, function, slots, code, frame, words);
  } else if (!append_interpreted(reading, function, slots, frame, words)) {
    words.append(recording::function_frame(number_of(reading.v8, function), 0));
  }
  return FrameKind::kFunction;
}

}  // namespace

FrameKind read_frame(Reading& reading, const NativeFrame& frame, Words& words) {
  Slots slots = {};
  if (!read_slots(frame, slots)) {
    return FrameKind::kForeign;
  }
  if (is_pointer(slots.context)) {
    return read_function_frame(reading, slots, frame, words);
  }
  return slots.context % 2 == 0 && slots.context / 2 != 0 && slots.context / 2 < kMaxFrameTypes
             ? FrameKind::kMachinery
             : FrameKind::kForeign;
}

std::uint64_t frame_at_bytecode(Reading& reading, const SharedFunction& function, Word bytecodes,
                                Word offset) {
  const std::uint32_t number = number_of(reading.v8, function);
  Object object;
  const std::uint32_t line =
      is_smi(offset) && open_bytecodes(reading, bytecodes, object)
          ? line_of_bytecode(reading, function, number, object, bytecode_offset(reading.v8, offset))
          : 0;
  return recording::function_frame(number, line);
}

Word context_of(const NativeFrame& frame) {
  Slots slots = {};
  return read_slots(frame, slots) && is_pointer(slots.context) ? slots.context : 0;
}

}  // namespace lamprey::preload::stack::v8
