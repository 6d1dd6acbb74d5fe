// HumanMonitor: a human monitor on a chardev: a terminal, a pty, a socket.
#pragma once

#include "emu/base/log.h"
#include "monitor/dispatch/clients.h"
#include "monitor/dispatch/dispatcher.h"
#include "monitor/dispatch/monitor-server.h"

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

class HumanMonitor final : public MonitorServer {
 public:
  struct Settings {
    std::string id;  // "hmp0", as -mon id= or made up
    chardev::Role role = chardev::Role::kFull;
  };

  // Serves `chardev` until destruction. Error: the chardev is in use.
  static Result<std::unique_ptr<HumanMonitor>> create(HumanEnvironment& environment, chardev::Chardev& chardev,
                                                      const Settings& settings);

 private:
  HumanMonitor(HumanEnvironment& environment, chardev::Chardev& chardev, const Settings& settings)
      : MonitorServer(chardev, settings.id, settings.role), environment_(environment) {}
  std::shared_ptr<Conversation> talkWith(Client client) override;

  HumanEnvironment& environment_;
};

}  // namespace rhea::monitor
