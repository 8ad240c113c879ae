// DWARF call frame information, as far as it is needed; see the header. The format: Linux Standard
// Base 5.0, "Exception Frames" (.eh_frame, .eh_frame_hdr), and DWARF 5, section 6.4.
#include "preload/stack/unwind_tables.h"

#include "preload/base/byte_cursor.h"
#include "preload/base/eh_frame_header.h"

namespace lamprey::preload::stack::unwind {
namespace {

constexpr int kMaxInstructions = 4096;  // of one function's rows
constexpr int kMaxRemembered = 4;

// What a "common information entry" says for all functions that share it.
struct Common {
  std::uint64_t code_step = 1;
  std::int64_t data_step = 1;
  std::uint64_t return_register = 0;
  std::uint8_t address_encoding = 0;
  bool augmented = false;
  bool signal_frame = false;
  Bytes instructions;
};

bool read_augmentation(ByteCursor& in, const std::uint8_t* text, Common& common) {
  if (*text == 0) {
    return true;
  }
  if (*text != 'z') {
    return false;
  }
  common.augmented = true;
  const Bytes data = in.block();
  ByteCursor inside = {data.at, data.end};
  for (++text; *text != 0; ++text) {  // its end was seen by the caller
    switch (*text) {
      case 'R':
        common.address_encoding = inside.fixed<std::uint8_t>();
        break;
      case 'P': {
        const auto encoding = inside.fixed<std::uint8_t>();
        inside.number(encoding);
        break;
      }
      case 'L':
        inside.fixed<std::uint8_t>();
        break;
      case 'S':
        common.signal_frame = true;
        break;
      default:  // 'B': return addresses are signed with another key; they are stripped anyway
        break;
    }
  }
  return inside.good;
}

bool read_common(const std::uint8_t* at, const Tables& tables, Common& common) {
  if (at < tables.begin || at >= tables.end) {
    return false;
  }
  ByteCursor in = {at, tables.end};
  const auto length = in.fixed<std::uint32_t>();
  if (!in.good || length == UINT32_MAX || length > static_cast<std::size_t>(in.end - in.at)) {
    return false;
  }
  in.end = in.at + length;
  if (in.fixed<std::uint32_t>() != 0) {
    return false;
  }
  const auto version = in.fixed<std::uint8_t>();
  const std::uint8_t* augmentation = in.at;
  while (in.good && in.fixed<std::uint8_t>() != 0) {
  }
  common.code_step = in.uleb();
  common.data_step = in.sleb();
  common.return_register = version == 1 ? in.fixed<std::uint8_t>() : in.uleb();
  if (!in.good || !read_augmentation(in, augmentation, common)) {
    return false;
  }
  common.instructions = {in.at, in.end};
  return in.good && common.return_register == kReturnRegister;
}

struct Function {
  Common common;
  std::uintptr_t begin = 0;
  std::uint64_t bytes = 0;
  Bytes instructions;
};

// The "frame description entry" at `at`; false when it does not cover `pc`.
bool read_function(const std::uint8_t* at, const Tables& tables, std::uintptr_t pc,
                   Function& function) {
  if (at < tables.begin || at >= tables.end) {
    return false;
  }
  ByteCursor in = {at, tables.end};
  const auto length = in.fixed<std::uint32_t>();
  if (!in.good || length == UINT32_MAX || length > static_cast<std::size_t>(in.end - in.at)) {
    return false;
  }
  in.end = in.at + length;
  const std::uint8_t* here = in.at;
  const auto back = in.fixed<std::uint32_t>();
  if (!in.good || back == 0 || back > static_cast<std::size_t>(here - tables.begin) ||
      !read_common(here - back, tables, function.common)) {
    return false;
  }
  function.begin = in.address(function.common.address_encoding);
  function.bytes = in.number(function.common.address_encoding);
  if (!in.good || pc < function.begin || pc - function.begin >= function.bytes) {
    return false;
  }
  if (function.common.augmented) {
    in.block();
  }
  function.instructions = {in.at, in.end};
  return in.good;
}

// The last function of the sorted table that begins at or before `pc`.
const std::uint8_t* look_up(const Tables& tables, std::uintptr_t pc) {
  const EhFrameHeader table = read_eh_frame_header(tables.header, tables.end);
  if (table.count == 0) {
    return nullptr;
  }
  const auto wanted =
      static_cast<std::int64_t>(pc - reinterpret_cast<std::uintptr_t>(tables.header));
  std::uint64_t low = 0;
  std::uint64_t high = table.count;
  while (high - low > 1) {
    const std::uint64_t middle = low + ((high - low) / 2);
    (table.row(middle).begin <= wanted ? low : high) = middle;
  }
  const EhFrameHeader::Row last = table.row(low);
  return last.begin <= wanted ? tables.header + last.entry : nullptr;
}

// Runs the instructions that build up the rules row by row, up to the row of `pc`.
class Machine {
 public:
  Machine(const Common& common, std::uintptr_t begin, std::uintptr_t pc, Rules& rules)
      : common_(common), rules_(rules), location_(begin), pc_(pc) {}

  bool run(Bytes instructions) {
    ByteCursor in = {instructions.at, instructions.end};
    int left = kMaxInstructions;
    while (in.good && in.at < in.end && location_ <= pc_) {
      if (--left == 0 || !step(in)) {
        return false;
      }
    }
    return in.good;
  }
  // What stands now is what DW_CFA_restore goes back to.
  void end_of_common() { initial_ = rules_; }

 private:
  void advance(std::uint64_t steps) { location_ += steps * common_.code_step; }

  Rule* rule_of(std::uint64_t number, Rules& rules) {
    if (number == kFrameRegister) {
      return &rules.frame_pointer;
    }
    return number == kReturnRegister ? &rules.return_address : nullptr;
  }
  void set(std::uint64_t number, Rule::Kind kind, std::int64_t offset, Bytes expression = {}) {
    if (Rule* rule = rule_of(number, rules_)) {
      *rule = {kind, offset, expression};
    }
  }
  void restore(std::uint64_t number) {
    if (Rule* rule = rule_of(number, rules_)) {
      *rule = *rule_of(number, initial_);
    }
  }
  std::int64_t scaled(std::uint64_t factor) const {
    return static_cast<std::int64_t>(factor) * common_.data_step;
  }
  void set_cfa(std::uint64_t number, std::int64_t offset) {
    rules_.cfa_computed = false;
    rules_.cfa_register = number;
    rules_.cfa_offset = offset;
  }

  bool step(ByteCursor& in) {
    const auto code = in.fixed<std::uint8_t>();
    const std::uint8_t low = code & 0x3FU;
    switch (code >> 6U) {
      case 1:
        advance(low);
        return true;
      case 2:
        set(low, Rule::Kind::kAt, scaled(in.uleb()));
        return true;
      case 3:
        restore(low);
        return true;
      default:
        return low < 0x0A ? step_location_or_register(in, low) : step_frame(in, low);
    }
  }

  bool step_location_or_register(ByteCursor& in, std::uint8_t code) {
    switch (code) {
      case 0x00:  // nop
        return true;
      case 0x01:  // set_loc
        location_ = in.address(common_.address_encoding);
        return true;
      case 0x02:
        advance(in.fixed<std::uint8_t>());
        return true;
      case 0x03:
        advance(in.fixed<std::uint16_t>());
        return true;
      case 0x04:
        advance(in.fixed<std::uint32_t>());
        return true;
      case 0x05: {  // offset_extended
        const std::uint64_t number = in.uleb();
        set(number, Rule::Kind::kAt, scaled(in.uleb()));
        return true;
      }
      case 0x06:
        restore(in.uleb());
        return true;
      case 0x07:
        set(in.uleb(), Rule::Kind::kUndefined, 0);
        return true;
      case 0x08:
        set(in.uleb(), Rule::Kind::kSame, 0);
        return true;
      default: {  // 0x09 register: held in another register, which is not followed
        const std::uint64_t number = in.uleb();
        in.uleb();
        set(number, Rule::Kind::kUnknown, 0);
        return true;
      }
    }
  }

  bool step_frame(ByteCursor& in, std::uint8_t code) {
    switch (code) {
      case 0x0A:  // remember_state
        if (remembered_ == kMaxRemembered) {
          return false;
        }
        states_[remembered_++] = rules_;
        return true;
      case 0x0B:  // restore_state
        if (remembered_ == 0) {
          return false;
        }
        rules_ = states_[--remembered_];
        return true;
      case 0x0C: {  // def_cfa
        const std::uint64_t number = in.uleb();
        set_cfa(number, static_cast<std::int64_t>(in.uleb()));
        return true;
      }
      case 0x0D:
        set_cfa(in.uleb(), rules_.cfa_offset);
        return true;
      case 0x0E:
        set_cfa(rules_.cfa_register, static_cast<std::int64_t>(in.uleb()));
        return true;
      case 0x0F:
        rules_.cfa_computed = true;
        rules_.cfa_expression = in.block();
        return true;
      case 0x2D:  // GNU_window_save, on arm64 the return address is signed: stripped anyway
        return true;
      case 0x2E:  // GNU_args_size
        in.uleb();
        return true;
      default:
        return step_rare(in, code);
    }
  }

  bool step_rare(ByteCursor& in, std::uint8_t code) {
    const std::uint64_t number = code == 0x13 ? 0 : in.uleb();
    switch (code) {
      case 0x10:
        set(number, Rule::Kind::kAtComputed, 0, in.block());
        return true;
      case 0x11:  // offset_extended_sf
        set(number, Rule::Kind::kAt, in.sleb() * common_.data_step);
        return true;
      case 0x12:  // def_cfa_sf
        set_cfa(number, in.sleb() * common_.data_step);
        return true;
      case 0x13:  // def_cfa_offset_sf
        set_cfa(rules_.cfa_register, in.sleb() * common_.data_step);
        return true;
      case 0x14:
        set(number, Rule::Kind::kIs, scaled(in.uleb()));
        return true;
      case 0x15:
        set(number, Rule::Kind::kIs, in.sleb() * common_.data_step);
        return true;
      case 0x16:
        set(number, Rule::Kind::kIsComputed, 0, in.block());
        return true;
      case 0x2F:  // GNU_negative_offset_extended
        set(number, Rule::Kind::kAt, -scaled(in.uleb()));
        return true;
      default:
        return false;
    }
  }

  const Common& common_;
  Rules& rules_;
  Rules initial_;
  Rules states_[kMaxRemembered];
  int remembered_ = 0;
  std::uintptr_t location_;
  std::uintptr_t pc_;
};

}  // namespace

Extent extent_of(const Tables& tables, std::uintptr_t pc) {
  const std::uint8_t* entry = tables.header != nullptr ? look_up(tables, pc) : nullptr;
  Function function;
  if (entry == nullptr || !read_function(entry, tables, pc, function)) {
    return {};
  }
  return {function.begin, function.begin + function.bytes};
}

bool find_rules(const Tables& tables, std::uintptr_t pc, Rules& rules) {
  if (tables.header == nullptr) {
    return false;
  }
  const std::uint8_t* entry = look_up(tables, pc);
  Function function;
  if (entry == nullptr || !read_function(entry, tables, pc, function)) {
    return false;
  }
  rules = {};
  rules.signal_frame = function.common.signal_frame;
  Machine machine(function.common, function.begin, pc, rules);
  if (!machine.run(function.common.instructions)) {
    return false;
  }
  machine.end_of_common();
  if (!machine.run(function.instructions)) {
    return false;
  }
  return rules.cfa_computed || rules.cfa_register == kFrameRegister ||
         rules.cfa_register == kStackRegister;
}

}  // namespace lamprey::preload::stack::unwind
