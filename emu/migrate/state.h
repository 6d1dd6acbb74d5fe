// StateWriter, StateReader: the state of a device as named, typed fields in versioned sections.
//
// What is written can be read by name in any order. A field without a default that is missing is an error by its name;
// so is one that is there and that nobody read: a newer version has put it there because it matters.
//
//   void Rtc::save(StateWriter& to) const { to.put("index", index_); to.putBytes("ram", ram_); }
//   Result<void> Rtc::load(StateReader& from) { RHEA_CHECK(from.get("index", index_)); ... return from.finish(); }
//
// The bytes: a section is a list of fields; a field is its name (length u8, bytes), its type (u8), then u64, or a
// length u32 and that many bytes; a section's bytes begin with its version (u32). All little-endian.
#pragma once

#include "emu/base/base.h"

namespace rhea::migrate {

template <class T>
concept Scalar = std::is_integral_v<T> || std::is_enum_v<T>;

class StateWriter {
 public:
  explicit StateWriter(std::uint32_t version = 1);

  template <Scalar T>
  void put(std::string_view name, T value) {
    putNumber(name, static_cast<std::uint64_t>(value));
  }
  template <Scalar T>
  void put(std::string_view name, const std::atomic<T>& value) {
    put(name, value.load(std::memory_order_relaxed));
  }
  void putBytes(std::string_view name, std::span<const std::byte> bytes);
  // An array of a plain type, as its bytes.
  template <class T, std::size_t n>
  requires std::is_trivially_copyable_v<T>
  void putArray(std::string_view name, const std::array<T, n>& values) {
    putBytes(name, std::as_bytes(std::span(values)));
  }
  void putText(std::string_view name, std::string_view text) { putBytes(name, std::as_bytes(std::span(text))); }
  // A section within this one.
  void putSection(std::string_view name, const StateWriter& section);

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  void putNumber(std::string_view name, std::uint64_t value);
  void begin(std::string_view name, std::uint8_t type);
  template <class T>
  void append(T value);
  void append(std::span<const std::byte> bytes);

  std::vector<std::byte> bytes_;
};

class StateReader {
 public:
  // Looks at `bytes`, which outlive the reader. `place` is what errors name: "device 'disk0'". Errors: cut short,
  // doubled names, a version newer than `newest`.
  static Result<StateReader> open(std::string place, std::span<const std::byte> bytes, std::uint32_t newest = 1);

  std::uint32_t version() const { return version_; }

  // Error: missing, of another type, or more than T holds.
  template <Scalar T>
  Result<void> get(std::string_view name, T& to) {
    RHEA_TRY(const std::uint64_t value, number(name));
    if (static_cast<std::uint64_t>(static_cast<T>(value)) != value) return tooLarge(name, value);
    to = static_cast<T>(value);
    return success();
  }
  template <Scalar T>
  Result<void> get(std::string_view name, std::atomic<T>& to) {
    T value{};
    RHEA_CHECK(get(name, value));
    to.store(value, std::memory_order_relaxed);
    return success();
  }
  // For fields that older versions did not have.
  template <Scalar T>
  Result<void> getOr(std::string_view name, T& to, T initial) {
    if (has(name)) return get(name, to);
    to = initial;
    return success();
  }
  // Exactly as many bytes.
  Result<void> getBytes(std::string_view name, std::span<std::byte> to);
  template <class T, std::size_t n>
  requires std::is_trivially_copyable_v<T> Result<void> getArray(std::string_view name, std::array<T, n>& to) {
    return getBytes(name, std::as_writable_bytes(std::span(to)));
  }
  // As many as there are, up to `most`.
  Result<std::span<const std::byte>> bytes(std::string_view name, std::size_t most);
  Result<StateReader> section(std::string_view name, std::uint32_t newest = 1);
  bool has(std::string_view name) const { return fields_.contains(name); }
  // Error: fields that nobody has read.
  Result<void> finish() const;

 private:
  struct Field {
    std::uint8_t type = 0;
    std::uint64_t number = 0;
    std::span<const std::byte> bytes;
    bool read = false;
  };
  Result<std::uint64_t> number(std::string_view name);
  Result<Field*> field(std::string_view name, std::uint8_t type);
  Error tooLarge(std::string_view name, std::uint64_t value) const;

  std::string place_;
  std::uint32_t version_ = 0;
  std::map<std::string, Field, std::less<>> fields_;
};

}  // namespace rhea::migrate
