// Stream: one open conversation of a chardev: a client of a socket, the terminal, the reader of a pty.
//
// Bytes in are pushed to a Receiver; bytes out are queued and leave in one write at the end of the loop's round, so
// that a batch of replies costs one system call. Nothing here waits: who writes without end watches pending() and goes
// on at drained(). Everything happens on the loop of the chardev table.
#pragma once

#include "emu/base/base.h"
#include "emu/io/fd.h"

namespace rhea::chardev {

// The process at the other end, where the kernel tells (SO_PEERCRED).
struct Credentials {
  std::int64_t pid = 0;  // 0: unknown
  std::uint32_t uid = 0;
  std::string program;  // its name in ps, empty where unknown
};

class Receiver {
 public:
  virtual ~Receiver() = default;
  // Bytes that came, and the descriptors that came with them (SCM_RIGHTS), oldest first. The receiver consumes both:
  // bytes are valid during the call only, descriptors left behind are closed.
  virtual void received(std::string_view bytes, std::vector<Fd> fds) = 0;
  // Output that had to wait has left, up to kLowWater bytes.
  virtual void drained() {}
  // The other side will send no more, but may still read. True: the conversation stays open for answers, and the
  // receiver ends it by close().
  virtual bool inputEnded() { return false; }
  // The other side sent a break (serial lines, Ctrl-A b on a mux).
  virtual void breakReceived() {}
  // The mux gave this stream the keyboard, or took it away.
  virtual void focused(bool /*mine*/) {}
  // The conversation is over; last call. Also after close().
  virtual void closed() = 0;
};

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  static constexpr std::size_t kLowWater = std::size_t{64} << 10;

  explicit Stream(std::string address) : address_(std::move(address)) {}
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Where it is connected, for people: "unix:/run/vm.sock", "tcp:127.0.0.1:4444 <- 127.0.0.1:40112", "stdio".
  const std::string& address() const { return address_; }
  const Credentials& credentials() const { return credentials_; }

  // Starts the flow to `receiver`, which lives until closed() or until this is called with null.
  virtual void receive(Receiver* receiver) = 0;
  // Queues all of it. After the end of the conversation it is dropped.
  virtual void write(std::string_view bytes) = 0;
  // Bytes queued and not yet taken by the host.
  virtual std::size_t pending() const = 0;
  // While paused nothing is read: the other side meets a full socket.
  virtual void pause(bool paused) = 0;
  // Ends the conversation; what is queued is still offered to the host once.
  virtual void close() = 0;
  // Ends it when all that is queued has left.
  virtual void finish() { close(); }
  virtual bool isOpen() const = 0;
  // Whether descriptors can come with bytes.
  virtual bool passesFds() const { return false; }
  // The descriptor of a terminal, for its size and attributes; -1 where this is none.
  virtual int terminal() const { return -1; }
  // Keys one by one and without echo, or lines as the host edits them (the state at start). Nothing on other streams.
  virtual void setRaw(bool /*raw*/) {}

 protected:
  void setCredentials(Credentials credentials) { credentials_ = std::move(credentials); }

 private:
  std::string address_;
  Credentials credentials_;
};

}  // namespace rhea::chardev
