// Session: one QMP client: its handshake, its queue, its events, its descriptors.
//
// Commands in the band run and answer one at a time and in order; exec-oob overtakes. The session reads no further
// while many commands wait or while the client does not read its replies, so that both queues are bounded by what one
// read and one reply can add. Events are never waited for: those that do not fit are counted, and told when the client
// reads again. A long message is taken apart by a worker thread; the session waits for it, since what comes behind it
// must not overtake it, and the others go on.
#pragma once

#include <deque>

#include "emu/base/base.h"
#include "emu/base/json-framer.h"
#include "emu/chardev/stream.h"
#include "monitor/dispatch/clients.h"
#include "monitor/dispatch/dispatcher.h"
#include "monitor/dispatch/monitor-server.h"
#include "monitor/qmp/event-hub.h"
#include "monitor/qmp/request.h"
#include "monitor/qmp/session-fds.h"

namespace rhea::monitor {

// What a QMP monitor needs of the program.
struct QmpEnvironment {
  QmpEnvironment(Dispatcher& theDispatcher, EventHub& theEvents, Clients& theClients, json::Text theVersion)
      : dispatcher(theDispatcher), events(theEvents), clients(theClients), version(std::move(theVersion)) {}
  Dispatcher& dispatcher;
  EventHub& events;
  Clients& clients;
  json::Text version;  // what query-version returns, for the greeting
};

class Session final : public Conversation,
                      public chardev::Receiver,
                      public EventHub::Listener,
                      public Client,
                      public std::enable_shared_from_this<Session> {
 public:
  struct Settings {
    std::string id;  // "qmp0#3"
    bool pretty = false;
    bool mayChange = true;
  };
  // `closed` is called once, last.
  Session(QmpEnvironment& environment, Settings settings, std::shared_ptr<chardev::Stream> stream,
          std::function<void()> closed);
  ~Session() override;

  void start() override;
  void close() override;

  void received(std::string_view bytes, std::vector<Fd> fds) override;
  void drained() override;
  bool inputEnded() override;
  void closed() override;
  void heard(std::string_view name, std::string_view message) override;

  const std::string& id() const override { return settings_.id; }
  Info info() const override;
  Result<void> negotiate(bool oob) override;
  Result<void> subscribe(std::optional<std::vector<std::string>> names) override;

 private:
  void pump();
  // A complete message that nobody has looked into.
  struct Waiting {
    json::Frame frame;
    std::uint64_t number;
  };
  std::optional<Waiting> nextWaiting();
  bool takeMessage();
  static Detached readElsewhere(std::weak_ptr<Session> session, Waiting waiting, Loop& loop);
  void take(ReadMessage message, std::uint64_t number);
  void admit(Request request);
  Result<void> mayRunNow(const Request& request) const;
  void begin(Request request);
  void answer(const std::string& id, bool inBand, Dispatcher::Outcome outcome);
  void reply(const Error& error, const std::string& id);
  void send(std::string line);
  bool outputFull() const;
  bool queueFull() const;
  bool wants(std::string_view event) const;
  void tellDropped();

  QmpEnvironment& environment_;
  Settings settings_;
  std::shared_ptr<chardev::Stream> stream_;
  std::function<void()> closed_;
  std::shared_ptr<ReceivedFds> fds_;
  std::shared_ptr<const Caller> caller_;
  json::Framer framer_;
  std::deque<Waiting> waiting_;  // before those in framer_
  std::deque<Request> queue_;
  std::optional<std::vector<std::string>> subscribed_;  // sorted; nothing: all events
  TimePoint since_;
  std::uint64_t messages_ = 0;  // that were complete so far
  std::uint64_t commands_ = 0;
  std::uint64_t eventsQueued_ = 0;  // since the output was last empty
  std::size_t eventBytes_ = 0;      // of those
  std::uint64_t dropped_ = 0;       // not told yet
  std::uint64_t droppedEver_ = 0;
  unsigned oobRunning_ = 0;
  bool negotiated_ = false;
  bool oob_ = false;
  bool running_ = false;  // a command of the band
  bool reading_ = false;  // a worker has the next message
  bool pumping_ = false;
  bool paused_ = false;
  bool inputEnded_ = false;
  bool open_ = true;
};

}  // namespace rhea::monitor
