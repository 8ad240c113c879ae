// DWARF 5, section 2.5, as far as unwind tables use it; see the header.
#include "preload/stack/unwind_expression.h"

#include "preload/base/page_probe.h"
#include "preload/stack/modules.h"

namespace lamprey::preload::stack::unwind {
namespace {

constexpr unsigned kMaxValues = 16;
constexpr int kMaxOperations = 64;

class Evaluation {
 public:
  Evaluation(Bytes code, const Registers& r) : at_(code.at), end_(code.end), r_(r) {}

  void push(std::uint64_t value) {
    good_ = good_ && count_ < kMaxValues;
    if (good_) {
      values_[count_++] = value;
    }
  }
  bool run(std::uint64_t& value) {
    for (int left = kMaxOperations; good_ && at_ < end_; --left) {
      good_ = left > 0 && operate(byte());
    }
    value = good_ ? pop() : 0;
    return good_;
  }

 private:
  std::uint64_t pop() {
    good_ = good_ && count_ > 0;
    return good_ ? values_[--count_] : 0;
  }
  std::uint8_t byte() {
    good_ = good_ && at_ < end_;
    return good_ ? *at_++ : std::uint8_t{0};
  }
  std::uint64_t fixed(unsigned bytes, bool is_signed) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) {
      value |= std::uint64_t{byte()} << (8 * i);
    }
    const unsigned unused = (64 - (8 * bytes)) % 64;  // bytes: 1, 2, 4 or 8
    return is_signed
               ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused)
               : value;
  }
  std::uint64_t leb(bool is_signed) {
    std::uint64_t value = 0;
    unsigned shift = 0;
    std::uint8_t next = 0x80;
    for (; good_ && (next & 0x80U) != 0; shift += 7) {
      next = byte();
      value |= shift < 64 ? static_cast<std::uint64_t>(next & 0x7FU) << shift : 0;
    }
    if (is_signed && shift < 64 && (next & 0x40U) != 0) {
      value |= ~std::uint64_t{0} << shift;
    }
    return value;
  }
  void push_register(std::uint64_t number, std::uint64_t offset) {
    if (number == kFrameRegister) {
      push(r_.fp + offset);
    } else if (number == kStackRegister) {
      push(r_.sp + offset);
    } else if (number == kReturnRegister) {
      push(r_.pc + offset);  // x86-64: of this frame (the linkage table asks how far it got)
    } else {
      good_ = false;
    }
  }

  bool operate(std::uint8_t code) {
    if (code >= 0x30 && code <= 0x4F) {  // lit0..31
      push(code - 0x30U);
    } else if (code >= 0x70 && code <= 0x8F) {  // breg0..31
      push_register(code - 0x70U, leb(true));
    } else if (code >= 0x08 && code <= 0x0F) {  // const1u, const1s, ... const8s
      push(fixed(1U << ((code - 0x08U) / 2), (code & 1U) != 0));
    } else if (code == 0x10 || code == 0x11) {
      push(leb(code == 0x11));
    } else if (code == 0x06) {
      std::uint64_t value = 0;
      good_ = read_stack(r_, pop(), value) && good_;
      push(value);
    } else if (code == 0x23) {  // plus_uconst
      push(pop() + leb(false));
    } else {
      return calculate(code);
    }
    return good_;
  }

  bool calculate(std::uint8_t code) {
    const std::uint64_t b = pop();
    const std::uint64_t a = code == 0x12 || code == 0x13 || code == 0x1F ? 0 : pop();
    switch (code) {
      case 0x12:  // dup
        push(b);
        push(b);
        break;
      case 0x13:  // drop
        break;
      case 0x16:  // swap
        push(b);
        push(a);
        break;
      case 0x1A:
        push(a & b);
        break;
      case 0x1C:
        push(a - b);
        break;
      case 0x1E:
        push(a * b);
        break;
      case 0x1F:
        push(0 - b);
        break;
      case 0x21:
        push(a | b);
        break;
      case 0x22:
        push(a + b);
        break;
      case 0x24:
        push(b < 64 ? a << b : 0);
        break;
      case 0x25:
        push(b < 64 ? a >> b : 0);
        break;
      default:
        return compare(code, static_cast<std::int64_t>(a), static_cast<std::int64_t>(b));
    }
    return good_;
  }

  bool compare(std::uint8_t code, std::int64_t a, std::int64_t b) {
    switch (code) {
      case 0x29:
        push(a == b ? 1 : 0);
        return good_;
      case 0x2A:
        push(a >= b ? 1 : 0);
        return good_;
      case 0x2B:
        push(a > b ? 1 : 0);
        return good_;
      case 0x2C:
        push(a <= b ? 1 : 0);
        return good_;
      case 0x2D:
        push(a < b ? 1 : 0);
        return good_;
      case 0x2E:
        push(a != b ? 1 : 0);
        return good_;
      default:
        return false;
    }
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  const Registers& r_;
  std::uint64_t values_[kMaxValues];
  unsigned count_ = 0;
  bool good_ = true;
};

}  // namespace

bool read_stack(const Registers& r, std::uint64_t address, std::uint64_t& value) {
  constexpr std::uint64_t kFar = std::uint64_t{1} << 30;
  if (address < r.sp || address - r.sp > kFar || address % sizeof(value) != 0 ||
      (r.end != 0 && address > r.end - sizeof(value)) ||
      !page_probe::readable(address, sizeof(value))) {
    return false;
  }
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it can be read
  value = *reinterpret_cast<const std::uint64_t*>(address);
  return true;
}

bool evaluate(Bytes expression, const Registers& r, const std::uint64_t* first,
              std::uint64_t& value) {
  Evaluation evaluation(expression, r);
  if (first != nullptr) {
    evaluation.push(*first);
  }
  return evaluation.run(value);
}

bool caller_value(const Rule& rule, const Registers& r, std::uint64_t cfa, std::uint64_t same,
                  std::uint64_t& value) {
  switch (rule.kind) {
    case Rule::Kind::kSame:
      value = same;
      return true;
    case Rule::Kind::kAt:
      return read_stack(r, cfa + static_cast<std::uint64_t>(rule.offset), value);
    case Rule::Kind::kIs:
      value = cfa + static_cast<std::uint64_t>(rule.offset);
      return true;
    case Rule::Kind::kAtComputed: {
      std::uint64_t address = 0;
      return evaluate(rule.expression, r, &cfa, address) && read_stack(r, address, value);
    }
    case Rule::Kind::kIsComputed:
      return evaluate(rule.expression, r, &cfa, value);
    default:
      return false;
  }
}

#if defined(__aarch64__)
// The vDSO's sigreturn has no unwind table on newer kernels; it is known by its two instructions,
// and the frame by the kernel's ABI (arch/arm64/include/uapi/asm/sigcontext.h): siginfo (128),
// then ucontext, whose registers begin 176 bytes in, after the fault address.
bool take_signal_return(Registers& r) {
  if (r.pc % 4 != 0 || !modules::in_vdso(r.pc)) {
    return false;
  }
  const auto* code = reinterpret_cast<const std::uint32_t*>(r.pc);
  if (code[0] != 0xD2801168U || code[1] != 0xD4000001U) {  // mov x8, #139; svc #0
    return false;
  }
  const std::uint64_t registers = r.sp + 128 + 176 + 8;
  std::uint64_t fp = 0;
  std::uint64_t lr = 0;
  std::uint64_t sp = 0;
  std::uint64_t pc = 0;
  if (!read_stack(r, registers + (29 * 8), fp) || !read_stack(r, registers + (30 * 8), lr) ||
      !read_stack(r, registers + (31 * 8), sp) || !read_stack(r, registers + (32 * 8), pc)) {
    return false;
  }
  r = {pc, sp, fp, lr, 0, 0, 0, true, r.guessed, false};
  return true;
}
#else
bool take_signal_return(Registers&) { return false; }  // libc's has a table
#endif

}  // namespace lamprey::preload::stack::unwind
