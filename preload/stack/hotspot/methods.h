// What a Java method is called: class, method, file and line, from the Method* that a frame has.
// The names go into the recording when a method is first met: its class may be unloaded later, and
// its memory become another's.
//
// Cost: ~10 ns for a method met before, ~1 us for one met first; a line ~1 ns, ~0.1 to 1 us when it
// is looked up. Every read is checked. Any thread, any signal handler.
#pragma once

#include "preload/stack/hotspot/scopes.h"
#include "preload/stack/reading/functions.h"

namespace lamprey::preload::stack::hotspot {

// The word of a stack for that scope (recording/functions.h); 0: it is of no method.
std::uint64_t word_of(const Fields& fields, const Scope& scope);

// -- parts of it ----------------------------------------------------------------------------------

// Where HotSpot keeps what is told of a method.
struct Method {
  std::uintptr_t constants = 0;  // its ConstMethod
  std::uintptr_t pool = 0;
  std::uintptr_t holder = 0;  // the class that declares it
  std::uintptr_t name = 0;
  std::uintptr_t class_name = 0;
};
bool read_method(const Fields& fields, std::uintptr_t method, Method& parts);

// Metaspace is used again after its class was unloaded, often by one of the same shape, with a
// method of the same name, and a name of its own where the first one's was: so what the class is
// called counts too. False: it cannot be read.
bool hash_of_class_name(const Fields& fields, const Method& parts, std::uint64_t& hash);

// The line of that bytecode in the table of a method; 0: it has none. The table's entries are in no
// order: the one nearest before counts.
std::uint32_t line_of(const Fields& fields, std::uintptr_t const_method, std::int32_t bytecode);
// The same of a table that begins at `table`.
std::uint32_t line_in(std::uintptr_t table, std::uint32_t excluded, std::int32_t bytecode);

// "com.example.App.handleRequest" out of "com/example/App" and "handleRequest". Of a hidden class,
// whose name ends in an address, that is masked: it differs in every process. A long name keeps its
// end.
struct MethodName {
  char bytes[recording::kMaxFunctionName];
  std::uint32_t begin;  // the text is what stands from here on
};
void make_name(functions::Text class_name, functions::Text method, MethodName& made);

}  // namespace lamprey::preload::stack::hotspot
