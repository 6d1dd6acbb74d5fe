#include "monitor/dispatch/clients.h"

namespace rhea::monitor {

Result<void> Client::negotiate(bool /*oob*/) {
  return Error(ErrorClass::kCommandNotFound, "there is nothing to negotiate on this monitor");
}

Result<void> Client::subscribe(std::optional<std::vector<std::string>> /*names*/) {
  return Error("events are told to QMP clients only").hint("connect to a QMP monitor and subscribe there");
}

Client* Clients::find(const Peer& peer) const {
  const auto found = std::ranges::find_if(clients_, [&](const Client* one) { return one->id() == peer.session; });
  return found == clients_.end() ? nullptr : *found;
}

std::string describe(const chardev::Credentials& credentials) {
  if (credentials.pid == 0) return {};
  if (credentials.program.empty()) return fmt::format("pid {} uid {}", credentials.pid, credentials.uid);
  return fmt::format("pid {} ({}) uid {}", credentials.pid, credentials.program, credentials.uid);
}

}  // namespace rhea::monitor
