// Finds what a loaded module exports, in its mapped tables: no dlsym, whose lock another thread may
// hold while it waits for us.
//
// Cost: ~100 ns a name. Every read is checked (memory_reads.h), every loop has an end. No
// allocation, lock, libc; any thread, any signal handler.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::stack {
inline namespace reading {

// A module as the loader mapped it.
struct LoadedObject {
  std::uintptr_t bias = 0;                 // address in the process - address in the file
  std::uintptr_t start = 0;                // of its lowest mapped byte
  std::uintptr_t end = 0;                  // behind its highest
  std::uintptr_t dynamic = 0;              // its dynamic section, mapped; 0: it has none
  const char* path = "";                   // borrowed, while the module is loaded
  const std::uint8_t* build_id = nullptr;  // mapped; nullptr: it has none
  std::size_t build_id_bytes = 0;
  // The calling thread's block of the module's thread-local data. 0: it has none, or came by dlopen
  // (then each thread's may be anywhere).
  std::uintptr_t thread_block = 0;
  std::size_t thread_block_bytes = 0;
};

class DynamicSymbols {
 public:
  // By the module's GNU hash table, or the one of System V where there is only that (some builds of
  // OpenJDK 11). Finds nothing when it has neither.
  explicit DynamicSymbols(const LoadedObject& object);

  // The address of that function or datum in the process; 0: it is not exported here. Of a thread's
  // own datum (STT_TLS): its offset in the module's block.
  std::uintptr_t find(const char* name) const;
  // The same, and its size in bytes.
  std::uintptr_t find(const char* name, std::uint64_t& size) const;

 private:
  void take_gnu_table(std::uintptr_t table);
  void take_old_table(std::uintptr_t table);
  std::uintptr_t find_by_gnu_table(const char* name, std::uint64_t& size) const;
  std::uintptr_t find_by_old_table(const char* name, std::uint64_t& size) const;
  // Whether the symbol of that index is the one, and where it is.
  bool is(std::uint32_t index, const char* name, std::size_t bytes, std::uintptr_t& address,
          std::uint64_t& size) const;

  std::uintptr_t bias_;
  std::uintptr_t symbols_ = 0;
  std::uintptr_t names_ = 0;
  std::uintptr_t names_bytes_ = 0;
  std::uintptr_t bloom_ = 0;
  std::uintptr_t buckets_ = 0;
  std::uintptr_t chains_ = 0;
  std::uint32_t bucket_count_ = 0;
  std::uint32_t symbol_count_ = 0;  // 0: by the GNU table, which does not tell
  std::uint32_t first_hashed_ = 0;
  std::uint32_t bloom_words_ = 0;
  std::uint32_t bloom_shift_ = 0;
};

}  // namespace reading
}  // namespace lamprey::preload::stack
