// A front end that writes down what happens, for the tests of chardevs.
#pragma once

#include "emu/chardev/chardev.h"

namespace rhea::chardev::test {

class Probe final : public FrontEnd {
 public:
  struct Conversation final : Receiver {
    explicit Conversation(std::shared_ptr<Stream> from) : stream(std::move(from)) { stream->receive(this); }
    ~Conversation() override { stream->receive(nullptr); }
    void received(std::string_view bytes, std::vector<Fd> came) override {
      input += bytes;
      for (Fd& fd : came) fds.push_back(std::move(fd));
      if (echo) stream->write(bytes);
    }
    void drained() override { ++drains; }
    void breakReceived() override { ++breaks; }
    void focused(bool mine) override { focus = mine; }
    void closed() override { ended = true; }

    std::shared_ptr<Stream> stream;
    std::string input;
    std::vector<Fd> fds;
    bool echo = false;
    bool ended = false;
    bool focus = false;
    int drains = 0;
    int breaks = 0;
  };

  explicit Probe(bool many = false) : many_(many) {}
  std::string description() const override { return "the test"; }
  bool servesMany() const override { return many_; }
  void opened(std::shared_ptr<Stream> stream) override {
    conversations.push_back(std::make_unique<Conversation>(std::move(stream)));
    conversations.back()->echo = echo;
    ++count;
    if (forgetful) std::erase_if(conversations, [](const auto& one) { return one->ended; });
  }
  Conversation& last() { return *conversations.back(); }

  std::vector<std::unique_ptr<Conversation>> conversations;
  bool echo = false;
  bool forgetful = false;  // ended conversations are dropped
  int count = 0;

 private:
  bool many_;
};

}  // namespace rhea::chardev::test
