// See shared_functions.h. Layout: V8 src/objects/shared-function-info.tq, scope-info.tq.
#include "preload/stack/v8/shared_functions.h"

#include "preload/base/text.h"
#include "preload/process/thread.h"
#include "preload/stack/reading/functions.h"
#include "preload/stack/v8/lines.h"
#include "preload/stack/v8/own_code.h"
#include "preload/stack/v8/strings.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::v8 {
namespace {

using functions::Text;
using recording::Language;

constexpr char kAnonymous[] = "(anonymous)";

// ScopeInfo: four fixed fields, then what its flags say that there is.
constexpr std::size_t kScopeFlags = 8;
constexpr std::size_t kScopeLocals = 24;
constexpr std::size_t kScopeFirst = 32;
constexpr std::size_t kSlot = sizeof(Word);
constexpr std::uint32_t kScopeType = 15;
constexpr std::uint32_t kSavedClass = 1U << 10U;
constexpr std::uint32_t kFunctionVariable = 3U << 12U;
constexpr std::uint32_t kInferredName = 1U << 14U;
constexpr std::int32_t kMaxInlineLocals = 75;  // more: a hash table, in one slot
constexpr std::int32_t kMaxLocals = 1 << 20;

// What a ScopeInfo says of a function. Words of strings; 0: none.
struct Described {
  Word name = 0;
  Word inferred = 0;
  std::int32_t start = -1;
};

std::int32_t small_at(std::uintptr_t address) {
  Word word = 0;
  return read_at(address, word) && is_smi(word) ? smi(word) : -1;
}

void describe_scope(const Layout& v8, Word scope, Described& described) {
  const Object object(scope, kScopeFirst);
  if (!object) {
    return;
  }
  const Word flags_word = object.word(kScopeFlags);
  const auto flags =
      static_cast<std::uint32_t>(is_smi(flags_word) ? flags_word >> 32U : flags_word);
  const Word locals_word = object.word(kScopeLocals);
  const std::int32_t locals = is_smi(locals_word) ? smi(locals_word) : -1;
  if (locals < 0 || locals > kMaxLocals) {
    return;
  }
  std::uintptr_t at = object.address() + kScopeFirst;
  if (v8.scope_starts_in_front) {
    described.start = small_at(at);
    at += 2 * kSlot;
  }
  at += (flags & kScopeType) == v8.scope_module ? kSlot : 0;
  const auto names = static_cast<std::size_t>(locals < kMaxInlineLocals ? locals : 1);
  at += (names + static_cast<std::size_t>(locals)) * kSlot;
  at += (flags & kSavedClass) != 0 ? kSlot : 0;
  if ((flags & kFunctionVariable) != 0) {
    read_at(at, described.name);
    at += 2 * kSlot;
  }
  if ((flags & kInferredName) != 0) {
    read_at(at, described.inferred);
    at += kSlot;
  }
  if (!v8.scope_starts_in_front) {
    described.start = small_at(at);
  }
}

std::uint32_t name_of(const Described& described, char (&to)[recording::kMaxFunctionName + 1]) {
  // One byte more than is kept: whoever keeps it sees that it is cut.
  std::uint32_t size = copy_string(described.name, 0, to, sizeof(to));
  if (size == 0) {
    size = copy_string(described.inferred, 0, to, sizeof(to));
  }
  return size != 0 ? size : static_cast<std::uint32_t>(copy_text(to, kAnonymous));
}

std::uint32_t add(const Layout& v8, const SharedFunction& function) {
  Described described;
  if (Word name = 0; read_at(function.word - 1 + v8.shared_name, name) && is_pointer(name)) {
    if (type_of(name) == v8.types.scope_info) {
      describe_scope(v8, name, described);
    } else {
      described.name = name;  // not compiled, so that there is no more than its name
    }
  }
  char name[recording::kMaxFunctionName + 1];
  char file[kMaxFileBytes];
  const Text name_text = {name, name_of(described, name)};
  const Text file_text = {file, file_of(*function.script, file)};
  const std::uint32_t number =
      functions::add(function.identity, Language::kJavaScript, name_text, file_text,
                     line_of(v8, *function.script, described.start));
  own_code::note(number, file_text);
  return number;
}

}  // namespace

// A debugger's DebugInfo may stand where a SharedFunctionInfo has its script: then that has it.
const Script* script_of(Reading& reading, Word word) {
  constexpr std::size_t kDebugInfoScript[] = {16, 24};
  for (const Script& script : reading.scripts) {
    if (script.word == word) {
      return &script;
    }
  }
  if (!is_pointer(word)) {
    return nullptr;
  }
  Script& script = reading.scripts[reading.next % Reading::kScripts];
  bool there = read_script(reading.v8, reading.isolate, word, script);
  for (const std::size_t offset : kDebugInfoScript) {
    Word inner = 0;
    there = there || (read_at(word - 1 + offset, inner) &&
                      read_script(reading.v8, reading.isolate, inner, script));
  }
  reading.next += there ? 1U : 0U;
  return there ? &script : nullptr;
}

bool read_shared(Reading& reading, Word word, SharedFunction& function) {
  const Layout& v8 = reading.v8;
  const Object shared(word, v8.shared_literal + sizeof(std::uint32_t));
  if (!reading.shared.has(shared, v8.types.shared_function, v8.types.shared_function)) {
    return false;
  }
  function.word = word;
  function.script = script_of(reading, shared.word(v8.shared_script));
  if (function.script != nullptr) {
    function.literal = shared.get<std::uint32_t>(v8.shared_literal);
    function.identity = mix(function.script->identity, function.literal) | 1U;
  }
  return true;
}

bool read_function(Reading& reading, Word word, SharedFunction& function) {
  const Layout& v8 = reading.v8;
  const Object closure(word, v8.function_shared + sizeof(Word));
  return reading.functions.has(closure, v8.types.first_function, v8.types.last_function) &&
         read_shared(reading, closure.word(v8.function_shared), function);
}

std::uint32_t number_of(const Layout& v8, const SharedFunction& function) {
  const std::uint32_t known = functions::find(function.identity);
  if (known != 0) {
    return known;
  }
  if (recording::load(g_writer.header().functions_refused) != 0) {
    recording::shared_add(g_writer.header().functions_refused, 1);
    return 0;  // spares reading what nobody keeps
  }
  return add(v8, function);
}

std::uint64_t note_frame(const char* text) {
  std::uint64_t identity = 1;
  for (const char* c = text; *c != '\0'; ++c) {
    identity = mix(identity, static_cast<unsigned char>(*c));
  }
  std::uint32_t number = functions::find(identity);
  if (number == 0) {
    number = functions::add(identity, Language::kJavaScript,
                            {text, static_cast<std::uint32_t>(length_of(text))}, {nullptr, 0}, 0);
  }
  return recording::function_frame(number, 0);
}

}  // namespace lamprey::preload::stack::v8
