// Pc: what makes a machine that counts instructions (-icount) do the same in each run.
#include "emu/machine/pc.h"
#include "target/x86/cpu.h"

namespace rhea::machine {

// A register was written. What devices do about it on their loops is done before the guest goes on, so that it is at
// the same virtual time in every run, however long the host takes; a disk's request, too. Where a write ends or resets
// the machine, nothing is executed behind it.
void Pc::settle(x86::Cpu& cpu) {
  auto done = std::make_shared<std::atomic<bool>>(false);
  around_.loop.post([this, alive = alive_, done] {
    if (*alive) around_.loop.spawn(finishAsked(done));
  });
  vcpus_->turns()->waitFor([&] {
    if (cpu.asked(cpu::kPause | cpu::kEnd)) return true;
    return done->load() && !stopComes_.load();
  });
}

Task<void> Pc::finishAsked(std::shared_ptr<std::atomic<bool>> done) {
  const std::shared_ptr<bool> alive = alive_;
  co_await hw::finishAsked(*around_.tree.root().child("machine"));
  done->store(true);
  if (*alive) vcpus_->turns()->bell().ring();
}

}  // namespace rhea::machine
