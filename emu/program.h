// Program: everything that one running rhea is made of, in the order in which the parts need one another.
#pragma once

#include "block/core/graph.h"
#include "block/job/job-table.h"
#include "emu/chardev/table.h"
#include "emu/daemon.h"
#include "emu/io/file-engine.h"
#include "emu/machine/chardev-objects.h"
#include "emu/machine/disks.h"
#include "emu/machine/ending.h"
#include "emu/machine/pc.h"
#include "emu/migrate/capabilities.h"
#include "emu/net/net-table.h"
#include "emu/object/command-line.h"
#include "emu/object/tree.h"
#include "emu/pid-file.h"
#include "emu/settings.h"
#include "hw/core/device-tree.h"
#include "monitor/dispatch/audit.h"
#include "monitor/human/human-monitor.h"
#include "monitor/qmp/server.h"

namespace rhea {

class Program {
 public:
  struct Given {
    Given(object::CommandLine& theLine, Settings theSettings, object::ClassTable& theClasses)
        : line(theLine), settings(std::move(theSettings)), classes(theClasses) {}
    object::CommandLine& line;
    Settings settings;
    object::ClassTable& classes;
    std::optional<Daemon> daemon;
  };

  static Result<std::unique_ptr<Program>> create(Given given, Log& log);
  ~Program();

  // Makes what the options ask for, serves until the end is asked for, and gives the exit status. Where something hangs
  // at the end, this ends the process itself.
  Result<int> run();

 private:
  Program(Given given, Log& log, std::unique_ptr<WorkerPool> workers, std::unique_ptr<Loop> loop);

  void provideServices();
  void watchSignals();
  Task<void> start();
  Task<Result<void>> makeEverything();
  Task<void> endWhenAsked();
  Task<bool> closeEverything();
  // Ends the process without waiting for anything that may hang.
  [[noreturn]] void leave(int status);

  Given given_;
  Log& log_;
  cpu::TraceLog trace_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<Loop> loop_;
  Services services_;
  monitor::EventHub events_;
  FdSets fdSets_;
  DefaultFileEngine fileEngine_;
  object::ObjectTree tree_;
  machine::ChardevObjects chardevObjects_;
  object::RunState runState_;
  net::NetTable networks_;
  hw::DeviceTree devices_;
  migrate::MigrationCapabilities migration_;
  machine::Disks disks_;
  machine::Ending ending_;
  block::DriverRegistry drivers_;
  std::unique_ptr<block::GraphObserver> graphEvents_;
  std::unique_ptr<block::BlockGraph> graph_;
  block::JobTable jobs_;
  std::unique_ptr<chardev::ChardevTable> chardevs_;
  monitor::Clients clients_;
  monitor::Dispatcher dispatcher_;
  std::unique_ptr<monitor::AuditLog> audit_;
  monitor::QmpEnvironment qmp_;
  monitor::HumanEnvironment human_;
  std::vector<std::unique_ptr<chardev::FrontEnd>> monitors_;
  std::unique_ptr<machine::Pc> pc_;
  std::optional<PidFile> pidFile_;
  std::vector<std::unique_ptr<Loop::Watch>> signals_;

  bool started_ = false;
  CancelSource notStarted_;  // start-up failed: nobody will be asked to end
  std::optional<Result<int>> outcome_;
};

}  // namespace rhea
