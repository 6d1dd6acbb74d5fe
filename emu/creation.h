// Creation: makes what the options ask for, in the order in which one may refer to another: descriptors, chardevs,
// objects, block nodes, drives, monitors.
#pragma once

#include "block/core/graph.h"
#include "emu/base/log.h"
#include "emu/chardev/table.h"
#include "emu/io/fd-sets.h"
#include "emu/machine/pc.h"
#include "emu/net/net-table.h"
#include "emu/object/command-line.h"
#include "emu/object/tree.h"
#include "hw/core/device-tree.h"
#include "monitor/human/human-monitor.h"
#include "monitor/qmp/server.h"

namespace rhea {

class Creation {
 public:
  using Monitors = std::vector<std::unique_ptr<chardev::FrontEnd>>;

  Creation(const object::CommandLine& line, chardev::ChardevTable& chardevs) : line_(line), chardevs_(chardevs) {}

  // -add-fd.
  Result<void> descriptors(FdSets& sets);
  // -chardev. Sockets that a service manager opened are found by their names. `terminal` is false for a daemon, which
  // has no standard streams to talk over.
  Task<Result<void>> chardevs(bool terminal);
  // -object.
  Task<Result<void>> objects(object::ObjectTree& tree);
  // -blockdev, then -drive.
  Task<Result<void>> disks(block::BlockGraph& graph, Log& log);
  // -netdev, -nic, -net and the cards of the latter two.
  Task<Result<void>> networks(net::NetTable& networks, hw::DeviceTree& devices);
  // -device.
  Task<Result<void>> devices(hw::DeviceTree& tree);
  // -serial: one chardev per port, null for a port that is left out; -debugcon.
  Task<Result<machine::Pc::Serials>> serials();
  // -mon, -qmp, -qmp-pretty, -monitor, and the human monitor on the terminal where nothing else was asked for.
  Task<Result<void>> monitors(Monitors& to, monitor::QmpEnvironment& qmp, monitor::HumanEnvironment& human);
  // Names of a service manager's sockets that no option asked for.
  std::vector<std::string> unusedSockets() const;
  void wantDefaultMonitor() { defaultMonitor_ = true; }
  void wantDefaultSerial() { defaultSerial_ = true; }

 private:
  Task<Result<void>> oldNetworks(net::NetTable& networks, hw::DeviceTree& devices);
  static Task<Result<void>> makeCard(hw::DeviceTree& devices, std::string model, std::string netdev, std::string mac);
  Task<Result<chardev::Chardev*>> add(chardev::Options options);
  Task<Result<chardev::Chardev*>> shortForm(std::string text);

  const object::CommandLine& line_;
  chardev::ChardevTable& chardevs_;
  std::vector<std::pair<const object::Given*, std::string>> virtioDrives_;  // -drive if=virtio, by id
  bool terminal_ = true;
  bool defaultMonitor_ = false;
  bool defaultSerial_ = false;
  chardev::Chardev* terminalMux_ = nullptr;           // of the default port and the default monitor
  chardev::Chardev* debugConsole_ = nullptr;          // of -debugcon
  std::vector<chardev::Chardev*> serialMonitors_;     // -serial mon:...
  std::map<std::string, Fd, std::less<>> inherited_;  // by name, of LISTEN_FDS; not used yet
};

}  // namespace rhea
