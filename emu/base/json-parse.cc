// Parsing with RapidJSON's SAX reader; the only unit that includes it.
#include <rapidjson/reader.h>

#include <charconv>

#include "emu/base/json-document.h"
#include "emu/base/json-path.h"

namespace rhea::json {

namespace {

// Not kParseFullPrecisionFlag: RapidJSON 1.1 then shifts by clz(0) where all leading digits of a long number are
// zeroes.
constexpr unsigned kParseFlags = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag |
                                 rapidjson::kParseValidateEncodingFlag | rapidjson::kParseStopWhenDoneFlag;

// How many characters of a line an error shows on either side of the place.
constexpr std::size_t kExcerptRadius = 40;

bool isContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

bool isSpace(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

// The part of the line around `offset` and the caret below it, two lines of equal width to look at.
struct Excerpt {
  std::string line;
  std::string caret;
};

Excerpt excerptAt(std::string_view text, std::size_t offset) {
  std::size_t begin = offset;
  while (begin > 0 && text[begin - 1] != '\n' && offset - begin < kExcerptRadius) --begin;
  while (begin < offset && isContinuation(text[begin])) ++begin;
  std::size_t end = offset;
  while (end < text.size() && text[end] != '\n' && end - offset < kExcerptRadius) ++end;
  Excerpt excerpt;
  if (begin > 0 && text[begin - 1] != '\n') excerpt.line = excerpt.caret = "...";
  std::ranges::fill(excerpt.caret, ' ');
  for (std::size_t at = begin; at < end; ++at) {
    const bool readable = static_cast<unsigned char>(text[at]) >= 0x20 && text[at] != 0x7F;
    if (text[at] != '\r' || at + 1 < end) excerpt.line += readable ? text[at] : ' ';
    if (at < offset && !isContinuation(text[at])) excerpt.caret += ' ';
  }
  if (end < text.size() && text[end] != '\n') {
    while (!excerpt.line.empty() && isContinuation(text[end]) && isContinuation(excerpt.line.back())) {
      excerpt.line.pop_back();
    }
    excerpt.line += "...";
  }
  excerpt.caret += '^';
  return excerpt;
}

std::string placeWords(std::string_view text, std::size_t offset) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t at = 0; at < offset && at < text.size(); ++at) {
    if (text[at] == '\n') {
      ++line;
      column = 1;
    } else if (!isContinuation(text[at])) {
      ++column;
    }
  }
  return fmt::format("line {}, column {} (byte {})", line, column, offset);
}

bool isLetter(char byte) { return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z'); }

std::size_t wordLength(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, isLetter) - text.begin());
}

std::string foundAt(std::string_view text, std::size_t offset) {
  if (offset >= text.size()) return "the end of the text";
  constexpr std::size_t kLongestWord = 20;
  const std::string_view word = text.substr(offset, wordLength(text.substr(offset, kLongestWord)));
  if (!word.empty()) return fmt::format("'{}'", word);
  const auto byte = static_cast<unsigned char>(text[offset]);
  if (byte >= 0x20 && byte < 0x7F) return fmt::format("'{}'", text[offset]);
  return fmt::format("byte 0x{:02x}", byte);
}

Error errorAt(std::string_view text, std::size_t offset, std::string message) {
  const Excerpt excerpt = excerptAt(text, std::min(offset, text.size()));
  Error error(std::move(message));
  if (text.empty()) return error;
  return std::move(error).hint(fmt::format("{}\n  {}", excerpt.line, excerpt.caret));
}

Error syntaxError(std::string_view text, std::size_t offset, std::string_view expected) {
  return errorAt(text, offset,
                 fmt::format("JSON syntax error in {}: expected {}, found {}", placeWords(text, offset), expected,
                             foundAt(text, offset)));
}

Error flawedString(std::string_view text, std::size_t offset, std::string_view what) {
  return errorAt(text, offset, fmt::format("JSON syntax error in {}: {}", placeWords(text, offset), what));
}

Error stringByteError(std::string_view text, std::size_t offset) {
  if (offset >= text.size()) return syntaxError(text, offset, "the '\"' that ends the string");
  if (static_cast<unsigned char>(text[offset]) < 0x20) {
    return flawedString(text, offset,
                        fmt::format("a string holds the control character 0x{:02x}, which must be written as an "
                                    "escape, \\u00{:02x}",
                                    text[offset], text[offset]));
  }
  return flawedString(text, offset, "a string holds bytes that are not UTF-8");
}

Error translate(std::string_view text, rapidjson::ParseErrorCode code, std::size_t offset) {
  using namespace rapidjson;  // NOLINT: its codes, in this function only
  switch (code) {
    case kParseErrorObjectMissName:
      return syntaxError(text, offset, "a member's name in double quotes");
    case kParseErrorObjectMissColon:
      return syntaxError(text, offset, "':' behind the member's name");
    case kParseErrorObjectMissCommaOrCurlyBracket:
      return syntaxError(text, offset, "',' or '}' behind the member");
    case kParseErrorArrayMissCommaOrSquareBracket:
      return syntaxError(text, offset, "',' or ']' behind the item");
    case kParseErrorValueInvalid:
      while (offset > 0 && isLetter(text[offset - 1])) --offset;
      return syntaxError(text, offset, "a JSON value");
    case kParseErrorStringUnicodeEscapeInvalidHex:
      return flawedString(text, offset, "\\u needs four hexadecimal digits");
    case kParseErrorStringUnicodeSurrogateInvalid:
      return flawedString(text, offset, "a \\u surrogate without its other half");
    case kParseErrorStringEscapeInvalid:
      if (offset < text.size() && text[offset] != '\\') return stringByteError(text, offset);
      return flawedString(text, offset, "no such escape; there is \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
    case kParseErrorStringMissQuotationMark:
    case kParseErrorStringInvalidEncoding:
      return stringByteError(text, offset);
    case kParseErrorNumberTooBig:
      return flawedString(text, offset, "the number is too big");
    case kParseErrorNumberMissFraction:
      return syntaxError(text, offset, "a digit behind the decimal point");
    case kParseErrorNumberMissExponent:
      return syntaxError(text, offset, "a digit in the exponent");
    default:
      return syntaxError(text, offset, "a JSON value");
  }
}

}  // namespace

// RapidJSON's handler: appends to the tape, keeps the bounds. A false answer stops the reader; error_ says why.
class Parser {
 public:
  Parser(std::string_view source, const Limits& limits)
      : source_(source), limits_(limits), document_(std::make_unique<detail::Document>()) {
    // RapidJSON's check of UTF-8 reads up to three bytes behind a sequence that the end cuts off.
    constexpr std::size_t kPadding = 8;
    document_->text.reserve(source.size() + kPadding);
    document_->text.assign(source);
    document_->text.append(kPadding, '\0');
    document_->nodes.reserve(std::min<std::size_t>(source.size() / 8 + 2, 4096));
  }

  Result<Value> run() {
    rapidjson::InsituStringStream stream(document_->text.data());
    stream_ = &stream;
    rapidjson::Reader reader;
    const rapidjson::ParseResult result = reader.Parse<kParseFlags>(stream, *this);
    if (error_) return *std::move(error_);
    if (result.IsError()) return translate(source_, result.Code(), std::min(result.Offset(), source_.size()));
    const std::string_view rest = source_.substr(stream.Tell());
    if (const auto found = std::ranges::find_if_not(rest, isSpace); found != rest.end()) {
      return syntaxError(source_, static_cast<std::size_t>(found - source_.begin()), "nothing behind the value");
    }
    document_->nodes.shrink_to_fit();
    return Value(View(document_.release(), 0));
  }

  bool Null() { return scalar(Kind::kNull, 4) != nullptr; }
  bool Bool(bool value) {
    detail::Node* node = scalar(Kind::kBool, value ? 4 : 5);
    if (node != nullptr) node->boolean = value;
    return node != nullptr;
  }
  bool Int(int value) { return Int64(value); }
  bool Uint(unsigned value) { return Int64(value); }
  bool Int64(std::int64_t value) {
    detail::Node* node = scalar(Kind::kInt64, 0);
    if (node != nullptr) node->int64 = value;
    return node != nullptr;
  }
  bool Uint64(std::uint64_t value) {
    if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return Int64(static_cast<std::int64_t>(value));
    }
    detail::Node* node = scalar(Kind::kUint64, 0);
    if (node != nullptr) node->uint64 = value;
    return node != nullptr;
  }
  // `nearly` may be wrong in its last bits. The reader is still in front of the number, so it is read again, exactly;
  // what is too small for a double stays as it is.
  bool Double(double nearly) {
    double value = nearly;
    const std::string_view text = source_.substr(stream_->Tell());
    std::from_chars(text.data(), text.data() + text.size(), value);
    detail::Node* node = scalar(Kind::kDouble, 0);
    if (node != nullptr) node->number = value;
    return node != nullptr;
  }
  bool RawNumber(const char* /*text*/, unsigned /*length*/, bool /*copy*/) { return false; }  // not with our flags
  bool String(const char* text, unsigned length, bool /*copy*/) {
    return beginValue(1) && append(Kind::kString, text, length);
  }
  bool Key(const char* text, unsigned length, bool /*copy*/) {
    Frame& frame = frames_.back();
    if (!count(frame.items > 0 ? 3 : 2)) return false;  // ',' key ':'
    frame.key = static_cast<std::uint32_t>(document_->nodes.size());
    return append(Kind::kString, text, length);
  }
  bool StartObject() { return open(Kind::kObject); }
  bool StartArray() { return open(Kind::kArray); }
  bool EndObject(unsigned members) {
    close(members);
    const bool good = checkKeys(frames_.back().node);
    frames_.pop_back();
    return good;
  }
  bool EndArray(unsigned items) {
    close(items);
    frames_.pop_back();
    return true;
  }

 private:
  struct Frame {
    std::uint32_t node;
    std::uint32_t key = 0;    // node of the newest key
    std::uint32_t items = 0;  // begun so far
  };

  bool fail(Error error) {
    error_.emplace(std::move(error));
    return false;
  }

  bool count(std::size_t tokens) {
    tokens_ += tokens;
    if (tokens_ <= limits_.tokens) return true;
    return fail(
        errorAt(source_, stream_->Tell(),
                fmt::format("the JSON text has more than {} tokens (values, keys, punctuation)", limits_.tokens)));
  }

  // Accounts for one value of `tokens` tokens inside the innermost container.
  bool beginValue(std::size_t tokens) {
    if (frames_.empty()) return count(tokens);
    Frame& frame = frames_.back();
    const bool comma = frame.items++ > 0 && document_->nodes[frame.node].kind == Kind::kArray;
    return count(tokens + (comma ? 1 : 0));
  }

  // The node of a value whose last byte the reader has passed `length` bytes after its start; a number's start is
  // where the stream still stands, because the reader works on a copy of it.
  detail::Node* scalar(Kind kind, std::size_t length) {
    if (!beginValue(1)) return nullptr;
    detail::Node& node = document_->nodes.emplace_back();
    node.kind = kind;
    node.offset = static_cast<std::uint32_t>(stream_->Tell() - length);
    return &node;
  }

  bool append(Kind kind, const char* text, unsigned length) {
    detail::Node& node = document_->nodes.emplace_back();
    const auto begin = static_cast<std::uint32_t>(text - document_->text.data());
    node.kind = kind;
    node.offset = begin - 1;
    node.span = {begin, length};
    return true;
  }

  bool open(Kind kind) {
    if (!beginValue(2)) return false;
    if (frames_.size() >= limits_.depth) {
      return fail(errorAt(source_, stream_->Tell(),
                          fmt::format("the JSON text nests arrays and objects deeper than {}", limits_.depth)));
    }
    frames_.push_back(Frame{static_cast<std::uint32_t>(document_->nodes.size())});
    detail::Node& node = document_->nodes.emplace_back();
    node.kind = kind;
    node.offset = static_cast<std::uint32_t>(stream_->Tell());
    return true;
  }

  void close(unsigned size) {
    document_->nodes[frames_.back().node].span = {size, static_cast<std::uint32_t>(document_->nodes.size())};
  }

  // Few members are compared in pairs, many sorted: a hostile object costs n log n.
  bool checkKeys(std::uint32_t object) {
    constexpr std::size_t kFew = 12;
    const detail::Node& node = document_->nodes[object];
    const std::size_t members = node.span.begin;
    if (members < 2) return true;
    keys_.clear();
    for (std::uint32_t at = object + 1; at < node.span.extra; at = document_->next(at + 1)) {
      const detail::Node& key = document_->nodes[at];
      const SeenKey entry{document_->string(key), key.offset};
      if (members <= kFew && std::ranges::find(keys_, entry.name, &SeenKey::name) != keys_.end()) {
        return duplicate(entry);
      }
      keys_.push_back(entry);
    }
    if (members <= kFew) return true;
    std::ranges::sort(keys_, [](const SeenKey& a, const SeenKey& b) {
      return a.name != b.name ? a.name < b.name : a.offset < b.offset;
    });
    const auto twice = std::ranges::adjacent_find(keys_, std::ranges::equal_to(), &SeenKey::name);
    return twice == keys_.end() ? true : duplicate(*std::next(twice));
  }

  struct SeenKey {
    std::string_view name;
    std::uint32_t offset;
  };

  bool duplicate(const SeenKey& key) {
    std::string path;
    for (std::size_t level = 0; level + 1 < frames_.size(); ++level) {
      const Frame& frame = frames_[level];
      if (document_->nodes[frame.node].kind == Kind::kArray) {
        appendItem(path, frame.items - 1);
      } else {
        appendMember(path, document_->string(document_->nodes[frame.key]));
      }
    }
    appendMember(path, key.name);
    return fail(errorAt(
        source_, key.offset,
        fmt::format("the member '{}' is given twice; the second one is in {}", path, placeWords(source_, key.offset))));
  }

  std::string_view source_;
  Limits limits_;
  std::unique_ptr<detail::Document> document_;
  rapidjson::InsituStringStream* stream_ = nullptr;
  std::vector<Frame> frames_;
  std::vector<SeenKey> keys_;
  std::size_t tokens_ = 0;
  std::optional<Error> error_;
};

Result<Value> parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes) {
    return Error(fmt::format("the JSON text is {} bytes long; the limit is {} bytes", text.size(), limits.bytes));
  }
  return Parser(text, limits).run();
}

std::string describePlace(std::string_view text, std::size_t offset) {
  const Excerpt excerpt = excerptAt(text, std::min(offset, text.size()));
  return fmt::format("{}\n  {}\n  {}", placeWords(text, offset), excerpt.line, excerpt.caret);
}

}  // namespace rhea::json
