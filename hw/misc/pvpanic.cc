#include "hw/misc/pvpanic.h"

namespace rhea::hw {

struct PvPanicProperties {
  static inline const object::Property kList[] = {
      object::field<&PvPanic::port_>("ioport", "1285", "its port"),
      object::field<&PvPanic::events_>("events", "3",
                                       "what the guest can tell: 1 a crash, 2 that it loads a crash kernel"),
  };
};

void PvPanic::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "pvpanic";
  type.parent = "device";
  type.doc = "a port at which the guest's kernel tells of its own crash";
  type.plugsInto = IsaBus::kKind;
  type.properties = PvPanicProperties::kList;
  type.make = [](const object::Class& made, const Services&) -> std::unique_ptr<object::Object> {
    return std::make_unique<PvPanic>(made);
  };
  classes.add(std::move(type));
}

Task<Result<void>> PvPanic::complete() {
  if (events_ > (kPanicked | kCrashLoaded))
    co_return Error(fmt::format("there are no events {:#x}", events_)).where("events").expected("0 to 3");
  RHEA_CO_TRY(IsaBus::Claim claimed, isaBusOf(*this).claim(label(), port_, 1, *this));
  claim_.emplace(std::move(claimed));
  co_return success();
}

Task<void> PvPanic::retire() {
  claim_.reset();
  co_await isaBusOf(*this).board().forgetLookups();
}

void PvPanic::write(std::uint64_t, std::uint64_t value, unsigned) {
  const std::uint64_t told = value & events_;
  Board& board = isaBusOf(*this).board();
  if ((told & kPanicked) != 0) {
    board.wish(Board::Wish::kPanicked, "its kernel says so (pvpanic)");
  } else if ((told & kCrashLoaded) != 0) {
    board.wish(Board::Wish::kCrashLoaded, "its kernel says so (pvpanic)");
  }
}

}  // namespace rhea::hw
