// RunningCommands: the monitor commands that are under way now, for query-stuck. A service; belongs to the main loop.
#pragma once

#include "emu/base/base.h"
#include "emu/io/command-context.h"

namespace rhea {

class RunningCommands {
 public:
  // A row of the list; lives in the memory of whoever runs the command.
  struct Entry {
    std::string_view command;
    const CommandContext* context = nullptr;  // who asked, and what it waits for
    TimePoint since;
    std::string operation;  // its id, when the client has been answered at its deadline and the work goes on
    Entry* next = nullptr;
    Entry* previous = nullptr;
  };

  struct Info {
    std::string command;
    std::string session;     // "qmp0#3"
    std::string waitingFor;  // empty where it is not known
    std::string operation;   // empty while the client waits
    Duration age;
  };

  RunningCommands() { head_.next = head_.previous = &head_; }
  RunningCommands(const RunningCommands&) = delete;
  RunningCommands& operator=(const RunningCommands&) = delete;

  void add(Entry& entry) {
    entry.previous = head_.previous;
    entry.next = &head_;
    head_.previous->next = &entry;
    head_.previous = &entry;
  }
  static void remove(Entry& entry) {
    entry.previous->next = entry.next;
    entry.next->previous = entry.previous;
  }

  // Those at least so old, oldest first.
  std::vector<Info> list(Duration olderThan) const {
    std::vector<Info> result;
    const TimePoint now = Clock::now();
    for (const Entry* entry = head_.next; entry != &head_; entry = entry->next) {
      const Duration age = now - entry->since;
      if (age < olderThan) continue;
      Info& info = result.emplace_back();
      info.command = entry->command;
      info.session = entry->context->peer().session;
      info.waitingFor = entry->context->waitingFor();
      info.operation = entry->operation;
      info.age = age;
    }
    return result;
  }

 private:
  Entry head_;  // of a ring
};

}  // namespace rhea
