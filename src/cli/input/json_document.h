// JSON that anybody may have written, read in one pass into a flat list of values that point into
// the text. Both are kept from one text to the next: reading a record allocates nothing. What the
// values mean is not known here. Why no library: docs/decisions/json-reading.md.
//
// Lenient where nothing can be mistaken: a number is looked at when it is asked for, and text need
// not be UTF-8. Of two members with one key the first counts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lamprey::cli {

class Document;

// A value of a document, valid until the document reads another text. A default one is nothing: it
// has no members and no kind, so that a path of keys can be followed without asking at each step.
class Value {
 public:
  enum class Kind : std::uint8_t { kNothing, kNull, kFalse, kTrue, kNumber, kText, kList, kObject };
  class Iterator;

  Value() = default;
  Kind kind() const;
  bool is_object() const { return kind() == Kind::kObject; }
  bool is_list() const { return kind() == Kind::kList; }
  bool is_text() const { return kind() == Kind::kText; }
  bool is_number() const { return kind() == Kind::kNumber; }

  Value operator[](std::string_view key) const;
  // Members of an object, entries of a list; none of anything else.
  Iterator begin() const;
  Iterator end() const;
  bool empty() const;
  std::size_t size() const;

  std::string_view key() const;  // of a member, as it stands in the text
  std::string_view raw() const;  // as it stands in the text; a text without its quotes
  std::string text() const;      // without escapes; empty when it is no text
  // The same without a copy where nothing is escaped; else in `room`.
  std::string_view text_in(std::string& room) const;

 private:
  friend class Document;
  Value(const Document* document, std::uint32_t index) : document_(document), index_(index) {}
  const Document* document_ = nullptr;
  std::uint32_t index_ = 0;
};

class Document {
 public:
  // Reads one value from the beginning of `text`, which must stay where it is. False when there is
  // none; then the document is empty. What stands behind the value is left: see size_read().
  bool read(std::string_view text);
  // The same, and only space may follow.
  bool read_whole(std::string_view text);
  Value root() const { return nodes_.empty() ? Value() : Value(this, 0); }
  // Where reading ended: behind the value, or where it was found to be none. The latter is the
  // text's end where nothing is wrong with it but that it is cut.
  std::size_t size_read() const { return size_read_; }

 private:
  friend class Value;
  friend class Value::Iterator;
  struct Node {
    std::uint32_t start;
    std::uint32_t size;
    std::uint32_t next;  // the first that is not inside
    std::uint32_t key_start;
    std::uint32_t key_size;
    Value::Kind kind;
    bool escaped;
  };
  class Reading;

  std::string_view text_;
  std::vector<Node> nodes_;
  std::size_t size_read_ = 0;
};

class Value::Iterator {
 public:
  Iterator(const Document* document, std::uint32_t index) : document_(document), index_(index) {}
  Value operator*() const { return {document_, index_}; }
  Iterator& operator++();
  bool operator==(const Iterator& other) const { return index_ == other.index_; }

 private:
  const Document* document_;
  std::uint32_t index_;
};

// A text's escapes resolved: what JSON writes as \n, \", \u00e9.
std::string without_escapes(std::string_view raw);

}  // namespace lamprey::cli
