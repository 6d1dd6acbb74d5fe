// Bus: what devices are plugged into: who may, where, and how they come out again.
//
// A bus is an object below the device that has it, and carries the name by which bus= finds it. All of it belongs to
// the main loop.
#pragma once

#include "hw/core/device.h"

namespace rhea::hw {

// Who acts when the guest has let go of a device.
class Unplugger {
 public:
  virtual ~Unplugger() = default;
  // From any thread; the device is unplugged, retired and destroyed on the main loop, and its users are told.
  virtual void unplugSoon(Device& device) = 0;
};

class Bus : public object::Object {
 public:
  Bus(const object::Class& type, Device* owner) : Object(type), owner_(owner) {}

  // What plugs in here: device classes say it in Class::plugsInto: "PCI", "ISA".
  virtual std::string_view kind() const = 0;
  // The device that has the bus; null: the board.
  Device* owner() const { return owner_; }
  const std::vector<Device*>& devices() const { return devices_; }
  virtual bool isFull() const { return false; }

  // The device takes its place, the one that it asked for or a free one; it is not complete yet, and the guest does not
  // see it. `running`: the machine has begun to run. Errors: the place is taken (by whom) or there is no such place, no
  // place is free, nothing can be plugged in while the machine runs.
  virtual Result<void> plug(Device& device, bool running);
  // The device is complete: the guest sees it from now on, and is told when `running`.
  virtual void show(Device& /*device*/, bool /*running*/) {}
  // The user wants it out: asks the guest, who may take long or never let go; then Unplugger::unplugSoon() is called.
  // Error: what is in this bus stays there while the machine runs.
  virtual Result<void> requestUnplug(Device& device, Unplugger& unplugger);
  // Out of the guest's sight and reach; the address is free.
  virtual void unplug(Device& device);

 private:
  Device* owner_;
  std::vector<Device*> devices_;
};

}  // namespace rhea::hw
