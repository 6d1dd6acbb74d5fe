#include "emu/migrate/state.h"

#include "emu/base/bug.h"

namespace rhea::migrate {

namespace {

constexpr std::uint8_t kNumber = 1;
constexpr std::uint8_t kBytes = 2;
constexpr std::uint8_t kSection = 3;

std::string_view nameOf(std::uint8_t type) {
  return type == kNumber ? "a number" : type == kBytes ? "bytes" : "a section";
}

// Takes values off the front of bytes.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  template <class T>
  bool take(T& to) {
    if (bytes_.size() < sizeof(T)) return false;
    std::memcpy(&to, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return true;
  }
  bool take(std::size_t length, std::span<const std::byte>& to) {
    if (bytes_.size() < length) return false;
    to = bytes_.first(length);
    bytes_ = bytes_.subspan(length);
    return true;
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace

StateWriter::StateWriter(std::uint32_t version) { append(version); }

// Not insert(): at -O2 GCC 12 sees an overflow in it that is not there, where the vector is known to be empty.
void StateWriter::append(std::span<const std::byte> bytes) {
  const std::size_t at = bytes_.size();
  bytes_.resize(at + bytes.size());
  std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(at));
}

template <class T>
void StateWriter::append(T value) {
  append(std::as_bytes(std::span(&value, 1)));
}

void StateWriter::begin(std::string_view name, std::uint8_t type) {
  if (name.empty() || name.size() > 255) bug("a field of saved state has no proper name");
  append(static_cast<std::uint8_t>(name.size()));
  append(std::as_bytes(std::span(name)));
  append(type);
}

void StateWriter::putNumber(std::string_view name, std::uint64_t value) {
  begin(name, kNumber);
  append(value);
}

void StateWriter::putBytes(std::string_view name, std::span<const std::byte> bytes) {
  begin(name, kBytes);
  append(static_cast<std::uint32_t>(bytes.size()));
  append(bytes);
}

void StateWriter::putSection(std::string_view name, const StateWriter& section) {
  begin(name, kSection);
  append(static_cast<std::uint32_t>(section.bytes_.size()));
  append(std::span<const std::byte>(section.bytes_));
}

Result<StateReader> StateReader::open(std::string place, std::span<const std::byte> bytes, std::uint32_t newest) {
  StateReader reader;
  reader.place_ = std::move(place);
  Cursor cursor(bytes);
  const auto cut = [&reader] { return Error(fmt::format("the saved state of {} is cut short", reader.place_)); };
  if (!cursor.take(reader.version_)) return cut();
  if (reader.version_ > newest) {
    return Error(fmt::format("the saved state of {} is of version {}", reader.place_, reader.version_))
        .expected(fmt::format("at most {}", newest))
        .hint("load it with the newer rhea that wrote it");
  }
  while (!cursor.empty()) {
    std::uint8_t length = 0;
    std::span<const std::byte> name;
    Field field;
    if (!cursor.take(length) || !cursor.take(length, name) || !cursor.take(field.type)) return cut();
    if (field.type == kNumber) {
      if (!cursor.take(field.number)) return cut();
    } else if (field.type == kBytes || field.type == kSection) {
      std::uint32_t size = 0;
      if (!cursor.take(size) || !cursor.take(size, field.bytes)) return cut();
    } else {
      return Error(fmt::format("the saved state of {} has a field of the unknown type {}", reader.place_, field.type));
    }
    std::string text(reinterpret_cast<const char*>(name.data()), name.size());
    if (!reader.fields_.emplace(text, field).second) {
      return Error(fmt::format("the saved state of {} has '{}' twice", reader.place_, text));
    }
  }
  return reader;
}

Result<StateReader::Field*> StateReader::field(std::string_view name, std::uint8_t type) {
  const auto found = fields_.find(name);
  if (found == fields_.end()) return Error(fmt::format("the saved state of {} has no '{}'", place_, name));
  if (found->second.type != type) {
    return Error(fmt::format("'{}' in the saved state of {} is {}", name, place_, nameOf(found->second.type)))
        .expected(std::string(nameOf(type)));
  }
  found->second.read = true;
  return &found->second;
}

Result<std::uint64_t> StateReader::number(std::string_view name) {
  RHEA_TRY(const Field* found, field(name, kNumber));
  return found->number;
}

Error StateReader::tooLarge(std::string_view name, std::uint64_t value) const {
  return Error(fmt::format("'{}' in the saved state of {} is {}, more than it can be", name, place_, value));
}

Result<std::span<const std::byte>> StateReader::bytes(std::string_view name, std::size_t most) {
  RHEA_TRY(const Field* found, field(name, kBytes));
  if (found->bytes.size() > most) {
    return Error(fmt::format("'{}' in the saved state of {} has {} bytes", name, place_, found->bytes.size()))
        .expected(fmt::format("at most {}", most));
  }
  return found->bytes;
}

Result<void> StateReader::getBytes(std::string_view name, std::span<std::byte> to) {
  RHEA_TRY(const std::span<const std::byte> from, bytes(name, to.size()));
  if (from.size() != to.size()) {
    return Error(fmt::format("'{}' in the saved state of {} has {} bytes", name, place_, from.size()))
        .expected(fmt::format("{}", to.size()));
  }
  std::ranges::copy(from, to.begin());
  return success();
}

Result<StateReader> StateReader::section(std::string_view name, std::uint32_t newest) {
  RHEA_TRY(const Field* found, field(name, kSection));
  return open(fmt::format("{}, {}", place_, name), found->bytes, newest);
}

Result<void> StateReader::finish() const {
  for (const auto& [name, field] : fields_) {
    if (!field.read) {
      return Error(fmt::format("the saved state of {} has '{}', which this version does not know", place_, name))
          .hint("load it with the newer rhea that wrote it");
    }
  }
  return success();
}

}  // namespace rhea::migrate
