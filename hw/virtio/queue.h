// Queue: one virtqueue of a device, and the loop that serves it.
//
// The driver's notification comes on a vCPU's thread and costs one atomic exchange and a mail to the loop; everything
// else happens on that loop: taking requests, handing them back, deciding on interrupts (once per round). No lock is
// shared with other queues or devices.
#pragma once

#include "emu/io/loop.h"
#include "emu/io/sync.h"
#include "hw/virtio/ring.h"

namespace rhea::virtio {

class Queue;

// Who takes the requests: the device. Called on the queue's loop.
class QueueUser {
 public:
  virtual ~QueueUser() = default;
  // There may be requests: takes them by take(). True: until there was none, so the driver has to notify of the next;
  // false: there may be more, but the device does not want any before it kicks the queue itself.
  virtual bool serve(Queue& queue) = 0;
};

// What a queue needs of the transport. Any thread.
class QueueHost {
 public:
  virtual ~QueueHost() = default;
  virtual const mem::AddressSpace& memory() const = 0;
  // Whether the device may read and write memory now.
  virtual bool mayAccessMemory() const = 0;
  virtual void interrupt(const Queue& queue) = 0;
  // The driver broke the rules: the device stops until it is reset.
  virtual void broken(const Error& why) = 0;
};

class Queue final : private Loop::RoundEnd {
 public:
  Queue(QueueHost& host, QueueUser& user, unsigned index, Loop& loop);
  // After stop().
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  unsigned index() const { return index_; }
  Loop& loop() const { return loop_; }

  // --- any thread
  // The driver says that there are requests.
  void kick();
  // The driver has set the queue up and the device may begin.
  void start(RingPlace place, std::uint64_t features);
  // Nothing is taken any more until pause(false); what was taken goes on. Completes when the queue has heard of it.
  Task<void> pause(bool paused);
  // Nothing is taken any more, nothing handed back; completes when no request is under way. start() begins anew.
  Task<void> stop();
  // Completes when no request is under way, and what was handed back has been told to the driver; nothing is stopped.
  Task<void> finish();
  // Requests that were taken and not handed back.
  unsigned underWay() const { return underWay_.load(std::memory_order_acquire); }

  // --- the loop's thread, for the user
  // The next request; null: there is none, or the queue is stopped. Lives until handBack().
  Chain* take();
  // `written`: bytes at the beginning of the writable part that hold something new.
  void handBack(Chain& chain, std::uint32_t written);
  // The driver broke the device's rules.
  void broken(const Error& why);

  // --- machine stopped, paused. The state is of a started queue: index counters and requests under way, which a
  // loaded queue does again.
  struct State {
    bool started = false;
    RingPlace place;
    std::uint64_t features = 0;
    std::uint16_t nextAvailable = 0;
    std::uint16_t nextUsed = 0;
    std::vector<std::uint16_t> underWay;
  };
  State state() const;
  void restore(State state);

 private:
  // Mail to the loop that can be sent again as soon as it has arrived.
  struct Kick : Loop::Mail {
    Queue* queue = nullptr;
    std::atomic<bool> sent{false};
  };
  enum class Phase : std::uint8_t { kStopped, kRunning, kBroken };

  void begin();
  void serve();
  void endOfRound() override;
  Chain* freeChain();

  QueueHost& host_;
  QueueUser& user_;
  const unsigned index_;
  Loop& loop_;
  Kick kick_;
  std::atomic<unsigned> underWay_{0};

  // The loop's.
  Phase phase_ = Phase::kStopped;
  bool paused_ = false;
  unsigned budget_ = 0;  // requests that may be taken before others on the loop have their turn
  bool stopping_ = false;
  std::optional<SplitRing> ring_;
  RingPlace place_;
  std::uint64_t features_ = 0;
  std::vector<std::unique_ptr<Chain>> chains_;
  std::vector<Chain*> free_;
  std::vector<std::uint16_t> again_;  // heads of requests to do again, after load
  bool listed_ = false;               // as a RoundEnd
  bool pushed_ = false;
  Event idle_;
};

}  // namespace rhea::virtio
