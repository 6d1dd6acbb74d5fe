// CrashStates: the disk images that a cut at each moment of a recording could have left.
//
// What a completed flush covers, and a stable write that completed, is there. Of everything else that was sent
// (completed or in flight) each change may be there, not there, or there in some of its sectors; changes of the same
// place keep their order. A kill of the program leaves all that completed, and any part of what was in flight.
#pragma once

#include <random>

#include "block/tool/prove/memory-image.h"
#include "block/tool/prove/recording.h"

namespace rhea::block::prove {

struct CrashPlan {
  std::uint64_t seed = 1;
  std::uint64_t states = 2000;  // at most about this many; fewer positions are looked at where there would be more
  std::uint64_t subsets = 3;    // random subsets of unflushed changes at each position, and as many with torn ones
};

struct CrashState {
  std::uint64_t position = 0;
  Cut cut = Cut::kPower;
  std::string how;  // "none of 7 unflushed changes"
  MemoryImagePtr image;
};

class CrashStates {
 public:
  // The recording outlives it.
  CrashStates(const Recording& recording, CrashPlan plan);

  // The next state; empty after the last.
  std::optional<CrashState> next();
  // Whether some states that are possible were left out: positions, subsets, or ways to tear.
  bool sampled() const { return sampled_; }
  std::size_t positions() const { return positions_.size(); }

 private:
  enum class Way : std::uint8_t { kKilled, kKilledInFlight, kNone, kMask, kSubset, kTorn };
  struct Step {
    Way way = Way::kNone;
    std::uint64_t mask = 0;  // kMask: which of the open changes
  };
  void choosePositions();
  void enter(std::uint64_t position);
  void planSteps();
  CrashState build(const Step& step);
  void apply(std::vector<std::byte>& image, const LoggedChange& change, bool torn);

  const Recording& recording_;
  const CrashPlan plan_;
  std::mt19937_64 random_;
  bool sampled_ = false;
  std::vector<std::uint64_t> positions_;
  std::size_t nextPosition_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t stableUpTo_ = 0;          // index behind the last flush before the position
  std::vector<std::byte> stable_;         // the image with all before stableUpTo_
  std::vector<std::uint64_t> unflushed_;  // indices: completed, may be there or not
  std::vector<std::uint64_t> inFlight_;   // indices: sent, not completed
  std::vector<Step> steps_;               // of this position, the next one last
};

}  // namespace rhea::block::prove
