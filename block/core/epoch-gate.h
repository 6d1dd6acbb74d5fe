// EpochGate: the door through which an attachment's requests come in.
//
// It counts who is inside, in two epochs: a change of mode turns the epoch, so that it can wait for the requests of the
// old mode while new ones run; and it can be shut (a drain), so that new requests wait outside. Entering and leaving
// cost two atomic operations of this attachment alone; locks are only taken by those who wait.
#pragma once

#include "emu/base/base.h"
#include "emu/io/cancel.h"
#include "emu/io/sync.h"
#include "emu/io/task.h"

namespace rhea::block {

class EpochGate {
 public:
  // Held by a request from start to completion; knows its epoch.
  class Pass {
   public:
    Pass() = default;
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), epoch_(other.epoch_) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      std::swap(epoch_, other.epoch_);
      return *this;
    }
    ~Pass() { leave(); }
    unsigned epoch() const { return epoch_; }  // 0 or 1
    explicit operator bool() const { return gate_ != nullptr; }
    void leave() {
      if (gate_ != nullptr) std::exchange(gate_, nullptr)->leave(epoch_);
    }

   private:
    friend class EpochGate;
    Pass(EpochGate& gate, unsigned epoch) : gate_(&gate), epoch_(epoch) {}
    EpochGate* gate_ = nullptr;
    unsigned epoch_ = 0;
  };

  EpochGate() = default;
  EpochGate(const EpochGate&) = delete;
  EpochGate& operator=(const EpochGate&) = delete;

  // An empty pass while the gate is shut.
  Pass tryEnter();
  // Waits while the gate is shut. Errors: the gate was closed for good (the attachment is gone).
  Task<Result<Pass>> enter();

  std::uint64_t inside() const;
  std::uint64_t inside(unsigned epoch) const;
  unsigned epoch() const;

  // Nested; the gate opens when all have opened.
  void shut();
  void open();
  bool isShut() const;
  // For good: those who wait outside get ENODEV.
  void retire();

  // Turns the epoch; only when nobody is inside the other one (waitUntilLeft). Returns the epoch left behind.
  unsigned turn();
  // Until nobody is inside that epoch / at all. Errors: the token's reason. One waiter of each kind at a time.
  Task<Result<void>> waitUntilLeft(unsigned epoch, CancelToken cancel);
  Task<Result<void>> waitUntilEmpty(CancelToken cancel);

 private:
  void leave(unsigned epoch);

  // Bit 0: epoch; bit 1: retired; from bit 2 on: how many shut it.
  std::atomic<std::uint32_t> state_{0};
  std::array<std::atomic<std::uint64_t>, 2> inside_{};
  std::atomic<unsigned> watchers_{0};  // who wait for somebody to leave
  Event left_;
  std::mutex guard_;  // of shut, open and retire
  Event opened_;
};

}  // namespace rhea::block
