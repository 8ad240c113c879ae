// The stubs and the gate on arm64. See exact_gate.h for what they promise.
//
// The kernel changes nothing but x0, not even the flags, and a branch can only be direct or to a
// register. So there is no register to carry anything in, and a stub has to end in a branch of its
// own back to its place: stubs are written at attach, into memory that is executed later.
#if defined(__aarch64__)

#include <sys/mman.h>

#include "preload/base/raw_syscall.h"
#include "preload/exact/exact_gate.h"

namespace lamprey::preload::exact {

extern "C" [[gnu::visibility("hidden")]] const char lamprey_exact_gate[];

namespace {

struct Stub {
  std::uint32_t save;           // stp x29, x30, [sp, #-32]!
  std::uint32_t load_gate;      // ldr x30, gate
  std::uint32_t call_gate;      // blr x30
  std::uint32_t restore;        // ldp x29, x30, [sp], #32   the gate returns here,
  std::uint32_t resume;         // b (the place + 4)
  std::uint32_t restore_plain;  // ldp x29, x30, [sp], #32   or here: not counted
  std::uint32_t plain;          // svc #0
  std::uint32_t resume_plain;   // b (the place + 4)
  std::uint64_t gate;
  std::uint64_t unwind_to;  // the gate reads it, 28 bytes behind where it returns to
};
static_assert(sizeof(Stub) == 48);

constexpr std::uint32_t kSave = 0xA9BE7BFD;
constexpr std::uint32_t kLoadGate = 0x580000FE;  // 28 bytes on
constexpr std::uint32_t kCallGate = 0xD63F03C0;
constexpr std::uint32_t kRestore = 0xA8C27BFD;
constexpr std::uint32_t kSupervisorCall = 0xD4000001;

constinit Stub* g_stubs = nullptr;

std::uint32_t branch(const void* from, std::uintptr_t to) {
  const std::uintptr_t distance = to - reinterpret_cast<std::uintptr_t>(from);
  return 0x14000000U | (static_cast<std::uint32_t>(distance >> 2U) & 0x03FFFFFFU);
}

}  // namespace

// The kernel as a rule puts it beside what was mapped last, which is our library and libc. The
// caller checks whether it is near enough.
bool prepare_stubs() {
  const long at = raw_syscall(SYS_mmap, 0, sizeof(Stub) * kStubs, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw_failed(at)) {
    return false;
  }
  g_stubs = reinterpret_cast<Stub*>(at);
  return true;
}

std::uintptr_t make_stub(std::uint32_t index, const GateSite& site, Copied) {
  Stub& stub = g_stubs[index];
  stub = {kSave,
          kLoadGate,
          kCallGate,
          kRestore,
          branch(&stub.resume, site.resume),
          kRestore,
          kSupervisorCall,
          branch(&stub.resume_plain, site.resume),
          reinterpret_cast<std::uint64_t>(lamprey_exact_gate),
          site.unwind_to};
  return reinterpret_cast<std::uintptr_t>(&stub);
}

bool seal_stubs() {
  auto* begin = reinterpret_cast<char*>(g_stubs);
  __builtin___clear_cache(begin, begin + (sizeof(Stub) * kStubs));
  return raw_syscall(SYS_mprotect, pointer_argument(g_stubs), sizeof(Stub) * kStubs,
                     PROT_READ | PROT_EXEC) == 0;
}

// The stack, from the place's own stack pointer S downwards: at S-32 x29 and x30, at S-16 the
// address that unwinding goes to, at S-224 what is saved here. Column 96 is the one that GCC keeps
// for return addresses that are in no register (DWARF_ALT_FRAME_RETURN_COLUMN): x30 is the place's
// own.
asm(R"(
    .text
    .balign 16
    .hidden lamprey_exact_gate
    .globl lamprey_exact_gate
    .type lamprey_exact_gate, %function
lamprey_exact_gate:
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column 96
    .cfi_def_cfa sp, 32
    .cfi_offset x29, -32
    .cfi_offset x30, -24
    .cfi_offset 96, -16
    sub sp, sp, #192
    .cfi_def_cfa_offset 224
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x30, [sp, #144]
    mrs x9, nzcv
    str x9, [sp, #160]
    cmp x8, #512
    b.hs .Lpass
    adrp x9, lamprey_exact_kinds
    add x9, x9, :lo12:lamprey_exact_kinds
    ldrb w9, [x9, x8]
    cmp w9, #2
    b.eq .Lpass
    ldur x9, [x30, #28]
    str x9, [sp, #208]
    bl lamprey_exact_enter
    str x0, [sp, #168]
    ldp x0, x1, [sp]
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldr x8, [sp, #64]
    svc #0
    ldr x2, [sp, #168]
    ldr x9, [sp, #64]
    str x0, [sp]
    cbz x2, .Lleave
    mov x1, x0
    mov x0, x9
    bl lamprey_exact_leave
.Lleave:
    ldr x9, [sp, #160]
    msr nzcv, x9
    ldp x0, x1, [sp]
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x30, [sp, #144]
    add sp, sp, #192
    .cfi_def_cfa_offset 32
    ret
.Lpass:
    .cfi_def_cfa_offset 224
    ldr x9, [sp, #160]
    msr nzcv, x9
    ldp x8, x9, [sp, #64]
    ldp x18, x30, [sp, #144]
    add x30, x30, #8
    add sp, sp, #192
    .cfi_def_cfa_offset 32
    ret
    .cfi_endproc
    .size lamprey_exact_gate, . - lamprey_exact_gate
)");

}  // namespace lamprey::preload::exact

#endif
