#include "hw/isa/isa-bus.h"

namespace rhea::hw {

void IsaBus::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "ISA";
  type.parent = "bus";
  type.doc = "ports and interrupt lines at fixed places";
  classes.add(std::move(type));
}

Result<IrqLine> IsaBus::line(std::uint32_t number) const {
  if (number < kLines) return IrqLine(lines_, number);
  return Error(fmt::format("an ISA bus has no interrupt line {}", number)).expected(fmt::format("0 to {}", kLines - 1));
}

Result<void> IsaBus::plug(Device& device, bool running) {
  if (running) {
    return Error(fmt::format("nothing can be plugged into bus '{}' while the machine runs", name()))
        .hint("give the device as -device");
  }
  return Bus::plug(device, running);
}

IsaBus::Claim::~Claim() {
  if (bus_ != nullptr) std::erase_if(bus_->taken_, [this](const Taken& one) { return one.id == id_; });
}

bool IsaBus::isTaken(std::uint64_t port) const {
  return std::ranges::any_of(taken_, [port](const Taken& one) { return one.first <= port && port <= one.last; });
}

Result<IsaBus::Claim> IsaBus::claim(std::string owner, std::uint64_t first, std::uint64_t size,
                                    mem::IoHandler& handler) {
  constexpr std::uint64_t kPorts = 0x10000;
  if (size == 0 || first >= kPorts || size > kPorts - first) {
    return Error(fmt::format("{} ports from {:#x} on are not within the port space", size, first))
        .expected("0 to 0xffff");
  }
  const std::uint64_t last = first + size - 1;
  for (const Taken& one : taken_) {
    if (one.first > last || first > one.last) continue;
    return Error(fmt::format("ports {:#x} to {:#x} are taken by {}, which has {:#x} to {:#x}", first, last, one.owner,
                             one.first, one.last));
  }
  taken_.push_back({nextId_, first, last, owner});
  return Claim(*this, nextId_++,
               board_.ports().map(mem::AddressSpace::Region(std::move(owner), first, size, mem::Target::io(handler))));
}

}  // namespace rhea::hw
