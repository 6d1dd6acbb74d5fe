// Integers in byte order: reading and writing what disks, images and wires hold.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace rhea {

// `Integer` of either order at any address; no alignment is asked for.
template <std::unsigned_integral Integer>
Integer loadLittle(const void* from) noexcept {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  return value;
}

template <std::unsigned_integral Integer>
Integer loadBig(const void* from) noexcept {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  return value;
}

// The type is written out at the call, so that a narrower or wider expression cannot change what is stored.
template <std::unsigned_integral Integer>
void storeLittle(void* to, std::type_identity_t<Integer> value) noexcept {
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}

template <std::unsigned_integral Integer>
void storeBig(void* to, std::type_identity_t<Integer> value) noexcept {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}

// `alignment` is a power of two.
template <std::unsigned_integral Integer>
constexpr Integer alignDown(Integer value, std::type_identity_t<Integer> alignment) noexcept {
  return value & ~(alignment - 1);
}
template <std::unsigned_integral Integer>
constexpr Integer alignUp(Integer value, std::type_identity_t<Integer> alignment) noexcept {
  return alignDown<Integer>(value + (alignment - 1), alignment);
}
template <std::unsigned_integral Integer>
constexpr bool isAligned(Integer value, std::type_identity_t<Integer> alignment) noexcept {
  return (value & (alignment - 1)) == 0;
}

}  // namespace rhea
