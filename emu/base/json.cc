#include "emu/base/json.h"

#include "emu/base/json-document.h"
#include "emu/base/json-writer.h"

namespace rhea::json {

namespace {

constexpr detail::Node kNullNode{Kind::kNull, 0, {}};

bool isNumberByte(char byte) {
  return (byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == '.' || byte == 'e' || byte == 'E';
}

}  // namespace

namespace detail {

void acquire(const Document* document) noexcept {
  if (document != nullptr) document->references_.fetch_add(1, std::memory_order_relaxed);
}

void release(const Document* document) noexcept {
  if (document != nullptr && document->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete document;
}

}  // namespace detail

std::string_view describe(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "a boolean";
    case Kind::kInt64:
    case Kind::kUint64:
      return "an integer";
    case Kind::kDouble:
      return "a number";
    case Kind::kString:
      return "a string";
    case Kind::kArray:
      return "an array";
    case Kind::kObject:
      return "an object";
  }
  return "?";
}

const detail::Node& View::node() const { return document_ == nullptr ? kNullNode : document_->nodes[index_]; }

Kind View::kind() const { return node().kind; }

bool View::asBool() const { return node().boolean; }

std::int64_t View::asInt64() const { return node().int64; }

std::uint64_t View::asUint64() const { return node().uint64; }

double View::asDouble() const {
  switch (node().kind) {
    case Kind::kInt64:
      return static_cast<double>(node().int64);
    case Kind::kUint64:
      return static_cast<double>(node().uint64);
    default:
      return node().number;
  }
}

std::string_view View::asString() const { return document_->string(node()); }

std::string_view View::numberText() const {
  const std::string_view rest = std::string_view(document_->text).substr(node().offset);
  return rest.substr(0, static_cast<std::size_t>(std::ranges::find_if_not(rest, isNumberByte) - rest.begin()));
}

std::size_t View::size() const { return node().span.begin; }

std::optional<View> View::find(std::string_view key) const {
  if (!isObject()) return std::nullopt;
  const std::uint32_t end = node().span.extra;
  for (std::uint32_t at = index_ + 1; at < end; at = document_->next(at + 1)) {
    if (document_->string(document_->nodes[at]) == key) return View(document_, at + 1);
  }
  return std::nullopt;
}

MemberRange View::members() const {
  if (!isObject()) return {nullptr, 0, 0};
  return {document_, index_ + 1, node().span.extra};
}

ItemRange View::items() const {
  if (!isArray()) return {nullptr, 0, 0};
  return {document_, index_ + 1, node().span.extra};
}

std::size_t View::documentSize() const { return document_ == nullptr ? 0 : document_->text.size(); }

std::size_t View::offset() const { return node().offset; }

Text View::text() const {
  Writer writer;
  writer.value(*this);
  return writer.take();
}

Member MemberRange::Iterator::operator*() const {
  const detail::Node& key = document_->nodes[index_];
  return {document_->string(key), View(document_, index_ + 1), key.offset};
}

MemberRange::Iterator& MemberRange::Iterator::operator++() {
  index_ = document_->next(index_ + 1);
  return *this;
}

View ItemRange::Iterator::operator*() const { return {document_, index_}; }

ItemRange::Iterator& ItemRange::Iterator::operator++() {
  index_ = document_->next(index_);
  return *this;
}

}  // namespace rhea::json
