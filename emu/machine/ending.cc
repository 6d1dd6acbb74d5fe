#include "emu/machine/ending.h"

#include <unistd.h>

#include <thread>

#include "qapi/events-machine.h"

namespace rhea::machine {

namespace {

constexpr int kFailed = 1;  // exit status

std::string listed(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text.append("\n  ").append(line);
  return text;
}

}  // namespace

Ending::Ending(Loop& main, EventSink& events, Log& log, Settings settings)
    : main_(main), events_(events), log_(log), settings_(settings) {}

void Ending::request(qapi::ShutdownCause why) {
  ++requests_;
  if (requests_ == 1) {
    // In the next round, so that the command that asked is answered before the event of what it caused.
    main_.post([this, why] { begin(why); });
    return;
  }
  giveUp_.cancel(Error("the end was asked for again"));
}

void Ending::request(qapi::ShutdownCause why, int status) {
  if (!requested()) status_ = status;
  request(why);
}

void Ending::requestByGuest(int status) {
  if (!requested()) request(qapi::ShutdownCause::guestShutdown, status);
}

void Ending::begin(qapi::ShutdownCause why) {
  if (runState_ != nullptr) runState_->end();
  qapi::ShutdownEvent event;
  event.guest = why == qapi::ShutdownCause::guestShutdown || why == qapi::ShutdownCause::guestReset ||
                why == qapi::ShutdownCause::guestPanic;
  event.reason = why;
  qapi::emit(events_, event);
  limit(settings_.flushTime + settings_.teardownTime);
  asked_.cancel(Error("the program ends"));
  begun_.set();
}

Task<Result<void>> Ending::asked(CancelToken unless) { co_return co_await begun_.wait(unless); }

Task<Ending::Outcome> Ending::wait() {
  static_cast<void>(co_await begun_.wait());
  std::function<void()> tell = [this] {
    log_.warning("waiting up to {} s for the disks to be flushed; quit or a signal again ends at once",
                 std::chrono::duration_cast<std::chrono::seconds>(settings_.flushTime).count());
  };
  std::function<void()> giveUp = [this] { giveUp_.cancel(Error("the time for flushes is over")); };
  const std::unique_ptr<Loop::Watch> late = main_.timer(settings_.tellAfter, tell);
  const std::unique_ptr<Loop::Watch> tooLate = main_.timer(settings_.flushTime, giveUp);
  std::vector<std::string> lost;
  if (data_ != nullptr) lost = co_await data_->flushAll(giveUp_.token());
  limit(settings_.teardownTime);
  Outcome outcome;
  outcome.status = status_;
  outcome.complete = lost.empty() || !giveUp_.token().requested();
  if (!lost.empty()) {
    outcome.status = kFailed;
    log_.error("ended although not everything was flushed:{}", listed(lost));
  }
  co_return outcome;
}

void Ending::limit(std::chrono::milliseconds time) {
  std::thread([time, lastWords = lastWords_] {
    std::this_thread::sleep_for(time);
    if (*lastWords) (*lastWords)();
    ::_exit(kFailed);
  }).detach();
}

}  // namespace rhea::machine
