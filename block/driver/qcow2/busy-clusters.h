// BusyClusters: guest clusters whose L2 entries somebody is about to change.
//
// Two requests that allocate the same cluster would allocate it twice; so the second waits, and finds it allocated.
// Requests on different clusters do not wait for each other, and neither do those that need no change of an entry.
#pragma once

#include "emu/base/base.h"
#include "emu/io/sync.h"

namespace rhea::block::qcow2 {

class BusyClusters {
 public:
  // Clusters [first, end), from here until its end.
  class Claim {
   public:
    Claim(BusyClusters& all, std::uint64_t first, std::uint64_t end) : all_(all), first_(first), end_(end) {
      all_.claims_.push_back(this);
    }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    ~Claim() {
      std::erase(all_.claims_, this);
      if (waited_ != nullptr) waited_->set();
    }
    // Gives up what is behind it.
    void shrink(std::uint64_t end) { end_ = end; }

   private:
    friend class BusyClusters;
    BusyClusters& all_;
    std::uint64_t first_;
    std::uint64_t end_;
    std::shared_ptr<Event> waited_;
  };

  // The first busy cluster in [first, end); `end` where all are free.
  std::uint64_t firstBusy(std::uint64_t first, std::uint64_t end) const {
    for (const Claim* claim : claims_) {
      if (claim->first_ < end && claim->end_ > first) end = std::max(claim->first_, first);
    }
    return end;
  }
  // Waits until whoever has `cluster` now is done with it.
  Task<void> waitFor(std::uint64_t cluster) {
    for (Claim* claim : claims_) {
      if (cluster < claim->first_ || cluster >= claim->end_) continue;
      if (claim->waited_ == nullptr) claim->waited_ = std::make_shared<Event>();
      const std::shared_ptr<Event> ended = claim->waited_;
      static_cast<void>(co_await ended->wait());
      co_return;
    }
  }

 private:
  std::vector<Claim*> claims_;
};

}  // namespace rhea::block::qcow2
