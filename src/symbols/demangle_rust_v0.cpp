// Rust's v0 mangling (RFC 2603) as text; see demangle.h. Types are printed as far as a name needs
// them; constants as their number. Depth, input and output are bounded: a back reference can name a
// path that holds itself, or double the output at every step.
#include <string>

#include "symbols/demangle.h"

namespace lamprey::symbols {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxOutput = 1024;
constexpr int kMaxSteps = 4096;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<std::string> symbol() {
    while (peek() >= '0' && peek() <= '9') {  // a version of the mangling
      next();
    }
    path();
    return good_ ? std::optional(out_) : std::nullopt;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char next() { return at_ < text_.size() ? text_[at_++] : '\0'; }
  bool take(char wanted) {
    const bool taken = peek() == wanted && at_ < text_.size();
    at_ += taken ? 1 : 0;
    return taken;
  }
  void fail() { good_ = false; }
  void put(std::string_view text) {
    if (!silent_ && out_.size() < kMaxOutput) {
      out_ += text;
    }
  }

  // Entered at every recursion; false: stop here.
  bool enter() {
    if (++depth_ > kMaxDepth || ++steps_ > kMaxSteps) {
      fail();
    }
    return good_;
  }

  std::uint64_t base_62() {
    if (take('_')) {
      return 0;
    }
    std::uint64_t value = 0;
    while (good_ && !take('_')) {
      const char c = next();
      std::uint64_t digit = 0;
      if (c >= '0' && c <= '9') {
        digit = static_cast<std::uint64_t>(c - '0');
      } else if (c >= 'a' && c <= 'z') {
        digit = static_cast<std::uint64_t>(c - 'a') + 10;
      } else if (c >= 'A' && c <= 'Z') {
        digit = static_cast<std::uint64_t>(c - 'A') + 36;
      } else {
        fail();
      }
      value = (value * 62) + digit;  // a crate's hash may wrap: it is not printed
    }
    return value + 1;
  }

  struct Name {
    std::string_view text;
    std::uint64_t number = 0;  // tells equal names apart: closures have nothing else
    bool punycode = false;
  };

  Name identifier() {
    Name name;
    if (take('s')) {
      name.number = base_62() + 1;
    }
    name.punycode = take('u');
    std::size_t length = 0;
    if (peek() < '0' || peek() > '9') {
      fail();
    }
    const bool none = take('0');  // no number begins with 0
    while (!none && peek() >= '0' && peek() <= '9' && length <= text_.size()) {
      length = (length * 10) + static_cast<std::size_t>(next() - '0');
    }
    take('_');
    if (length > text_.size() - at_) {
      fail();
      return name;
    }
    name.text = text_.substr(at_, length);
    at_ += length;
    return name;
  }

  void put_name(const Name& name) {
    put(name.text);
    if (name.punycode) {
      put("{punycode}");
    }
  }

  void back_reference(void (Parser::*what)()) {
    const std::size_t from = at_ - 1;
    const std::uint64_t to = base_62();
    if (!good_ || to >= from) {
      fail();
      return;
    }
    const std::size_t resume = at_;
    at_ = static_cast<std::size_t>(to);
    (this->*what)();
    at_ = resume;
  }

  void impl_path() {  // where the impl stands: not printed
    if (take('s')) {
      base_62();
    }
    const bool was = silent_;
    silent_ = true;
    path();
    silent_ = was;
  }

  void nested() {
    const char space = next();
    path();
    const Name name = identifier();
    if (space == 'C') {
      put("::{closure#" + std::to_string(name.number) + "}");
    } else if (space >= 'A' && space <= 'Z') {
      put(std::string("::{") + (space == 'S' ? std::string("shim") : std::string(1, space)) + "#" +
          std::to_string(name.number) + "}");
    } else if (!name.text.empty()) {
      put("::");
      put_name(name);
    }
  }

  void generic_arguments() {
    put("<");
    for (bool first = true; good_ && !take('E'); first = false) {
      put(first ? "" : ", ");
      if (take('L')) {
        base_62();
        put("'_");
      } else if (take('K')) {
        constant();
      } else {
        type();
      }
    }
    put(">");
  }

  void path() {
    if (enter()) {
      switch (next()) {
        case 'C':
          put_name(identifier());
          break;
        case 'M':
          impl_path();
          put("<");
          type();
          put(">");
          break;
        case 'X':
          impl_path();
          as_trait();
          break;
        case 'Y':
          as_trait();
          break;
        case 'N':
          nested();
          break;
        case 'I':
          path();
          generic_arguments();
          break;
        case 'B':
          back_reference(&Parser::path);
          break;
        default:
          fail();
      }
    }
    --depth_;
  }

  void as_trait() {
    put("<");
    type();
    put(" as ");
    path();
    put(">");
  }

  static std::string_view basic(char c) {
    static constexpr std::string_view kNames[] = {
        "i8",    "bool", "char", "f64", "str",  "f32",  "",    "u8", "isize",
        "usize", "",     "i32",  "u32", "i128", "u128", "_",   "",   "",
        "i16",   "u16",  "()",   "...", "",     "i64",  "u64", "!"};
    return c >= 'a' && c <= 'z' ? kNames[c - 'a'] : std::string_view();
  }

  void lifetime() {
    if (take('L')) {
      base_62();
    }
  }

  void list(std::string_view open, std::string_view close) {
    put(open);
    for (bool first = true; good_ && !take('E'); first = false) {
      put(first ? "" : ", ");
      type();
    }
    put(close);
  }

  void function() {
    if (take('G')) {
      base_62();
    }
    take('U');
    if (take('K') && !take('C')) {
      identifier();
    }
    list("fn(", ")");
    if (!take('u')) {
      put(" -> ");
      type();
    }
  }

  void dynamic() {
    if (take('G')) {
      base_62();
    }
    put("dyn ");
    for (bool first = true; good_ && !take('E'); first = false) {
      put(first ? "" : " + ");
      path();
      while (good_ && take('p')) {  // an associated type: read, not printed
        const bool was = silent_;
        silent_ = true;
        identifier();
        type();
        silent_ = was;
      }
    }
    lifetime();
  }

  void type() {
    if (enter()) {
      const char c = peek();
      if (!basic(c).empty()) {
        next();
        put(basic(c));
      } else {
        compound(c);
      }
    }
    --depth_;
  }

  void compound(char c) {
    static constexpr std::string_view kKinds = "ASTRQPOFDB";
    if (kKinds.find(c) == std::string_view::npos) {
      path();
      return;
    }
    next();
    switch (c) {
      case 'A':
        put("[");
        type();
        put("; ");
        constant();
        put("]");
        return;
      case 'S':
        put("[");
        type();
        put("]");
        return;
      case 'T':
        list("(", ")");
        return;
      case 'R':
      case 'Q':
        lifetime();
        put(c == 'R' ? "&" : "&mut ");
        type();
        return;
      case 'P':
      case 'O':
        put(c == 'P' ? "*const " : "*mut ");
        type();
        return;
      case 'F':
        function();
        return;
      case 'D':
        dynamic();
        return;
      default:
        back_reference(&Parser::type);
    }
  }

  void constant() {
    if (take('p')) {
      put("_");
      return;
    }
    if (take('B')) {
      back_reference(&Parser::constant);
      return;
    }
    if (!enter()) {
      return;
    }
    if (basic(next()).empty()) {
      fail();
    }
    put(take('n') ? "-" : "");
    std::uint64_t value = 0;
    bool whole = true;
    while (good_ && !take('_')) {
      const char digit = next();
      const bool decimal = digit >= '0' && digit <= '9';
      if (!decimal && (digit < 'a' || digit > 'f')) {
        fail();
        break;
      }
      whole = whole && (value >> 60U) == 0;
      value = (value << 4U) + static_cast<std::uint64_t>(decimal ? digit - '0' : digit - 'a' + 10);
    }
    put(whole ? std::to_string(value) : "_");
    --depth_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
  int depth_ = 0;
  int steps_ = 0;
  bool silent_ = false;
  bool good_ = true;
};

}  // namespace

std::optional<std::string> demangle_rust_v0(std::string_view symbol) {
  if (!symbol.starts_with("_R") || symbol.size() > kMaxMangled) {
    return std::nullopt;
  }
  return Parser(symbol.substr(2)).symbol();
}

}  // namespace lamprey::symbols
