// DeviceTree: the devices that users plug in and take out: -device, device_add, device_del.
//
//   /machine/peripheral/ID                 those with an id
//   /machine/peripheral-anon/device[N]     those without
//
// Belongs to the main loop.
#pragma once

#include "emu/io/event-sink.h"
#include "emu/io/sync.h"
#include "emu/object/tree.h"
#include "hw/core/board.h"
#include "hw/core/bus.h"

namespace rhea::hw {

class DeviceTree final : public Unplugger {
 public:
  // `main` is the loop that all this belongs to.
  DeviceTree(object::ObjectTree& tree, const Services& services, Loop& main, EventSink& events);
  ~DeviceTree() override;

  // `options`: driver, id, bus and the properties of the class, as -device and device_add have them. Errors: no such
  // class, property or bus (with the nearest names), an id or an address that is taken, what the device says; then
  // nothing is left of it.
  Task<Result<Device*>> add(json::Value options, json::Spelling spelling);
  // device_del: asks the guest to let go of a device, given by id or path; DEVICE_DELETED tells when it has. Errors: no
  // such device, it is not one that a user plugged in, it cannot be taken out.
  Result<void> requestRemoval(std::string_view idOrPath);
  // Retires all of them, the last one first; the machine does not run any more. Error: the token's reason; requests
  // that hang are still waited for, so nothing of the machine may be destroyed.
  Task<Result<void>> removeAll(CancelToken giveUp);

  // From now on devices are plugged into a machine that runs.
  void machineStarts() { running_ = true; }
  bool isRunning() const { return running_; }

  // Null: there is none of that name.
  Bus* findBus(std::string_view name) const;
  std::vector<Bus*> buses() const;
  // By id or path.
  Result<Device*> find(std::string_view idOrPath) const;
  // Every device below /machine that is in a bus or is the board's own.
  std::vector<Device*> devices() const;

  // The classes that -device can make, sorted.
  static std::vector<const object::Class*> creatable(const object::ClassTable& classes);
  // By name or alias. Error: with the nearest names.
  static Result<const object::Class*> classOf(const object::ClassTable& classes, std::string_view name);
  // The kind of bus that a class plugs into; empty: none.
  static std::string_view busKind(const object::ClassTable& classes, const object::Class& type);

  void unplugSoon(Device& device) override;

 private:
  Result<Bus*> chooseBus(std::string_view kind, std::optional<std::string> name, std::string_view typeName) const;
  Result<std::string> placeFor(const std::string& id, object::Object*& parent);
  Task<void> remove(Device& device, bool tell);
  Task<void> removeByPath(std::string path);
  Task<void> forgetLookups();
  Task<void> doRemoveAll(std::shared_ptr<Event> done);

  object::ObjectTree& tree_;
  const Services& services_;
  Loop& main_;
  EventSink& events_;
  bool running_ = false;
  std::uint64_t anonymous_ = 0;
  std::vector<std::string> beingMade_;  // paths that an add() in progress has taken
  std::vector<Device*> leaving_;        // being removed
  TaskGroup removals_;
};

}  // namespace rhea::hw
