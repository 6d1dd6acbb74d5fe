#include "emu/io/file-sink.h"

#include <unistd.h>

namespace rhea {

bool FileSink::append(std::string_view text) {
  const std::lock_guard lock(guard_);
  if (failed_) return false;
  queued_ += text;
  return !std::exchange(writing_, true);
}

std::size_t FileSink::pending() const {
  const std::lock_guard lock(guard_);
  return queued_.size() + inFlight_;
}

bool FileSink::failed() const {
  const std::lock_guard lock(guard_);
  return failed_;
}

void FileSink::wait(TimePoint until) {
  std::unique_lock lock(guard_);
  idle_.wait_until(lock, until, [this] { return !writing_; });
}

void FileSink::writeAll() {
  std::unique_lock lock(guard_);
  while (!queued_.empty()) {
    const std::string text = std::exchange(queued_, {});
    inFlight_ = text.size();
    while (inFlight_ > 0) {
      lock.unlock();
      const ssize_t count = ::write(fd_.get(), text.data() + (text.size() - inFlight_), inFlight_);
      const bool interrupted = count < 0 && errno == EINTR;
      lock.lock();
      if (interrupted) continue;
      failed_ = count <= 0;
      inFlight_ = failed_ ? 0 : inFlight_ - static_cast<std::size_t>(count);
    }
    if (failed_) queued_.clear();
  }
  writing_ = false;
  idle_.notify_all();
}

}  // namespace rhea
