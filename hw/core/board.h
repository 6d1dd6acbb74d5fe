// Board: what a device may reach of the machine that it is part of. A service, provided by emu/machine for boards that
// have devices.
#pragma once

#include "emu/io/event-sink.h"
#include "emu/io/loop.h"
#include "emu/io/services.h"
#include "emu/mem/address-space.h"
#include "emu/object/run-state.h"
#include "emu/object/virtual-clock.h"
#include "hw/core/irq.h"

namespace rhea::hw {

class Board {
 public:
  virtual ~Board() = default;
  virtual Loop& mainLoop() = 0;
  virtual mem::AddressSpace& memory() = 0;
  virtual mem::AddressSpace& ports() = 0;
  virtual object::VirtualClock& clock() = 0;
  virtual MsiSink& msi() = 0;

  // The guest's wishes about the whole machine; from any thread, carried out on the main loop.
  enum class Wish : std::uint8_t { kReset, kPowerOff, kPanicked, kCrashLoaded };
  virtual void wish(Wish what, std::string_view why) = 0;

  // Awaits that every vCPU has let go of what it had looked up in the address spaces before: after a region was
  // unmapped, and before what it led to is destroyed.
  virtual Task<void> forgetLookups() = 0;
};

}  // namespace rhea::hw
