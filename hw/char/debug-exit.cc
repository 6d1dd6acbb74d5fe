#include "hw/char/debug-exit.h"

#include "emu/object/program-end.h"

namespace rhea::hw {

struct DebugExitProperties {
  static inline const object::Property kList[] = {
      object::field<&DebugExit::port_>("iobase", "1281", "its port"),
      object::field<&DebugExit::size_>("iosize", "2", "how many ports it has"),
  };
};

void DebugExit::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "isa-debug-exit";
  type.parent = "device";
  type.doc = "a port at which a guest ends the program, for tests";
  type.plugsInto = IsaBus::kKind;
  type.properties = DebugExitProperties::kList;
  type.make = [](const object::Class& made, const Services& services) -> std::unique_ptr<object::Object> {
    return std::make_unique<DebugExit>(made, services);
  };
  classes.add(std::move(type));
}

Task<Result<void>> DebugExit::complete() {
  RHEA_CO_TRY(IsaBus::Claim claimed, isaBusOf(*this).claim(label(), port_, size_, *this));
  claim_.emplace(std::move(claimed));
  co_return success();
}

Task<void> DebugExit::retire() {
  claim_.reset();
  co_await isaBusOf(*this).board().forgetLookups();
}

void DebugExit::write(std::uint64_t, std::uint64_t value, unsigned) {
  constexpr std::uint64_t kStatusBits = 0x7f;
  const int status = static_cast<int>((value & kStatusBits) << 1) | 1;
  auto& end = services_.get<object::ProgramEnd>();
  isaBusOf(*this).board().mainLoop().post([&end, status] { end.requestByGuest(status); });
}

}  // namespace rhea::hw
