#include "emu/cpu/vcpu.h"

namespace rhea::cpu {

void Vcpu::doWork() {
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
    const std::uint32_t seen = pending();
    if ((seen & kEnd) != 0) return false;
    if ((seen & kPause) == 0) return true;
    if ((seen & kWork) != 0)
      doWork();
    else
      std::atomic_ref(pending_).wait(seen);
  }
}

void Vcpu::wait(std::uint32_t wake) {
  std::atomic_ref word(pending_);
  bool told = false;
  for (std::uint32_t seen = word.load(); (seen & wake) == 0; seen = word.load()) {
    if (!std::exchange(told, true) && sleeps_) sleeps_();
    word.wait(seen);
  }
}

}  // namespace rhea::cpu
