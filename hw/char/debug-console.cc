#include "hw/char/debug-console.h"

#include "emu/chardev/table.h"

namespace rhea::hw {

struct DebugConsoleProperties {
  static inline const object::Property kList[] = {
      object::field<&DebugConsole::chardevId_>("chardev", "", "the character device that gets the messages"),
      object::field<&DebugConsole::port_>("iobase", "233", "its port"),
      object::field<&DebugConsole::readBack_>("readback", "233", "what reading it gives"),
  };
};

void DebugConsole::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "isa-debugcon";
  type.parent = "device";
  type.doc = "a port to which a guest's early code writes its messages";
  type.plugsInto = IsaBus::kKind;
  type.properties = DebugConsoleProperties::kList;
  type.make = [](const object::Class& made, const Services& services) -> std::unique_ptr<object::Object> {
    return std::make_unique<DebugConsole>(made, services);
  };
  classes.add(std::move(type));
}

DebugConsole::~DebugConsole() {
  *alive_ = false;
  if (stream_) stream_->receive(nullptr);
  if (chardev_ != nullptr) chardev_->detach(*this);
}

Task<Result<void>> DebugConsole::complete() {
  IsaBus& bus = isaBusOf(*this);
  main_ = &bus.board().mainLoop();
  if (chardevId_.empty()) {
    co_return Error("'chardev' is missing: the messages have to go somewhere").where("chardev");
  }
  RHEA_CO_TRY(chardev::Chardev * found, services_.get<chardev::ChardevTable>().find(chardevId_));
  RHEA_CO_TRY(IsaBus::Claim claimed, bus.claim(label(), port_, 1, *this));
  RHEA_CO_CHECK(found->attach(*this));
  chardev_ = found;
  claim_.emplace(std::move(claimed));
  co_return success();
}

Task<void> DebugConsole::retire() {
  claim_.reset();
  co_await isaBusOf(*this).board().forgetLookups();
}

void DebugConsole::write(std::uint64_t, std::uint64_t value, unsigned) {
  const std::scoped_lock lock(mutex_);
  if (queued_.size() >= kMostQueued) return;
  queued_ += static_cast<char>(value);
  if (std::exchange(mainTold_, true)) return;
  main_->post([this, alive = alive_] {
    if (*alive) send();
  });
}

void DebugConsole::opened(std::shared_ptr<chardev::Stream> stream) {
  stream_ = std::move(stream);
  stream_->receive(this);
  send();
}

void DebugConsole::send() {
  std::string bytes;
  {
    const std::scoped_lock lock(mutex_);
    mainTold_ = false;
    if (stream_ && stream_->pending() < kMostQueued) bytes.swap(queued_);
  }
  if (!bytes.empty()) stream_->write(bytes);
}

}  // namespace rhea::hw
