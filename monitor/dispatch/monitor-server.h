// MonitorServer: a monitor on a chardev, whatever language it speaks: every client gets a conversation of its own.
#pragma once

#include "emu/chardev/chardev.h"

namespace rhea::monitor {

class Conversation {
 public:
  virtual ~Conversation() = default;
  // Greets the client and begins to read.
  virtual void start() = 0;
  virtual void close() = 0;
};

class MonitorServer : public chardev::FrontEnd {
 public:
  // Ends the conversations.
  ~MonitorServer() override;

  std::string description() const override { return fmt::format("monitor '{}'", id_); }
  bool servesMany() const override { return true; }
  void opened(std::shared_ptr<chardev::Stream> stream) override;

 protected:
  // What a conversation is made of.
  struct Client {
    std::string id;  // "qmp0#3": the monitor and a running number
    bool mayChange;
    std::shared_ptr<chardev::Stream> stream;
    std::function<void()> gone;  // to be called once, last
  };

  // Clients of a read-only chardev may only read, whatever `role` says.
  MonitorServer(chardev::Chardev& chardev, std::string id, chardev::Role role)
      : chardev_(chardev), id_(std::move(id)), role_(role) {}
  // Serves the chardev from now on. Error: it is in use.
  Result<void> serve() { return chardev_.attach(*this); }
  virtual std::shared_ptr<Conversation> talkWith(Client client) = 0;

 private:
  chardev::Chardev& chardev_;
  std::string id_;
  chardev::Role role_;
  std::uint64_t clients_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Conversation>> conversations_;
};

}  // namespace rhea::monitor
