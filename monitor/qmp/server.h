// QmpServer: a QMP monitor on a chardev. Every client gets a session of its own.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/chardev.h"
#include "monitor/qmp/session.h"

namespace rhea::monitor {

class QmpServer final : public chardev::FrontEnd {
 public:
  struct Settings {
    std::string id;       // "qmp0", as -mon id= or made up
    bool pretty = false;  // -qmp-pretty
    chardev::Role role = chardev::Role::kFull;
  };

  // Serves `chardev` until destruction; clients of a read-only chardev may only read, whatever `settings` say. Error:
  // the chardev is in use.
  static Result<std::unique_ptr<QmpServer>> create(QmpEnvironment& environment, chardev::Chardev& chardev,
                                                   Settings settings);
  ~QmpServer() override;

  std::string description() const override { return fmt::format("monitor '{}'", settings_.id); }
  bool servesMany() const override { return true; }
  void opened(std::shared_ptr<chardev::Stream> stream) override;

  const Settings& settings() const { return settings_; }

 private:
  QmpServer(QmpEnvironment& environment, chardev::Chardev& chardev, Settings settings)
      : environment_(environment), chardev_(chardev), settings_(std::move(settings)) {}

  QmpEnvironment& environment_;
  chardev::Chardev& chardev_;
  Settings settings_;
  std::uint64_t clients_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Session>> sessions_;
};

}  // namespace rhea::monitor
