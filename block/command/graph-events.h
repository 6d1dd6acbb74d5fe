// GraphEvents: what happens in the graph, told to QMP clients as events and to the operator as log lines.
#pragma once

#include "block/core/observer.h"
#include "emu/base/log.h"
#include "emu/io/event-sink.h"

namespace rhea::block {

class GraphEvents final : public GraphObserver {
 public:
  GraphEvents(EventSink& events, Log& log) : events_(events), log_(log) {}
  void cacheChanged(const CacheChanged& change) override;
  void ioError(const IoErrorReport& report) override;
  void writeThreshold(std::string_view nodeName, std::uint64_t exceededBy, std::uint64_t threshold) override;
  void flushLatched(std::string_view nodeName, const std::string& why) override;
  void imageCorrupted(const ImageCorrupted& report) override;
  void note(const std::string& line) override;

 private:
  EventSink& events_;
  Log& log_;
};

}  // namespace rhea::block
