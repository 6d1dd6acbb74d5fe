// Pacer: holds a copy back until the bytes so far fit a rate.
#pragma once

#include "block/tool/img/session.h"

namespace rhea::block {

class Pacer {
 public:
  // 0: as fast as it goes.
  explicit Pacer(std::uint64_t bytesPerSecond) : bytesPerSecond_(bytesPerSecond) {}

  // So many bytes more were copied.
  Task<void> pace(ImgSession& session, std::uint64_t bytes) {
    if (bytesPerSecond_ == 0) co_return;
    bytes_ += bytes;
    const std::chrono::duration<double> due(static_cast<double>(bytes_) / static_cast<double>(bytesPerSecond_));
    const Duration wait = start_ + std::chrono::duration_cast<Duration>(due) - Clock::now();
    if (wait <= Duration::zero()) co_return;
    [[maybe_unused]] const Result<void> slept = co_await session.loop().sleep(wait, session.cancel());
  }

 private:
  std::uint64_t bytesPerSecond_;
  TimePoint start_ = Clock::now();
  std::uint64_t bytes_ = 0;
};

}  // namespace rhea::block
