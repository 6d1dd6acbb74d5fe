// QmpServer: a QMP monitor on a chardev.
#pragma once

#include "emu/base/base.h"
#include "monitor/dispatch/monitor-server.h"
#include "monitor/qmp/session.h"

namespace rhea::monitor {

class QmpServer final : public MonitorServer {
 public:
  struct Settings {
    std::string id;       // "qmp0", as -mon id= or made up
    bool pretty = false;  // -qmp-pretty
    chardev::Role role = chardev::Role::kFull;
  };

  // Serves `chardev` until destruction. Error: the chardev is in use.
  static Result<std::unique_ptr<QmpServer>> create(QmpEnvironment& environment, chardev::Chardev& chardev,
                                                   Settings settings);

 private:
  QmpServer(QmpEnvironment& environment, chardev::Chardev& chardev, const Settings& settings)
      : MonitorServer(chardev, settings.id, settings.role), environment_(environment), pretty_(settings.pretty) {}
  std::shared_ptr<Conversation> talkWith(Client client) override;

  QmpEnvironment& environment_;
  bool pretty_;
};

}  // namespace rhea::monitor
