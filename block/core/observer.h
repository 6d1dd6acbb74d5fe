// GraphObserver: where block/core tells what happened, for events, the log and the audit log; RunStateHook: how it
// stops and resumes the machine. Both are implemented by what stands on top (the commands, the tools, a test).
#pragma once

#include "block/core/cache-mode.h"
#include "block/core/statistics.h"
#include "emu/base/base.h"

namespace rhea::block {

enum class ErrorAction : std::uint8_t { kReport, kIgnore, kStop };
std::string_view toString(ErrorAction action);  // "report", "ignore", "stop"

struct CacheChanged {
  std::string disk;  // drive id or device id, "" for a node without a disk
  std::string qomPath;
  std::string nodeName;  // root of what changed
  std::string who;       // "pid 4711 (virsh) uid 0", "guest", "reset"
  CacheSwitches from;
  CacheSwitches to;
  bool pendingGuest = false;
  bool forced = false;
  std::uint64_t requestsInFlight = 0;  // at the switch
  Duration took{};
};

struct IoErrorReport {
  std::string disk;
  std::string qomPath;
  std::string nodeName;
  IoKind kind = IoKind::kRead;
  ErrorAction action = ErrorAction::kReport;
  bool noSpace = false;
  std::string reason;
  bool needsReopen = false;  // a latched flush: `cont` retries the request, only a reopen clears the latch
};

struct ImageCorrupted {
  std::string nodeName;
  std::string message;  // what was found
  std::optional<std::uint64_t> offset;
  std::optional<std::uint64_t> size;
  bool fatal = false;  // writes are refused from now on
};

// Called on any loop, must not block; strings are only built when there is an observer.
class GraphObserver {
 public:
  virtual ~GraphObserver() = default;
  virtual void cacheChanged(const CacheChanged&) {}
  virtual void ioError(const IoErrorReport&) {}
  virtual void writeThreshold(std::string_view /*nodeName*/, std::uint64_t /*exceededBy*/,
                              std::uint64_t /*threshold*/) {}
  virtual void flushLatched(std::string_view /*nodeName*/, const std::string& /*why*/) {}
  virtual void imageCorrupted(const ImageCorrupted&) {}
  // One line for the log, of what an administrator should know.
  virtual void note(const std::string& /*line*/) {}
};

// The machine's run state, as far as error policies need it. Any thread.
class RunStateHook {
 public:
  virtual ~RunStateHook() = default;
  // Stops the machine with run state "io-error"; returns at once.
  virtual void stopForIoError() = 0;
};

}  // namespace rhea::block
