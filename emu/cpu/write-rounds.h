// WriteRounds: how all vCPUs of a machine forget which pages they may write at full speed, when a page gets code.
//
// Whoever marks a page that had no marks begins a round before the marks are set, and completes it afterwards: the
// others have then dropped what they knew. Whoever finds marks that somebody else has just set would be too early: the
// third vCPU's stores are seen by nobody until that one's round is over. So while any is under way, all who mark make
// one.
#pragma once

#include "emu/base/base.h"

namespace rhea::cpu {

class Vcpu;
class VcpuSet;

class WriteRounds {
 public:
  explicit WriteRounds(VcpuSet& set) : set_(set) {}

  class Round {
   public:
    explicit Round(WriteRounds& rounds) : rounds_(rounds) { rounds_.underWay_.fetch_add(1); }
    ~Round() { rounds_.underWay_.fetch_sub(1); }
    Round(const Round&) = delete;
    Round& operator=(const Round&) = delete;
    // On a vCPU's thread: behind this no other vCPU stores by write entries from before: it has none any more, or
    // sleeps and will forget them first thing. Does what others ask of it meanwhile.
    void complete(Vcpu& self);

   private:
    WriteRounds& rounds_;
  };

  bool areUnderWay() const { return underWay() != 0; }
  unsigned underWay() const { return underWay_.load(); }
  // How many were completed.
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  VcpuSet& set_;
  std::atomic<unsigned> underWay_{0};
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace rhea::cpu
