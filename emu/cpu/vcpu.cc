#include "emu/cpu/vcpu.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rhea::cpu {

// The standard library's waits look again and again before they sleep, and give the processor away in between.
void Vcpu::sleepOn(std::uint32_t seen) {
  ::syscall(SYS_futex, &pending_, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
  wakeUps_.fetch_add(1, std::memory_order_relaxed);
}

void Vcpu::wakeThread() { ::syscall(SYS_futex, &pending_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }

void Vcpu::doWork() {
  dropOwedWrites();
  take(kWork);
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(work_);
  }
  for (const auto& function : work) function();
}

bool Vcpu::waitWhilePaused() {
  for (;;) {
    fallAsleep(Sleep::kRests);
    const std::uint32_t seen = request();
    const bool isOver = (seen & kEnd) != 0 || (seen & kPause) == 0;
    if (!isOver && (seen & kWork) == 0) sleepOn(seen);
    awake();
    if (isOver) return (seen & kEnd) == 0;
    if ((seen & kWork) != 0) doWork();
  }
}

void Vcpu::wait(std::uint32_t wake) {
  bool told = false;
  fallAsleep(Sleep::kRests);
  for (std::uint32_t seen = request(); (seen & wake) == 0; seen = request()) {
    if (!std::exchange(told, true) && sleeps_) sleeps_();
    sleepOn(seen);
  }
  awake();
}

}  // namespace rhea::cpu
