#include "monitor/qmp/server.h"

namespace rhea::monitor {

Result<std::unique_ptr<QmpServer>> QmpServer::create(QmpEnvironment& environment, chardev::Chardev& chardev,
                                                     Settings settings) {
  if (chardev.role() == chardev::Role::kReadOnly) settings.role = chardev::Role::kReadOnly;
  std::unique_ptr<QmpServer> server(new QmpServer(environment, chardev, std::move(settings)));
  RHEA_CHECK(chardev.attach(*server));
  return server;
}

QmpServer::~QmpServer() {
  chardev_.detach(*this);
  // What the chardev left open (the terminal, a connection made by us) ends with the monitor.
  for (auto sessions = std::exchange(sessions_, {}); auto& [number, session] : sessions) session->close();
}

void QmpServer::opened(std::shared_ptr<chardev::Stream> stream) {
  const std::uint64_t number = ++clients_;
  Session::Settings settings;
  settings.id = fmt::format("{}#{}", settings_.id, number);
  settings.pretty = settings_.pretty;
  settings.mayChange = settings_.role == chardev::Role::kFull;
  auto session = std::make_shared<Session>(environment_, std::move(settings), std::move(stream),
                                           [this, number] { sessions_.erase(number); });
  sessions_.emplace(number, session);
  session->start();
}

}  // namespace rhea::monitor
