// Device: an object that is part of the guest's hardware: it is reset, saved and loaded with the machine.
//
// Objects live on the main loop; registers are touched on vCPUs' threads, timers fire on the clock's: a device guards
// its registers with a lock of its own, never held while it waits, or while it calls what may call it back.
#pragma once

#include "emu/migrate/state.h"
#include "emu/object/object.h"

namespace rhea::hw {

class Device : public object::Object {
 public:
  using Object::Object;

  // Back to the state after power on. On the main loop, vCPUs stopped; completes only when requests under way have.
  virtual Task<void> reset() { co_return; }

  // The state that a guest could tell, without what properties gave. Machine stopped, no request under way.
  virtual void save(migrate::StateWriter& to) const;
  // Checks everything that it reads; on an error the device is to be reset before it runs.
  virtual Result<void> load(migrate::StateReader& from);
};

}  // namespace rhea::hw
