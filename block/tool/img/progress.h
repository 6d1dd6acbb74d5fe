// What a long subcommand shows of itself: a line on a terminal (-p), JSON lines for programs (--progress=json), and
// either when SIGUSR1 asks.
#pragma once

#include "block/core/image.h"
#include "block/tool/img/session.h"

namespace rhea::block {

class ProgressMeter {
 public:
  // By -p and --progress of the call; otherwise only SIGUSR1 shows anything.
  static Result<std::unique_ptr<ProgressMeter>> create(ImgSession& session, const ImgCall& call);
  ~ProgressMeter();
  ProgressMeter(const ProgressMeter&) = delete;
  ProgressMeter& operator=(const ProgressMeter&) = delete;

  // What the work counts in; shown a few times a second.
  Progress& progress() { return progress_; }
  void setTotal(std::uint64_t total) { progress_.set(0, total); }
  void add(std::uint64_t done) { progress_.set(progress_.done() + done, progress_.total()); }
  // The last state, and the line's end.
  void finish();

 private:
  enum class Form : std::uint8_t { kNone, kLine, kJson };
  ProgressMeter(ImgSession& session, Form form);
  void show(Form form);
  double percent() const;

  Form form_;
  Progress progress_;
  TimePoint start_ = Clock::now();
  double shown_ = -1;
  std::unique_ptr<Loop::Watch> timer_;
  std::unique_ptr<Loop::Watch> signal_;
};

}  // namespace rhea::block
