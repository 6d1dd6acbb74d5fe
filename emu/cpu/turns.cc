#include "emu/cpu/turns.h"

#include <unistd.h>

namespace rhea::cpu {

using object::kNoTime;
using object::VirtualTime;

namespace {

// FNV-1a over 64-bit words: two runs that part are told apart, nothing more.
std::uint64_t sumOf(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, &bytes[at], std::min<std::size_t>(8, bytes.size() - at));
    sum = (sum ^ word) * 0x100000001b3;
    sum ^= sum >> 29;
  }
  return sum;
}

}  // namespace

Turns::Turns(object::VirtualClock& clock, unsigned shift, bool sleeps, TraceLog& trace)
    : clock_(clock), shift_(shift), sleeps_(sleeps), trace_(trace) {
  clock_.follow(*this);
}

void Turns::add(Vcpu& vcpu) {
  vcpus_.push_back(&vcpu);
  vcpu.setBell(&bell_);
}

VirtualTime Turns::time() const {
  const VirtualTime end = turnEnd_.load(std::memory_order_acquire);
  const Vcpu* present = present_.load(std::memory_order_acquire);
  return present == nullptr ? end : end - static_cast<VirtualTime>(present->left() << shift_);
}

void Turns::goTo(VirtualTime now) {
  present_.store(nullptr, std::memory_order_release);
  turnEnd_.store(now, std::memory_order_release);
}

void Turns::set(VirtualTime now) { goTo(now); }

// A timer that the running vCPU arms ends its turn at the timer's moment, or behind the block that arms it. Who is not
// on that thread comes from outside: the turn ends at the vCPU's next edge, and the one after it is as long as it may
// be.
void Turns::armed(VirtualTime at) {
  Vcpu* const present = present_.load(std::memory_order_acquire);
  if (present == nullptr) return bell_.ring();
  const VirtualTime end = turnEnd_.load(std::memory_order_relaxed);
  if (at >= end) return;
  if (present->hostThread() != ::gettid()) return present->post(cpu::kTurn);
  const VirtualTime until = std::max<VirtualTime>(at - time(), 0);
  const std::uint64_t left = (static_cast<std::uint64_t>(until) + (std::uint64_t{1} << shift_) - 1) >> shift_;
  const std::uint64_t cut = present->left() - std::min(left, present->left());
  present->shorten(cut);
  turnEnd_.store(end - static_cast<VirtualTime>(cut << shift_), std::memory_order_release);
}

void Turns::trace(const Vcpu& vcpu, VirtualTime from) const {
  migrate::StateWriter state;
  vcpu.save(state);
  trace_.write(fmt::format("Turn of CPU {}: {} to {} ns, at {:#x}, state {:016x}\n", vcpu.index(), from, time(),
                           vcpu.programCounter(), sumOf(state.bytes())));
}

bool Turns::workOfAll() {
  bool any = false;
  for (Vcpu* vcpu : vcpus_) {
    if (!vcpu->asked(kWork)) continue;
    vcpu->doWork();
    any = true;
  }
  return any;
}

bool Turns::anyAsked(std::uint32_t what) const {
  return std::ranges::any_of(vcpus_, [what](const Vcpu* vcpu) { return vcpu->asked(what); });
}

void Turns::run(const std::function<void()>& paused, const std::function<void()>& resumed) {
  bool running = false;
  while (!anyAsked(kEnd)) {
    const std::uint64_t seen = bell_.rings();
    if (anyAsked(kPause)) {
      if (std::exchange(running, false)) goTo(time());
      paused();
      if (!workOfAll() && anyAsked(kPause)) bell_.wait(seen, kLong);
      continue;
    }
    if (!std::exchange(running, true)) resumed();
    if (!rotate()) idle();
  }
}

// A turn of each; whether anything was executed.
bool Turns::rotate() {
  bool any = false;
  const std::int64_t thread = ::gettid();
  for (std::size_t n = 0; n < vcpus_.size() && !anyAsked(kPause | kEnd); ++n) {
    Vcpu& vcpu = *vcpus_[next_];
    next_ = (next_ + 1) % vcpus_.size();
    const VirtualTime now = turnEnd_.load(std::memory_order_relaxed);
    clock_.fireDue(now);
    std::uint64_t most = vcpus_.size() == 1 ? kAlone : kTurn;
    if (const VirtualTime at = clock_.next(); at != kNoTime) {
      const auto until = static_cast<std::uint64_t>(std::max<VirtualTime>(at - now, 1));
      most = std::min(most, (until + (std::uint64_t{1} << shift_) - 1) >> shift_);
    }
    vcpu.turnIsOver();
    turnEnd_.store(now + static_cast<VirtualTime>(most << shift_), std::memory_order_release);
    present_.store(&vcpu, std::memory_order_release);
    // Who is on this thread says whose local APIC is at its address: one of them at a time. The others' threads are
    // told by negative numbers.
    vcpu.setHostThread(thread);
    vcpu.runFor(most);
    if (vcpus_.size() > 1) vcpu.setHostThread(-thread);
    goTo(time());
    if (time() == now) continue;
    any = true;
    if (trace_.wants(TraceLog::kTurns)) [[unlikely]]
      trace(vcpu, now);
  }
  clock_.fireDue(turnEnd_.load(std::memory_order_relaxed));
  return any;
}

// Everybody is halted: on to the next timer.
void Turns::idle() {
  const std::uint64_t seen = bell_.rings();
  for (const Vcpu* vcpu : vcpus_) {
    if (vcpu->asked(~std::uint32_t{kTurn})) return;
  }
  const VirtualTime now = turnEnd_.load(std::memory_order_relaxed);
  const VirtualTime at = clock_.next();
  if (at == kNoTime) return bell_.wait(seen, kLong);
  if (sleeps_) {
    const auto began = std::chrono::steady_clock::now();
    bell_.wait(seen, std::chrono::nanoseconds(at - now));
    const std::chrono::nanoseconds slept = std::chrono::steady_clock::now() - began;
    // Woken from outside: as late as it is.
    if (bell_.rings() != seen) return goTo(std::min(at, now + static_cast<VirtualTime>(slept.count())));
  }
  goTo(at);
}

}  // namespace rhea::cpu
