// CancelToken: a wish that a long operation end early, from a deadline, a client that asks, or a shutdown.
//
// A wish only: an operation that the kernel or a peer still works on completes first. What can wait for long (sleep,
// semaphore, drain, connect) takes a token and returns the reason as its error; a token may be kept, copied and read
// from any thread.
#pragma once

#include "emu/base/base.h"

namespace rhea {

class CancelToken {
 public:
  // A callback that runs once when the wish comes, on the thread that expresses it, or at once when it was there
  // already. Removed by destruction, after which it does not run (destruction waits for a run in another thread).
  class Registration {
   public:
    Registration() = default;
    Registration(Registration&& other) noexcept = default;
    Registration& operator=(Registration&& other) noexcept;
    ~Registration();

   private:
    friend class CancelToken;
    struct State;
    std::shared_ptr<State> state_;
  };

  CancelToken() = default;  // never cancelled

  bool requested() const noexcept;
  // The reason, as an error; only where requested().
  Error reason() const;
  // "Check and go": an error when the wish has come.
  Result<void> check() const;
  [[nodiscard]] Registration onCancel(std::function<void()> callback) const;

 private:
  friend class CancelSource;
  struct Shared;
  explicit CancelToken(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<Shared> shared_;
};

class CancelSource {
 public:
  CancelSource();
  CancelToken token() const;
  // First reason wins. Thread-safe.
  void cancel(Error reason) const;

 private:
  std::shared_ptr<CancelToken::Shared> shared_;
};

}  // namespace rhea
