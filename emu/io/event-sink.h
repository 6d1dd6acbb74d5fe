// EventSink: where a room drops the events that it raises; the monitor's sessions subscribe on the other side.
#pragma once

#include "emu/base/base.h"

namespace rhea {

// What the schema says of an event; one constant per event, made by the generator.
struct EventInfo {
  std::string_view name;            // "STOP"
  std::chrono::milliseconds limit;  // at most one per key in this time, the newest always delivered; 0 = no limit
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  // Thread-safe, never blocks. `data` is one complete JSON object; `rateKey` separates rate limits (a device's name).
  virtual void emit(const EventInfo& event, std::string data, std::string_view rateKey) = 0;
};

}  // namespace rhea
