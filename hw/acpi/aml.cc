#include "hw/acpi/aml.h"

namespace rhea::hw::aml {

namespace {

void append(Bytes& to, const Bytes& bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

void appendNumber(Bytes& to, std::uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

Bytes joined(const Parts& parts) {
  Bytes all;
  for (const Bytes& part : parts) append(all, part);
  return all;
}

// PkgLength counts itself: one byte up to 63, else up to three more.
Bytes withLength(std::initializer_list<std::uint8_t> opcode, const Bytes& content) {
  Bytes bytes(opcode);
  std::size_t length = content.size() + 1;
  if (length <= 0x3f) {
    bytes.push_back(static_cast<std::uint8_t>(length));
  } else {
    unsigned more = 1;
    while ((content.size() + 1 + more) >> (4 + 8 * more) != 0) ++more;
    length = content.size() + 1 + more;
    bytes.push_back(static_cast<std::uint8_t>(more << 6 | (length & 0xf)));
    appendNumber(bytes, length >> 4, more);
  }
  append(bytes, content);
  return bytes;
}

Bytes binary(std::initializer_list<std::uint8_t> opcode, const Parts& operands) {
  Bytes bytes(opcode);
  append(bytes, joined(operands));
  return bytes;
}

struct Window {
  std::uint8_t kind;  // 0 memory, 1 I/O, 2 bus numbers
  std::uint8_t typeFlags;
  std::uint64_t first, last;
};

Bytes addressSpace(std::uint8_t tag, unsigned width, const Window& window) {
  Bytes bytes{tag};
  appendNumber(bytes, 3 + 5 * width, 2);
  bytes.push_back(window.kind);
  bytes.push_back(0x0c);  // both ends are fixed, positive decode, producer
  bytes.push_back(window.typeFlags);
  appendNumber(bytes, 0, width);  // granularity
  appendNumber(bytes, window.first, width);
  appendNumber(bytes, window.last, width);
  appendNumber(bytes, 0, width);  // translation
  appendNumber(bytes, window.last - window.first + 1, width);
  return bytes;
}

unsigned hexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  return static_cast<unsigned>((c | 0x20) - 'a') + 10;
}

}  // namespace

Bytes integer(std::uint64_t value) {
  if (value <= 1) return {static_cast<std::uint8_t>(value)};
  Bytes bytes;
  const unsigned size = value <= 0xff ? 1 : value <= 0xffff ? 2 : value <= 0xffffffff ? 4 : 8;
  bytes.push_back(size == 1 ? 0x0a : size == 2 ? 0x0b : size == 4 ? 0x0c : 0x0e);
  appendNumber(bytes, value, size);
  return bytes;
}

Bytes text(std::string_view value) {
  // In place: GCC 12 warns of the bounds of a vector that grows from one byte.
  Bytes bytes(value.size() + 2);
  bytes.front() = 0x0d;
  std::ranges::copy(value, bytes.begin() + 1);
  return bytes;
}

Bytes eisaId(std::string_view id) {
  // Three letters of five bits, four hexadecimal digits, big-endian.
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 3; ++i) value = value << 5 | (static_cast<unsigned>(id[i] - '@') & 0x1f);
  for (unsigned i = 3; i < 7; ++i) value = value << 4 | hexDigit(id[i]);
  Bytes bytes{0x0c};
  appendNumber(bytes, __builtin_bswap32(value), 4);
  return bytes;
}

Bytes buffer(const Bytes& content) {
  Bytes inner = integer(content.size());
  append(inner, content);
  return withLength({0x11}, inner);
}

Bytes package(const Parts& elements) {
  Bytes inner{static_cast<std::uint8_t>(elements.size())};
  append(inner, joined(elements));
  return withLength({0x12}, inner);
}

Bytes uuid(std::string_view form) {
  // The first three groups are little-endian.
  static constexpr unsigned kPlaces[] = {6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34};
  Bytes bytes;
  for (const unsigned at : kPlaces) {
    bytes.push_back(static_cast<std::uint8_t>(hexDigit(form[at]) << 4 | hexDigit(form[at + 1])));
  }
  return buffer(bytes);
}

Bytes path(std::string_view name) {
  Bytes bytes;
  if (name.starts_with('\\')) {
    bytes.push_back('\\');
    name.remove_prefix(1);
  }
  std::vector<std::string> segments;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('.'), name.size());
    std::string segment(name.substr(0, end));
    segment.resize(4, '_');
    segments.push_back(std::move(segment));
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  if (segments.empty()) bytes.push_back(0);
  if (segments.size() == 2) bytes.push_back(0x2e);
  if (segments.size() > 2) {
    bytes.push_back(0x2f);
    bytes.push_back(static_cast<std::uint8_t>(segments.size()));
  }
  for (const std::string& segment : segments) bytes.insert(bytes.end(), segment.begin(), segment.end());
  return bytes;
}

Bytes named(std::string_view name, const Bytes& value) { return binary({0x08}, {path(name), value}); }

Bytes scope(std::string_view name, const Parts& content) {
  return withLength({0x10}, joined({path(name), joined(content)}));
}

Bytes device(std::string_view name, const Parts& content) {
  return withLength({0x5b, 0x82}, joined({path(name), joined(content)}));
}

Bytes method(std::string_view name, unsigned arguments, const Parts& statements) {
  return withLength({0x14}, joined({path(name), Bytes{static_cast<std::uint8_t>(arguments)}, joined(statements)}));
}

Bytes argument(unsigned n) { return {static_cast<std::uint8_t>(0x68 + n)}; }
Bytes local(unsigned n) { return {static_cast<std::uint8_t>(0x60 + n)}; }

Bytes dwordField(const Bytes& buffer, std::uint64_t byteOffset, std::string_view name) {
  return binary({0x8a}, {buffer, integer(byteOffset), path(name)});
}

Bytes store(const Bytes& value, const Bytes& to) { return binary({0x70}, {value, to}); }
Bytes bitAnd(const Bytes& a, const Bytes& b, const Bytes& to) { return binary({0x7b}, {a, b, to}); }
Bytes bitOr(const Bytes& a, const Bytes& b, const Bytes& to) { return binary({0x7d}, {a, b, to}); }
Bytes equal(const Bytes& a, const Bytes& b) { return binary({0x93}, {a, b}); }
Bytes different(const Bytes& a, const Bytes& b) { return binary({0x92, 0x93}, {a, b}); }

Bytes when(const Bytes& condition, const Parts& statements) {
  return withLength({0xa0}, joined({condition, joined(statements)}));
}
Bytes otherwise(const Parts& statements) { return withLength({0xa1}, joined(statements)); }
Bytes give(const Bytes& value) { return binary({0xa4}, {value}); }

Bytes resources(const Parts& descriptors) {
  Bytes all = joined(descriptors);
  all.push_back(0x79);
  all.push_back(0);  // no checksum
  return buffer(all);
}

Bytes io(std::uint16_t first, std::uint8_t count) {
  Bytes bytes{0x47, 1};  // 16-bit decode
  appendNumber(bytes, first, 2);
  appendNumber(bytes, first, 2);
  bytes.push_back(1);
  bytes.push_back(count);
  return bytes;
}

Bytes irq(unsigned number) {
  Bytes bytes{0x22};  // edge, active high
  appendNumber(bytes, 1U << number, 2);
  return bytes;
}

Bytes memory32(std::uint32_t base, std::uint32_t size) {
  Bytes bytes{0x86, 9, 0, 1};  // fixed, writable
  appendNumber(bytes, base, 4);
  appendNumber(bytes, size, 4);
  return bytes;
}

Bytes busNumbers(std::uint16_t first, std::uint16_t last) { return addressSpace(0x88, 2, {2, 0, first, last}); }
Bytes ioWindow(std::uint16_t first, std::uint16_t last) { return addressSpace(0x88, 2, {1, 3, first, last}); }

Bytes memoryWindow(std::uint64_t first, std::uint64_t last, bool prefetchable) {
  const std::uint8_t flags = prefetchable ? 0x07 : 0x01;  // writable; prefetchable or not cached
  return last >> 32 != 0 ? addressSpace(0x8a, 8, {0, flags, first, last})
                         : addressSpace(0x87, 4, {0, flags, first, last});
}

}  // namespace rhea::hw::aml
