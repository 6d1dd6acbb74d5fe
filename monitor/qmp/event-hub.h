// EventHub: takes the events that rooms raise on any thread, stamps and rate-limits them, and hands them to the
// monitor's sessions on the main loop.
//
// A limited event goes out at once, then at most once in its time per key; the newest of those held back goes out when
// the time is over, with the time stamp of when it was raised.
#pragma once

#include "emu/base/base.h"
#include "emu/io/event-sink.h"
#include "emu/io/loop.h"

namespace rhea::monitor {

class EventHub final : public EventSink {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // `message` is the complete JSON object, on one line without its end. Must not add or remove listeners.
    virtual void heard(std::string_view name, std::string_view message) = 0;
  };

  explicit EventHub(Loop& loop);
  ~EventHub() override;

  void emit(const EventInfo& event, std::string data, std::string_view rateKey) override;

  void add(Listener& listener) { listeners_.push_back(&listener); }
  void remove(Listener& listener) { std::erase(listeners_, &listener); }

  // {"timestamp": {..}, "event": "STOP", "data": {..}}; without data where that is empty.
  static std::string render(std::string_view name, std::string_view data, std::chrono::system_clock::time_point when);

 private:
  struct Raised {
    EventInfo event;
    std::string data;
    std::string rateKey;
    std::chrono::system_clock::time_point when;
  };
  // Outlives the hub where a posted closure still comes.
  struct Shared {
    std::mutex guard;
    std::vector<Raised> raised;
    EventHub* hub = nullptr;  // main loop only
  };
  struct Limited {
    std::optional<Raised> newest;  // held back
    std::unique_ptr<Loop::Watch> timer;
  };

  void takeRaised();
  void pass(Raised raised);
  void send(const Raised& raised);
  void limitOver(const std::string& key);

  Loop& loop_;
  std::shared_ptr<Shared> shared_;
  std::vector<Listener*> listeners_;
  std::map<std::string, Limited> limited_;
};

}  // namespace rhea::monitor
