#include "emu/io/cancel.h"

#include <condition_variable>
#include <thread>

namespace rhea {

struct CancelToken::Shared {
  std::atomic<bool> requested{false};
  Error reason = Error::fromErrno(0);  // written before `requested`, only read afterwards
  std::mutex guard;
  std::condition_variable ranOne;
  std::vector<Registration::State*> waiting;  // in the order of registration
  const Registration::State* running = nullptr;
  std::thread::id runner;
};

struct CancelToken::Registration::State {
  std::shared_ptr<Shared> owner;
  std::function<void()> callback;
};

bool CancelToken::requested() const noexcept { return shared_ && shared_->requested.load(std::memory_order_acquire); }

Error CancelToken::reason() const { return requested() ? shared_->reason : Error::fromErrno(ECANCELED); }

Result<void> CancelToken::check() const {
  if (requested()) return shared_->reason;
  return success();
}

CancelToken::Registration CancelToken::onCancel(std::function<void()> callback) const {
  Registration registration;
  if (!shared_) return registration;
  {
    const std::lock_guard lock(shared_->guard);
    if (!shared_->requested.load(std::memory_order_relaxed)) {
      registration.state_ = std::make_shared<Registration::State>();
      registration.state_->owner = shared_;
      registration.state_->callback = std::move(callback);
      shared_->waiting.push_back(registration.state_.get());
      return registration;
    }
  }
  callback();
  return registration;
}

CancelToken::Registration& CancelToken::Registration::operator=(Registration&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

CancelToken::Registration::~Registration() {
  if (!state_) return;
  Shared& shared = *state_->owner;
  std::unique_lock lock(shared.guard);
  if (std::erase(shared.waiting, state_.get()) != 0) return;
  // It ran or runs. A callback that ends its own registration must not wait for itself.
  if (shared.runner == std::this_thread::get_id()) return;
  shared.ranOne.wait(lock, [&] { return shared.running != state_.get(); });
}

CancelSource::CancelSource() : shared_(std::make_shared<CancelToken::Shared>()) {}

CancelToken CancelSource::token() const { return CancelToken(shared_); }

void CancelSource::cancel(Error reason) const {
  const std::shared_ptr<CancelToken::Shared> shared = shared_;  // a callback may destroy the source
  std::unique_lock lock(shared->guard);
  if (shared->requested.load(std::memory_order_relaxed)) return;
  shared->reason = std::move(reason);
  shared->requested.store(true, std::memory_order_release);
  shared->runner = std::this_thread::get_id();
  while (!shared->waiting.empty()) {
    auto* next = shared->waiting.front();
    shared->waiting.erase(shared->waiting.begin());
    // The callback may destroy its registration, and with it the state: it is called from here.
    const std::function<void()> callback = std::move(next->callback);
    shared->running = next;
    lock.unlock();
    callback();
    lock.lock();
    shared->running = nullptr;
    shared->ranOne.notify_all();
  }
  shared->runner = {};
}

}  // namespace rhea
