// Device: an object that is part of the guest's hardware: it is reset, saved and loaded with the machine.
//
// Objects live on the main loop; registers are touched on vCPUs' threads, timers fire on the clock's: a device guards
// its registers with a lock of its own, never held while it waits, or while it calls what may call it back.
#pragma once

#include "emu/migrate/state.h"
#include "emu/object/object.h"

namespace rhea::hw {

class Bus;

class Device : public object::Object {
 public:
  using Object::Object;

  // Where it is plugged in, from before complete() on; null for what is part of the board itself.
  Bus* bus() const { return bus_; }
  // Its place on that bus, "03.0"; empty where the bus has no addresses.
  virtual std::string address() const { return {}; }
  // The id that its user gave, else empty.
  const std::string& id() const { return id_; }
  // Its path, known before it is in the tree.
  std::string devicePath() const { return path_.empty() ? path() : path_; }
  // As messages name it: "device 'disk0'" or "device '/machine/peripheral-anon/device[0]'".
  std::string label() const;

  // Back to the state after power on. On the main loop, vCPUs stopped; completes only when requests under way have.
  virtual Task<void> reset() { co_return; }

  // Completes when the device has done what the guest has asked for so far, as far as that does not wait for the
  // outside. On the main loop.
  virtual Task<void> finishAsked() { co_return; }

  // The state that a guest could tell, without what properties gave. Machine stopped, no request under way.
  virtual void save(migrate::StateWriter& to) const;
  // Checks everything that it reads; on an error the device is to be reset before it runs.
  virtual Result<void> load(migrate::StateReader& from);

  // Whether save() covers the devices below it, too.
  virtual bool savesChildren() const { return false; }

  // Before complete(): by those who make devices, see device-tree.h.
  void setPlace(Bus* bus, std::string id, std::string path);

 private:
  Bus* bus_ = nullptr;
  std::string id_;
  std::string path_;
};

// The state of `top` and every device below it, a section for each, named after its path; and back. Error: a device
// that is not in both, by its path, or a state that does not fit.
void saveDevices(const object::Object& top, migrate::StateWriter& to);
Result<void> loadDevices(object::Object& top, migrate::StateReader& from);

// Device::finishAsked() of `top` and every device below it.
Task<void> finishAsked(object::Object& top);
// Resets `top` and every device below it, those above first.
Task<void> resetDevices(object::Object& top);

}  // namespace rhea::hw
