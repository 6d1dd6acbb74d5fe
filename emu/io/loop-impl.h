// The inside of Loop, for its own units only.
#pragma once

#include <event2/event.h>

#include "emu/base/base.h"
#include "emu/io/file-engine.h"
#include "emu/io/loop.h"
#include "emu/io/mailbox.h"
#include "emu/io/timer-queue.h"

namespace rhea {

struct Loop::Impl {
  struct StopMail : Mail {
    bool arrived = false;
  };

  Impl(event_base* events, Fd wake, Fd timer)
      : base(events), mailbox(std::make_shared<Mailbox>(std::move(wake))), timers(std::move(timer)) {}
  ~Impl();

  void runMail();
  void waitUntil(const std::function<bool()>& done);
  void endRound();
  void waitForEvents();
  bool sleepOrLook();
  bool lookForWork(TimePoint since, Duration time);

  event_base* base;
  std::shared_ptr<Mailbox> mailbox;  // shared with what may answer after this loop's end: workers that hang
  TimerQueue timers;
  std::unique_ptr<Watch> wakeEvent;
  std::unique_ptr<Watch> timerEvent;
  std::vector<RoundEnd*> roundEnds;
  bool roundEndWanted = false;
  bool roundEndsRemoved = false;
  unsigned roundsSincePoll = 0;
  AdaptiveWait patience;
  std::atomic<bool> stopping{false};
  StopMail stopMail;
  std::array<std::unique_ptr<FileEngine>, 3> engines;  // by FileEngineKind
};

// A closure as a mail that frees itself.
struct ClosureMail : Loop::Mail {
  explicit ClosureMail(std::function<void()> what) : work(std::move(what)) {
    run = [](Mail* mail) {
      const std::unique_ptr<ClosureMail> self(static_cast<ClosureMail*>(mail));
      self->work();
    };
  }
  std::function<void()> work;
};

// Makes an engine that belongs to `loop`.
Result<std::unique_ptr<FileEngine>> makeFileEngine(Loop& loop, FileEngineKind kind);

}  // namespace rhea
