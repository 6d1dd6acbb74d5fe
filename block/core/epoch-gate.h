// EpochGate: the door through which an attachment's requests come in.
//
// It counts who is inside, in two epochs: a change of mode turns the epoch, so that it can wait for the requests of the
// old mode while new ones run; and it can be shut (a drain), so that new requests wait outside. Entering and leaving
// cost one atomic operation each, on a word of this attachment alone; locks are only taken by those who wait.
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

  EpochGate() { opened_.set(); }
  EpochGate(const EpochGate&) = delete;
  EpochGate& operator=(const EpochGate&) = delete;

  // An empty pass while the gate is shut or retired.
  Pass tryEnter();
  // Waits while the gate is shut. Error: ENODEV, the gate is retired.
  Task<Result<Pass>> enter();

  std::uint64_t inside() const;
  std::uint64_t inside(unsigned epoch) const;
  unsigned epoch() const;

  // Nested; the gate opens when all have opened.
  void shut();
  void open();
  bool isShut() const;
  // For good: nobody enters any more, those who wait outside get ENODEV.
  void retire();

  // Turns the epoch; only when nobody is inside the other one (waitUntilLeft). Returns the epoch left behind.
  unsigned turn();
  // Until nobody is inside that epoch / at all. Errors: the token's reason.
  Task<Result<void>> waitUntilLeft(unsigned epoch, CancelToken cancel);
  Task<Result<void>> waitUntilEmpty(CancelToken cancel);

 private:
  void leave(unsigned epoch);
  Task<Result<void>> waitUntilClear(std::uint64_t counts, CancelToken cancel);

  // One word, so that entering decides on shut, retired and epoch and counts itself in one step:
  // bit 0 epoch, 1 retired, 2 watched (leaving goes by the lock), 3-15 how many shut it, 16-39 and 40-63 who is inside.
  static constexpr std::uint64_t kEpoch = 1;
  static constexpr std::uint64_t kRetired = 2;
  static constexpr std::uint64_t kWatched = 4;
  static constexpr std::uint64_t kOneShut = 8;
  static constexpr std::uint64_t kShutMask = 0xfff8;
  static constexpr std::uint64_t kCountMask = 0xffffff;
  static constexpr unsigned shiftOf(unsigned epoch) { return epoch == 0 ? 16 : 40; }

  std::atomic<std::uint64_t> word_{0};
  std::mutex guard_;  // of the slow ways: shut, open, watching
  std::vector<std::shared_ptr<Event>> watchers_;
  Event opened_;
};

}  // namespace rhea::block
