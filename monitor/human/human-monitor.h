// HumanMonitor: a human monitor on a chardev: a terminal, a pty, a socket. Every client gets a console of its own.
#pragma once

#include "emu/base/log.h"
#include "emu/chardev/chardev.h"
#include "monitor/dispatch/clients.h"
#include "monitor/dispatch/dispatcher.h"

namespace rhea::monitor {

// What human monitors need of the program.
struct HumanEnvironment {
  HumanEnvironment(Dispatcher& theDispatcher, Clients& theClients) : dispatcher(theDispatcher), clients(theClients) {}
  Dispatcher& dispatcher;
  Clients& clients;
  std::string greeting;     // one line, printed to every client
  std::string historyFile;  // for the one console with line editing; empty keeps none
  bool noColor = false;
  Log* log = nullptr;  // shown above the line that is typed where it goes to the same terminal
};

class HumanSession;

class HumanMonitor final : public chardev::FrontEnd {
 public:
  struct Settings {
    std::string id;  // "hmp0", as -mon id= or made up
    chardev::Role role = chardev::Role::kFull;
  };

  // Serves `chardev` until destruction. Error: the chardev is in use.
  static Result<std::unique_ptr<HumanMonitor>> create(HumanEnvironment& environment, chardev::Chardev& chardev,
                                                      Settings settings);
  ~HumanMonitor() override;

  std::string description() const override { return fmt::format("monitor '{}'", settings_.id); }
  bool servesMany() const override { return true; }
  void opened(std::shared_ptr<chardev::Stream> stream) override;

 private:
  HumanMonitor(HumanEnvironment& environment, chardev::Chardev& chardev, Settings settings)
      : environment_(environment), chardev_(chardev), settings_(std::move(settings)) {}

  HumanEnvironment& environment_;
  chardev::Chardev& chardev_;
  Settings settings_;
  std::uint64_t clients_ = 0;
  std::map<std::uint64_t, std::shared_ptr<HumanSession>> sessions_;
};

}  // namespace rhea::monitor
