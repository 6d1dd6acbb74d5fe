// JSON documents: parsed once into a compact immutable tape, read through cheap handles.
//
// A document keeps its text and one 16-byte node per value; strings are decoded in place, numbers keep their source
// text. A Value counts the document, so it may outlive the message it came in; a View does not and costs nothing.
// Numbers are int64 where they fit, then uint64, else double. Strings are valid UTF-8 and may contain U+0000.
#pragma once

#include "emu/base/base.h"

namespace rhea::json {

// One complete JSON value as text, on one line, without a final newline.
using Text = std::string;

enum class Kind : std::uint8_t { kNull, kBool, kInt64, kUint64, kDouble, kString, kArray, kObject };

// "a boolean", "an integer", "an object": for error messages.
std::string_view describe(Kind kind);

// What one message may hold; beyond it parsing fails with an error that names the bound.
struct Limits {
  std::size_t bytes = std::size_t{64} << 20;
  std::size_t depth = 1024;                   // nested arrays and objects
  std::size_t tokens = std::size_t{2} << 20;  // values, keys and punctuation
};

namespace detail {
class Document;
struct Node;
void acquire(const Document* document) noexcept;
void release(const Document* document) noexcept;
}  // namespace detail

class MemberRange;
class ItemRange;

// A value inside a document that somebody else keeps alive. Reading as a kind that it is not is a bug.
class View {
 public:
  View() = default;  // null

  Kind kind() const;
  bool isNull() const { return kind() == Kind::kNull; }
  bool isString() const { return kind() == Kind::kString; }
  bool isObject() const { return kind() == Kind::kObject; }
  bool isArray() const { return kind() == Kind::kArray; }
  bool isInteger() const { return kind() == Kind::kInt64 || kind() == Kind::kUint64; }
  bool isNumber() const { return isInteger() || kind() == Kind::kDouble; }

  bool asBool() const;
  std::int64_t asInt64() const;    // of kInt64
  std::uint64_t asUint64() const;  // of kUint64
  double asDouble() const;         // of any number
  std::string_view asString() const;
  // The number as it was written: "1e3", "-0".
  std::string_view numberText() const;

  std::size_t size() const;  // items or members
  // The member's value; nothing where there is none. Linear in the number of members, which is small where it matters.
  std::optional<View> find(std::string_view key) const;
  MemberRange members() const;
  ItemRange items() const;

  std::size_t documentSize() const;  // bytes of the whole source, which is what it costs at most to go through it
  std::size_t offset() const;        // of the value's first byte in the source
  Text text() const;                 // the value written back, on one line

 protected:
  View(const detail::Document* document, std::uint32_t index) noexcept : document_(document), index_(index) {}
  const detail::Node& node() const;

  const detail::Document* document_ = nullptr;
  std::uint32_t index_ = 0;

  friend class Value;
  friend class Parser;
  friend class MemberRange;
  friend class ItemRange;
};

// A View that keeps its document alive; copying counts, across threads too.
class Value : public View {
 public:
  Value() = default;  // null
  explicit Value(View view) noexcept : View(view) { detail::acquire(document_); }
  Value(const Value& other) noexcept : View(other) { detail::acquire(document_); }
  Value(Value&& other) noexcept : View(other) { other.document_ = nullptr; }
  Value& operator=(Value other) noexcept {
    std::swap(document_, other.document_);
    std::swap(index_, other.index_);
    return *this;
  }
  ~Value() { detail::release(document_); }
};

struct Member {
  std::string_view key;
  View value;
  std::size_t keyOffset;  // of the key's quote in the source
};

// for (const json::Member& member : view.members())
class MemberRange {
 public:
  class Iterator {
   public:
    Member operator*() const;
    Iterator& operator++();
    bool operator==(const Iterator& other) const { return index_ == other.index_; }

   private:
    friend class MemberRange;
    Iterator(const detail::Document* document, std::uint32_t index) : document_(document), index_(index) {}
    const detail::Document* document_;
    std::uint32_t index_;  // of the key
  };
  Iterator begin() const { return {document_, first_}; }
  Iterator end() const { return {document_, end_}; }

 private:
  friend class View;
  MemberRange(const detail::Document* document, std::uint32_t first, std::uint32_t end)
      : document_(document), first_(first), end_(end) {}
  const detail::Document* document_;
  std::uint32_t first_;
  std::uint32_t end_;
};

// for (const json::View item : view.items())
class ItemRange {
 public:
  class Iterator {
   public:
    View operator*() const;
    Iterator& operator++();
    bool operator==(const Iterator& other) const { return index_ == other.index_; }

   private:
    friend class ItemRange;
    Iterator(const detail::Document* document, std::uint32_t index) : document_(document), index_(index) {}
    const detail::Document* document_;
    std::uint32_t index_;
  };
  Iterator begin() const { return {document_, first_}; }
  Iterator end() const { return {document_, end_}; }

 private:
  friend class View;
  ItemRange(const detail::Document* document, std::uint32_t first, std::uint32_t end)
      : document_(document), first_(first), end_(end) {}
  const detail::Document* document_;
  std::uint32_t first_;
  std::uint32_t end_;
};

// Parses exactly one value with white space around it. Errors tell line, column and byte offset, show the place with a
// caret, and say what was expected there; a duplicate key is refused with the path of its object.
Result<Value> parse(std::string_view text, const Limits& limits = {});

// "line 2, column 5 (byte 17)" and below it the line with a caret: how a place in a JSON text is shown.
std::string describePlace(std::string_view text, std::size_t offset);

}  // namespace rhea::json
