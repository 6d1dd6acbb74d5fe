#include "monitor/qmp/server.h"

namespace rhea::monitor {

Result<std::unique_ptr<QmpServer>> QmpServer::create(QmpEnvironment& environment, chardev::Chardev& chardev,
                                                     Settings settings) {
  std::unique_ptr<QmpServer> server(new QmpServer(environment, chardev, settings));
  RHEA_CHECK(server->serve());
  return server;
}

std::shared_ptr<Conversation> QmpServer::talkWith(Client client) {
  Session::Settings settings;
  settings.id = std::move(client.id);
  settings.pretty = pretty_;
  settings.mayChange = client.mayChange;
  return std::make_shared<Session>(environment_, std::move(settings), std::move(client.stream), std::move(client.gone));
}

}  // namespace rhea::monitor
