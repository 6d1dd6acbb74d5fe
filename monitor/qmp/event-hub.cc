#include "monitor/qmp/event-hub.h"

#include "emu/base/json-writer.h"

namespace rhea::monitor {

EventHub::EventHub(Loop& loop) : loop_(loop), shared_(std::make_shared<Shared>()) { shared_->hub = this; }

EventHub::~EventHub() { shared_->hub = nullptr; }

void EventHub::emit(const EventInfo& event, std::string data, std::string_view rateKey) {
  Raised raised{event, std::move(data), std::string(rateKey), std::chrono::system_clock::now()};
  if (loop_.isCurrent()) {
    takeRaised();
    return pass(std::move(raised));
  }
  const std::lock_guard lock(shared_->guard);
  shared_->raised.push_back(std::move(raised));
  if (shared_->raised.size() > 1) return;
  loop_.post([shared = shared_] {
    if (shared->hub != nullptr) shared->hub->takeRaised();
  });
}

void EventHub::takeRaised() {
  std::vector<Raised> taken;
  {
    const std::lock_guard lock(shared_->guard);
    taken.swap(shared_->raised);
  }
  for (Raised& raised : taken) pass(std::move(raised));
}

void EventHub::pass(Raised raised) {
  if (raised.event.limit.count() == 0) return send(raised);
  std::string key = fmt::format("{}\n{}", raised.event.name, raised.rateKey);
  const auto found = limited_.find(key);
  if (found != limited_.end()) {
    found->second.newest = std::move(raised);
    return;
  }
  send(raised);
  limited_[key].timer = loop_.timer(raised.event.limit, [this, key] { limitOver(key); });
}

void EventHub::limitOver(const std::string& keyOfTimer) {
  const std::string key = keyOfTimer;  // the timer that holds it goes
  const auto found = limited_.find(key);
  if (!found->second.newest) {
    limited_.erase(found);
    return;
  }
  const Raised raised = *std::exchange(found->second.newest, std::nullopt);
  found->second.timer = loop_.timer(raised.event.limit, [this, key] { limitOver(key); });
  send(raised);
}

void EventHub::send(const Raised& raised) {
  if (listeners_.empty()) return;
  const std::string message = render(raised.event.name, raised.data, raised.when);
  for (Listener* listener : listeners_) listener->heard(raised.event.name, message);
}

std::string EventHub::render(std::string_view name, std::string_view data, std::chrono::system_clock::time_point when) {
  const auto since = std::chrono::duration_cast<std::chrono::microseconds>(when.time_since_epoch()).count();
  std::string text = fmt::format(R"({{"timestamp": {{"seconds": {}, "microseconds": {}}}, "event": "{}")",
                                 since / 1'000'000, since % 1'000'000, name);
  if (!data.empty() && data != "{}") text.append(", \"data\": ").append(data);
  text += '}';
  return text;
}

}  // namespace rhea::monitor
