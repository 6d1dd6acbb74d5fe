// CommandContext: what a command's body may use: services, who asks, until when, and where events go.
//
// A cheap, counted handle; it outlives the client, so a body that goes on after its client vanished stays safe.
#pragma once

#include "emu/base/base.h"
#include "emu/io/cancel.h"
#include "emu/io/event-sink.h"
#include "emu/io/fd.h"
#include "emu/io/loop.h"
#include "emu/io/services.h"

namespace rhea {

// Who is at the other end of a monitor session.
struct Peer {
  std::string session;   // "qmp0#3": monitor and running number, as in logs
  std::string who;       // "pid 4711 (virsh) uid 0", "console", "start-up"; for logs and the audit log
  std::int64_t pid = 0;  // SO_PEERCRED, 0 where there is none
  std::uint32_t uid = 0;
  bool mayChange = true;  // false: a read-only session
};

// The descriptors of a session: received by SCM_RIGHTS, or named by getfd.
class SessionFds {
 public:
  virtual ~SessionFds() = default;
  // The oldest descriptor that came with this command's message. Error: none came / this transport cannot pass any.
  virtual Result<Fd> takeReceived() = 0;
  virtual void store(const std::string& name, Fd fd) = 0;  // replaces, as getfd does
  virtual Result<Fd> takeNamed(const std::string& name) = 0;
};

class CommandContext {
 public:
  struct State {
    State(const Services& theServices, EventSink& sink) : services(theServices), events(sink) {}
    const Services& services;
    EventSink& events;
    Peer peer;
    std::shared_ptr<SessionFds> fds;  // null outside of sessions that have some
    std::optional<TimePoint> deadline;
    CancelToken cancel;
    std::mutex guard;
    std::string waitingFor;  // what the body waits for now, for query-stuck and deadline errors
  };

  explicit CommandContext(std::shared_ptr<State> state) : state_(std::move(state)) {}

  template <class T>
  T& get() const {
    return state_->services.get<T>();
  }
  template <class T>
  T* find() const {
    return state_->services.find<T>();
  }
  const Services& services() const { return state_->services; }
  EventSink& events() const { return state_->events; }
  const Peer& peer() const { return state_->peer; }
  SessionFds* fds() const { return state_->fds.get(); }
  std::optional<TimePoint> deadline() const { return state_->deadline; }
  const CancelToken& cancel() const { return state_->cancel; }
  // "flush of node 'disk0' on vm.raw": shown by info stuck and told in a deadline error.
  void setWaitingFor(std::string what) const {
    const std::lock_guard lock(state_->guard);
    state_->waitingFor = std::move(what);
  }
  std::string waitingFor() const {
    const std::lock_guard lock(state_->guard);
    return state_->waitingFor;
  }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace rhea
