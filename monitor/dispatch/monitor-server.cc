#include "monitor/dispatch/monitor-server.h"

namespace rhea::monitor {

MonitorServer::~MonitorServer() {
  chardev_.detach(*this);
  // What the chardev left open (the terminal, a connection made by us) ends with the monitor.
  const auto open = std::exchange(conversations_, {});
  for (const auto& [number, conversation] : open) conversation->close();
}

void MonitorServer::opened(std::shared_ptr<chardev::Stream> stream) {
  const std::uint64_t number = ++clients_;
  const bool mayChange = role_ == chardev::Role::kFull && chardev_.role() == chardev::Role::kFull;
  const auto conversation = talkWith({fmt::format("{}#{}", id_, number), mayChange, std::move(stream),
                                      [this, number] { conversations_.erase(number); }});
  conversations_.emplace(number, conversation);
  conversation->start();
}

}  // namespace rhea::monitor
