// See async_callers.h. Layout: V8 src/objects/js-generator.tq, promise.tq, js-promise.tq.
#include "preload/stack/v8/async_callers.h"

#include "preload/stack/v8/frames_of_functions.h"

namespace lamprey::preload::stack::v8 {
namespace {

constexpr std::size_t kGeneratorFunction = 24;
constexpr std::size_t kGeneratorAt = 48;  // while it waits: the bytecode's offset
constexpr std::size_t kGeneratorPromise = 80;
constexpr std::size_t kGeneratorBytes = 88;
constexpr std::size_t kPromiseReactions = 24;
constexpr std::size_t kCapabilityPromise = 8;
constexpr std::size_t kSharedData = 8;       // of a SharedFunctionInfo: code or bytecodes
constexpr std::size_t kInterpreterData = 8;  // of an InterpreterData: its BytecodeArray
constexpr std::size_t kAwaitSlot = kContextFirst + (2 * sizeof(Word));  // of a closure's context
constexpr int kMaxCallers = 16;
constexpr int kMaxPromises = 8;  // between two of them
constexpr std::int32_t kMaxSlots = 6;

Word field(Word object, std::size_t offset) {
  Word value = 0;
  return is_pointer(object) && read_at(object - 1 + offset, value) ? value : 0;
}

Word if_type(Word object, std::uint16_t type) { return type_of(object) == type ? object : 0; }

// A promise, or the one that a PromiseCapability is of; 0: neither.
Word promise_of(const Layout& v8, Word word) {
  if (type_of(word) == v8.types.capability) {
    word = field(word, kCapabilityPromise);
  }
  return if_type(word, v8.types.promise);
}

// The promise that a closure settles: of a resolve function, or of Promise.all and its like.
Word promise_in(const Layout& v8, Word context) {
  if (const Word direct = if_type(field(context, kAwaitSlot), v8.types.promise); direct != 0) {
    return direct;
  }
  const Word length = field(context, kArrayLength);
  const std::int32_t slots = is_smi(length) && smi(length) <= kMaxSlots ? smi(length) : 0;
  for (std::int32_t slot = 2; slot < slots; ++slot) {
    const Word word = field(context, kContextFirst + (sizeof(Word) * static_cast<unsigned>(slot)));
    if (type_of(word) == v8.types.capability) {
      return promise_of(v8, word);
    }
  }
  return 0;
}

// The generator of the function that waits for `promise`, by way of promises that wait for it; 0:
// there is none.
Word waiter_of(const Layout& v8, Word promise) {
  for (int i = 0; i < kMaxPromises && promise != 0; ++i) {
    const Word reaction = if_type(field(promise, kPromiseReactions), v8.types.reaction);
    const Word handler = field(reaction, v8.reaction_fulfill);
    const std::int32_t type = type_of(handler);
    if (type < v8.types.first_function || type > v8.types.last_function) {
      return 0;
    }
    const Word context = field(handler, v8.function_context);
    if (const Word generator = generator_in(v8, context); generator != 0) {
      return generator;
    }
    promise = promise_in(v8, context);
    if (promise == 0) {
      promise = promise_of(v8, field(reaction, v8.reaction_fulfill + sizeof(Word)));
    }
  }
  return 0;
}

// The bytecodes of a function that may have been compiled since.
Word bytecodes_of(const Layout& v8, const SharedFunction& function) {
  Word data = field(function.word, kSharedData);
  if (type_of(data) == v8.types.code) {
    data = field(data, v8.code_deopt);  // baseline code has them there
  }
  if (type_of(data) == v8.types.interpreter_data) {
    data = field(data, kInterpreterData);
  }
  return data;
}

}  // namespace

Word generator_in(const Layout& v8, Word context) {
  return if_type(field(context, kAwaitSlot), v8.types.async_function);
}

void append_async_callers(Reading& reading, Word generator, Words& words) {
  const Layout& v8 = reading.v8;
  for (int i = 0; i < kMaxCallers; ++i) {
    generator = waiter_of(v8, if_type(field(generator, kGeneratorPromise), v8.types.promise));
    const Object object(generator, kGeneratorBytes);
    SharedFunction function = {};
    if (!object || !read_function(reading, object.word(kGeneratorFunction), function) ||
        function.script == nullptr) {
      return;
    }
    words.append(recording::kAsyncFrame |
                 frame_at_bytecode(reading, function, bytecodes_of(v8, function),
                                   object.word(kGeneratorAt)));
  }
}

}  // namespace lamprey::preload::stack::v8
