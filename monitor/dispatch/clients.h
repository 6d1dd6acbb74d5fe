// Clients: who is connected to the monitors of this program, QMP and human, for query-monitors and for the commands
// that concern the asking client itself. A service; belongs to the main loop.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/stream.h"
#include "emu/io/command-context.h"
#include "emu/io/loop.h"

namespace rhea::monitor {

class Client {
 public:
  struct Info {
    std::string id;  // "qmp0#3"
    bool human = false;
    bool mayChange = true;
    std::string address;
    std::string who;  // empty where the kernel does not tell
    std::uint64_t commands = 0;
    std::uint64_t eventsQueued = 0;
    std::uint64_t eventsDropped = 0;
    bool oob = false;
    TimePoint since;
  };

  virtual ~Client() = default;
  virtual const std::string& id() const = 0;
  virtual Info info() const = 0;
  // qmp_capabilities. Errors: negotiated already; a capability that is not offered; not a QMP client.
  virtual Result<void> negotiate(bool oob);
  // Which events it hears from now on; null: all. Error: not a QMP client.
  virtual Result<void> subscribe(std::optional<std::vector<std::string>> names);
};

class Clients {
 public:
  void add(Client& client) { clients_.push_back(&client); }
  void remove(Client& client) { std::erase(clients_, &client); }
  const std::vector<Client*>& all() const { return clients_; }
  // The one on whose behalf a command runs; null when it has gone, or for commands of the start-up.
  Client* find(const Peer& peer) const;

 private:
  std::vector<Client*> clients_;
};

// What logs and the audit log say of the process at the other end: "pid 4711 (virsh) uid 0"; empty where unknown.
std::string describe(const chardev::Credentials& credentials);

}  // namespace rhea::monitor
