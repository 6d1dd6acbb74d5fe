// IsaSerial: isa-serial: a 16550A that a user plugs in, at one of the four usual places or where iobase and irq say.
#pragma once

#include "hw/char/uart.h"
#include "hw/isa/isa-bus.h"

namespace rhea::hw {

class IsaSerial final : public Device {
 public:
  static constexpr std::uint32_t kUnset = ~std::uint32_t{0};
  struct Place {
    std::uint16_t port;
    std::uint8_t irq;
  };
  static constexpr std::array<Place, 4> kPlaces = {Place{0x3f8, 4}, Place{0x2f8, 3}, Place{0x3e8, 4}, Place{0x2e8, 3}};

  static void addClass(object::ClassTable& classes);
  IsaSerial(const object::Class& type, const Services& services) : Device(type), services_(services) {}

  // Errors: no such chardev, or somebody uses it; the ports are taken.
  Task<Result<void>> complete() override;
  Task<void> retire() override;

 private:
  friend struct IsaSerialProperties;
  const Services& services_;
  std::string chardev_;
  std::uint32_t index_ = kUnset;
  std::uint32_t port_ = kUnset;
  std::uint32_t irq_ = kUnset;
  std::optional<IsaBus::Claim> claim_;
};

}  // namespace rhea::hw
