// Relay: a stream on top of another one, for what copies or changes the bytes on their way (a log, telnet).
#pragma once

#include "emu/chardev/stream.h"

namespace rhea::chardev {

class Relay : public Stream, protected Receiver {
 public:
  explicit Relay(std::shared_ptr<Stream> below) : Stream(below->address()), below_(std::move(below)) {
    setCredentials(below_->credentials());
  }
  ~Relay() override {
    if (receiver_ != nullptr) below_->receive(nullptr);
  }

  void receive(Receiver* receiver) override {
    receiver_ = receiver;
    below_->receive(receiver == nullptr ? nullptr : this);
  }
  void write(std::string_view bytes) override { below_->write(bytes); }
  std::size_t pending() const override { return below_->pending(); }
  void pause(bool paused) override { below_->pause(paused); }
  void close() override { below_->close(); }
  void finish() override { below_->finish(); }
  bool isOpen() const override { return below_->isOpen(); }
  bool passesFds() const override { return below_->passesFds(); }
  int terminal() const override { return below_->terminal(); }
  void setRaw(bool raw) override { below_->setRaw(raw); }

 protected:
  Stream& below() const { return *below_; }
  // Null once the conversation is over or nobody listens.
  Receiver* receiver() const { return receiver_; }

  void received(std::string_view bytes, std::vector<Fd> fds) override {
    if (receiver_ != nullptr) receiver_->received(bytes, std::move(fds));
  }
  void drained() override {
    if (receiver_ != nullptr) receiver_->drained();
  }
  bool inputEnded() override { return receiver_ != nullptr && receiver_->inputEnded(); }
  void breakReceived() override {
    if (receiver_ != nullptr) receiver_->breakReceived();
  }
  void focused(bool mine) override {
    if (receiver_ != nullptr) receiver_->focused(mine);
  }
  void closed() override {
    const std::shared_ptr<Stream> self = shared_from_this();
    if (Receiver* receiver = std::exchange(receiver_, nullptr)) receiver->closed();
  }

 private:
  std::shared_ptr<Stream> below_;
  Receiver* receiver_ = nullptr;
};

}  // namespace rhea::chardev
