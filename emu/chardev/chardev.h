// Chardev: a named byte channel between something outside (a socket, a terminal, a file) and one front end inside (a
// monitor, a serial port). The back end can be changed under a front end that stays.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/options.h"
#include "emu/chardev/stream.h"
#include "emu/io/cancel.h"
#include "emu/io/loop.h"
#include "emu/io/task.h"

namespace rhea::chardev {

class RingBuffer;

// Who uses a chardev.
class FrontEnd {
 public:
  virtual ~FrontEnd() = default;
  // "monitor 'mon0'", "serial port 0": for errors that say who uses a chardev.
  virtual std::string description() const = 0;
  // Whether several clients are served at once (a monitor) or one after the other (a serial port).
  virtual bool servesMany() const { return false; }
  // Whether the inside is ready: a driver in the guest opened its port.
  virtual bool isOpen() const { return true; }
  // A conversation begins. The front end keeps the stream and calls receive() on it; close() ends it.
  virtual void opened(std::shared_ptr<Stream> stream) = 0;
};

// The outside of a chardev.
class Backend {
 public:
  virtual ~Backend() = default;
  // As clients parse it: "pty:/dev/pts/3", "unix:/run/s,server=on", "disconnected:unix:/run/s,server=on", "file".
  virtual std::string filename() const = 0;
  // The front end gets what is open and what opens from now on.
  virtual void attach(FrontEnd& frontEnd) = 0;
  // Ends the conversations with this front end; it gets no more.
  virtual void detach(FrontEnd& frontEnd) = 0;
  virtual std::size_t mostFrontEnds() const { return 1; }
  // The name of the terminal that a pty offers.
  virtual std::string ptyName() const { return {}; }
  // A ring buffer's memory, null for all others.
  virtual RingBuffer* ringBuffer() { return nullptr; }
  // Returns when the first client came, where the options ask for that (server=on,wait=on).
  virtual Task<Result<void>> waitForClient(CancelToken cancel);
  // Offers queued output to the host for the last time.
  virtual void drain(TimePoint /*until*/) {}
};

class Chardev {
 public:
  // `kind` as kindOf() says it.
  Chardev(std::string id, std::string_view kind, std::unique_ptr<Backend> backend)
      : id_(std::move(id)), kind_(kind), backend_(std::move(backend)) {}
  ~Chardev();
  Chardev(const Chardev&) = delete;
  Chardev& operator=(const Chardev&) = delete;

  const std::string& id() const { return id_; }
  std::string_view kind() const { return kind_; }
  Backend& backend() const { return *backend_; }
  const std::vector<FrontEnd*>& frontEnds() const { return frontEnds_; }
  bool frontEndOpen() const;
  // What monitor clients on this chardev may do; from its option role=.
  Role role() const { return role_; }
  void setRole(Role role) { role_ = role; }

  // Error: somebody else uses it.
  Result<void> attach(FrontEnd& frontEnd);
  // Ends the conversations. Nothing where it is not attached.
  void detach(FrontEnd& frontEnd);
  // Puts a new outside under the front ends; conversations over the old one end.
  void change(std::string_view kind, std::unique_ptr<Backend> backend);

 private:
  std::string id_;
  std::string_view kind_;
  std::unique_ptr<Backend> backend_;
  std::vector<FrontEnd*> frontEnds_;
  Role role_ = Role::kFull;
};

}  // namespace rhea::chardev
