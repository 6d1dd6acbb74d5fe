// Vcpu: a virtual CPU as the rest of the program sees it: who may ask it for what, from which thread. target/<arch>
// implements it, VcpuThread runs it, devices and the board know only this header and local-interrupts.h.
#pragma once

#include <condition_variable>

#include "emu/base/base.h"
#include "emu/cpu/local-interrupts.h"
#include "emu/migrate/state.h"

namespace rhea::cpu {

// What a vCPU is asked to look at when it reaches a block's edge.
enum Request : std::uint32_t {
  kInterrupt = 1U << 0,  // LocalInterrupts has something to deliver
  kNmi = 1U << 1,
  kInit = 1U << 2,     // x86: INIT, then wait for a start-up vector
  kStartup = 1U << 3,  // x86: SIPI; use Vcpu::startUp()
  kSmi = 1U << 4,
  kReset = 1U << 5,
  kPause = 1U << 6,      // VcpuThread: stop at the next edge, and say so
  kWork = 1U << 7,       // a function waits (Vcpu::runOn)
  kMemoryMap = 1U << 8,  // the address space changed
  kWatched = 1U << 9,    // the vCPU itself: a data breakpoint was met
  kMachineCheck = 1U << 10,
  kEnd = 1U << 11,     // VcpuThread: the thread ends
  kTurn = 1U << 12,    // Turns: time for others
  kCode = 1U << 13,    // code that is translated may have been rewritten
  kWrites = 1U << 14,  // which pages may be written without a look is to be forgotten (WriteRounds)
};

// A register's name as debuggers know it, and its value (vector registers: little-endian bytes).
struct RegisterValue {
  std::string name;
  std::vector<std::uint8_t> bytes;
};

// Wakes a thread that serves several vCPUs.
class Bell {
 public:
  void ring() {
    const std::lock_guard lock(mutex_);
    ++rings_;
    rung_.notify_all();
  }
  std::uint64_t rings() const {
    const std::lock_guard lock(mutex_);
    return rings_;
  }
  // Until it has been rung since `seen`, for so long at the most.
  void wait(std::uint64_t seen, std::chrono::nanoseconds most) {
    std::unique_lock lock(mutex_);
    rung_.wait_for(lock, most, [&] { return rings_ != seen; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable rung_;
  std::uint64_t rings_ = 0;
};

class Vcpu {
 public:
  // `pending` is the word of the architecture's state that holds requests; it outlives this.
  Vcpu(unsigned index, std::uint32_t& pending) : index_(index), pending_(pending) {}
  virtual ~Vcpu() = default;
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  unsigned index() const { return index_; }

  // --- any thread
  void post(std::uint32_t requests) {
    note(requests);
    wake();
  }
  // For its next look: one that sleeps goes on sleeping.
  void note(std::uint32_t requests) { std::atomic_ref(pending_).fetch_or(requests, std::memory_order_seq_cst); }
  // The same; true: it rests, and looks before it executes anything. False: it may be executing.
  bool noteToOneThatRests(std::uint32_t requests) {
    note(requests);
    return sleep_.load(std::memory_order_seq_cst) == Sleep::kRests;
  }
  // Start-up with a vector (x86: SIPI: execution begins at vector << 12), heard after INIT only.
  void startUp(std::uint8_t vector) {
    startVector_.store(vector);
    post(kStartup);
  }
  // Runs `work` on the vCPU's thread at a block's edge, or while it is halted or paused; never inside an instruction.
  void runOn(std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      work_.push_back(std::move(work));
    }
    post(kWork);
  }
  bool halted() const { return halted_.load(std::memory_order_relaxed); }
  // How often its thread was woken from its sleep.
  std::uint64_t wakeUps() const { return wakeUps_.load(std::memory_order_relaxed); }
  std::int64_t hostThread() const { return hostThread_.load(std::memory_order_relaxed); }

  // --- before it runs
  void connect(LocalInterrupts& interrupts) { interrupts_ = &interrupts; }
  void setBell(Bell* bell) { bell_ = bell; }
  LocalInterrupts* interrupts() const { return interrupts_; }
  // Called on the vCPU's thread before it sleeps because the guest waits.
  void onSleep(std::function<void()> told) { sleeps_ = std::move(told); }
  // Called on the vCPU's thread when the guest does something that the whole machine has to follow (triple fault).
  void onShutdown(std::function<void(std::string why)> told) { shutdown_ = std::move(told); }

  // --- on its own thread; or while it is paused
  // Executes guest code until kPause or kEnd is among the requests; waits while the guest is halted.
  virtual void run() = 0;
  virtual void reset() = 0;
  // Forgets which pages may be written without a look (WriteRounds).
  virtual void dropWrites() = 0;
  // Under -icount: executes `most` instructions at the most, fewer where the guest is halted, or kPause, kEnd or kTurn
  // is requested.
  virtual void runFor(std::uint64_t most) = 0;
  // On its thread, in the middle of an instruction: as many fewer, of those that are left().
  virtual void shorten(std::uint64_t by) = 0;
  // Any thread: what is left of those while it runs; the instructions of the block that is executed are taken off.
  virtual std::uint64_t left() const = 0;
  // Registers as `info registers` prints them, and one by one.
  virtual std::string describe() const = 0;
  virtual std::vector<RegisterValue> registers() const = 0;
  virtual std::uint64_t programCounter() const = 0;
  // Guest-virtual to guest-physical as the vCPU sees it now; nothing where nothing is mapped. Changes no state.
  virtual std::optional<std::uint64_t> translate(std::uint64_t virtualAddress) const = 0;

  // Everything that the guest could tell; load() while it is paused, after reset().
  virtual void save(migrate::StateWriter& to) const = 0;
  virtual Result<void> load(migrate::StateReader& from) = 0;

  void doWork();
  // Forgets which pages may be written, if a round asks for it.
  void dropOwedWrites() {
    if (take(kWrites) != 0) dropWrites();
  }
  // Until kPause is gone (true) or the thread is to end (false); work is done meanwhile.
  bool waitWhilePaused();
  bool ending() const { return (pending() & kEnd) != 0; }
  bool asked(std::uint32_t any) const { return (pending() & any) != 0; }
  void turnIsOver() { take(kTurn); }
  void unpause() {
    take(kPause);
    wake();
  }
  // Does the work that there is, or sleeps until some comes; returns at once where done() says so.
  template <class Done>
  void workOrWait(Done done) {
    fallAsleep(Sleep::kSleeps);
    const std::uint32_t seen = request();
    const bool isDone = done();
    if (!isDone && (seen & kWork) == 0) sleepOn(seen);
    awake();
    if (!isDone && (seen & kWork) != 0) doWork();
  }
  void setHostThread(std::int64_t id) { hostThread_.store(id, std::memory_order_relaxed); }

 protected:
  std::uint32_t pending() const { return std::atomic_ref(pending_).load(std::memory_order_acquire); }
  std::uint32_t take(std::uint32_t requests) {
    return std::atomic_ref(pending_).fetch_and(~requests, std::memory_order_seq_cst) & requests;
  }
  // Sleeps until one of `wake` is requested.
  void wait(std::uint32_t wake);
  std::uint8_t startVector() const { return startVector_.load(); }
  void shutdown(std::string why) {
    if (shutdown_) shutdown_(std::move(why));
  }

  std::atomic<bool> halted_{false};

 private:
  // Its thread sleeps on the word of requests: whoever changes that wakes it where this is not kAwake. Both sides write
  // the one and then read the other in the one order of all sequentially consistent operations, so one of them sees
  // what the other has done. kRests: between two blocks, and it looks at the word before it executes another one.
  enum class Sleep : std::uint8_t { kAwake, kSleeps, kRests };
  std::uint32_t request() const { return std::atomic_ref(pending_).load(std::memory_order_seq_cst); }
  void fallAsleep(Sleep how) { sleep_.store(how, std::memory_order_seq_cst); }
  // Whoever has found that it rested has left his note before this, and is seen by the load.
  std::uint32_t awake() {
    sleep_.store(Sleep::kAwake, std::memory_order_seq_cst);
    return request();
  }
  void sleepOn(std::uint32_t seen);
  void wakeThread();
  void wake() {
    if (sleep_.load(std::memory_order_seq_cst) != Sleep::kAwake) wakeThread();
    if (bell_ != nullptr) bell_->ring();
  }

  const unsigned index_;
  std::uint32_t& pending_;
  std::atomic<std::uint8_t> startVector_{0};
  std::atomic<Sleep> sleep_{Sleep::kAwake};
  std::atomic<std::uint64_t> wakeUps_{0};
  std::atomic<std::int64_t> hostThread_{0};
  LocalInterrupts* interrupts_ = nullptr;
  std::function<void(std::string)> shutdown_;
  std::function<void()> sleeps_;
  Bell* bell_ = nullptr;
  std::mutex mutex_;
  std::vector<std::function<void()>> work_;
};

}  // namespace rhea::cpu
