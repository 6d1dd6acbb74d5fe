#include "hw/pci/config-space.h"

namespace rhea::pci {

std::uint32_t ConfigSpace::read(std::size_t offset, unsigned size) const {
  if (offset >= kSize || size > kSize - offset) return 0xffffffffU >> (32 - 8 * size);
  std::uint32_t value = 0;
  std::memcpy(&value, &bytes_[offset], size);
  return value;
}

void ConfigSpace::write(std::size_t offset, std::uint32_t value, unsigned size) {
  if (offset >= kSize || size > kSize - offset) return;
  for (unsigned i = 0; i < size; ++i) {
    const auto written = static_cast<std::byte>(value >> (8 * i));
    const std::byte mask = writable_[offset + i];
    std::byte& byte = bytes_[offset + i];
    byte = (byte & ~mask) | (written & mask);
    byte &= ~(written & clearable_[offset + i]);
  }
}

Result<void> ConfigSpace::load(std::span<const std::byte> saved,
                               std::span<const std::pair<std::size_t, std::size_t>> free) {
  for (std::size_t i = 0; i < kSize; ++i) {
    const std::byte own = ~(writable_[i] | clearable_[i]);
    const bool isFree = std::ranges::any_of(
        free, [i](const auto& range) { return i >= range.first && i < range.first + range.second; });
    if (isFree || ((saved[i] ^ bytes_[i]) & own) == std::byte{0}) continue;
    return Error(
               fmt::format("configuration register {:#x} is {:#04x} in the saved state, which this device cannot have",
                           i, std::to_integer<unsigned>(saved[i])))
        .hint("was it saved from a device with other properties?");
  }
  std::ranges::copy(saved, bytes_.begin());
  return success();
}

}  // namespace rhea::pci
