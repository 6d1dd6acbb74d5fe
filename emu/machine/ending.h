// Ending: how the program ends: by quit, a signal, the guest. Flushes the disks for a bounded time, and whatever
// hangs, the process ends.
//
//   nothing yet -> request() -> SHUTDOWN, run state shutdown -> flushing -> over -> teardown -> exit
//                                                               |  time is up, or request() again
//                                                               -> over, not everything is flushed
#pragma once

#include "emu/base/base.h"
#include "emu/base/log.h"
#include "emu/io/cancel.h"
#include "emu/io/event-sink.h"
#include "emu/io/loop.h"
#include "emu/io/sync.h"
#include "emu/object/program-end.h"
#include "emu/object/run-state.h"

namespace rhea::machine {

class Ending final : public object::ProgramEnd {
 public:
  // What has to be safe before the end.
  class Data {
   public:
    virtual ~Data() = default;
    // Flushes all disks; gives one line per disk that is not known to be safe: "disk0: I/O error". Cancelled, it
    // returns at once and names those that it waited for.
    virtual Task<std::vector<std::string>> flushAll(CancelToken giveUp) = 0;
  };

  struct Settings {
    Settings() {}
    std::chrono::milliseconds flushTime = std::chrono::seconds(30);        // for the flushes
    std::chrono::milliseconds teardownTime = std::chrono::seconds(3);      // for what follows
    std::chrono::milliseconds tellAfter = std::chrono::milliseconds(300);  // then the operator is told of the wait
  };

  Ending(Loop& main, EventSink& events, Log& log, Settings settings);

  // All three are set before request() can come. `lastWords` runs on another thread, before the process is ended
  // although the main loop is stuck.
  void setData(Data* data) { data_ = data; }
  void setRunState(object::RunState* runState) { runState_ = runState; }
  void setLastWords(std::function<void()> lastWords) { *lastWords_ = std::move(lastWords); }

  void request(qapi::ShutdownCause why) override;
  void requestByGuest(int status) override;
  // With an exit status of its own, where nothing else goes wrong.
  void request(qapi::ShutdownCause why, int status);
  bool requested() const { return requests_ > 0; }
  // Cancelled when the end is asked for: start-up waits for clients no longer.
  CancelToken token() const { return asked_.token(); }

  struct Outcome {
    int status = 0;         // the process's exit status: 1 where something was not flushed, which has been told
    bool complete = false;  // no flush is under way any more: what it uses can be destroyed
  };
  // Completes when the end is asked for. Error: `unless` was requested before.
  Task<Result<void>> asked(CancelToken unless);
  // Completes when the end was asked for and the flushes are done or given up.
  Task<Outcome> wait();

 private:
  void begin(qapi::ShutdownCause why);
  // Ends the process after `time`, from a thread of its own, so that nothing that hangs can prevent it.
  void limit(std::chrono::milliseconds time);

  Loop& main_;
  EventSink& events_;
  Log& log_;
  Settings settings_;
  Data* data_ = nullptr;
  object::RunState* runState_ = nullptr;
  std::shared_ptr<std::function<void()>> lastWords_ = std::make_shared<std::function<void()>>();
  int requests_ = 0;
  int status_ = 0;
  Event begun_;
  CancelSource asked_;
  CancelSource giveUp_;
};

}  // namespace rhea::machine
