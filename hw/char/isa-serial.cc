#include "hw/char/isa-serial.h"

#include "emu/chardev/table.h"
#include "emu/object/tree.h"

namespace rhea::hw {

struct IsaSerialProperties {
  static constexpr std::string_view kUnset = "4294967295";
  static inline const object::Property kList[] = {
      object::field<&IsaSerial::chardev_>("chardev", "", "the character device that is its line"),
      object::field<&IsaSerial::index_>("index", kUnset,
                                        "which of the four usual places; the first free one when left out"),
      object::field<&IsaSerial::port_>("iobase", kUnset, "its first port, instead of the usual one"),
      object::field<&IsaSerial::irq_>("irq", kUnset, "its interrupt line, instead of the usual one"),
  };
};

void IsaSerial::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "isa-serial";
  type.parent = "device";
  type.doc = "a serial port (16550A)";
  type.plugsInto = IsaBus::kKind;
  type.properties = IsaSerialProperties::kList;
  type.make = [](const object::Class& made, const Services& services) -> std::unique_ptr<object::Object> {
    return std::make_unique<IsaSerial>(made, services);
  };
  classes.add(std::move(type));
}

Task<Result<void>> IsaSerial::complete() {
  IsaBus& bus = isaBusOf(*this);
  if (index_ == kUnset && port_ == kUnset) {
    index_ = 0;
    while (index_ + 1 < kPlaces.size() && bus.isTaken(kPlaces[index_].port)) ++index_;
  }
  if (index_ != kUnset && index_ >= kPlaces.size()) {
    co_return Error(fmt::format("there is no usual place {} for a serial port", index_))
        .where("index")
        .expected("0 to 3");
  }
  const Place place = kPlaces[index_ == kUnset ? 0 : index_];
  if (port_ == kUnset) port_ = place.port;
  if (irq_ == kUnset) irq_ = place.irq;
  RHEA_CO_TRY(const IrqLine line, bus.line(irq_));
  auto uart = std::make_unique<Uart>(*services_.get<object::ObjectTree>().classes().find("serial"),
                                     bus.board().mainLoop(), line, label());
  if (!chardev_.empty()) {
    RHEA_CO_TRY(chardev::Chardev * chardev, services_.get<chardev::ChardevTable>().find(chardev_));
    RHEA_CO_CHECK(uart->attach(*chardev));
  }
  RHEA_CO_TRY(IsaBus::Claim claimed, bus.claim(label(), port_, Uart::kPorts, *uart));
  claim_.emplace(std::move(claimed));
  adopt("uart", std::move(uart));
  co_return success();
}

Task<void> IsaSerial::retire() {
  claim_.reset();
  co_await isaBusOf(*this).board().forgetLookups();
}

}  // namespace rhea::hw
