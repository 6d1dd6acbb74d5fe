// prove(): records workloads on an image in each cache mode, rebuilds what cuts could have left, and checks each state
// against the mode's promise. See docs/durability.md.
#pragma once

#include "block/tool/prove/crash-states.h"

namespace rhea::block::prove {

// What was seen of one kind of loss.
struct CellCount {
  std::uint64_t states = 0;  // that were looked at
  std::uint64_t lost = 0;    // of these, such where something was lost
};

// What one recording gave.
struct ModeProof {
  CacheSwitches mode;                  // the one that it began in
  std::vector<CacheSwitches> changes;  // and was changed to under load
  Promise promise;                     // of the first
  std::uint64_t requests = 0;
  std::uint64_t changesMade = 0;  // writes, zeroes and discards
  std::uint64_t flushes = 0;      // that completed
  std::uint64_t entries = 0;      // of the log
  std::uint64_t positions = 0;    // moments of a cut that were looked at
  bool sampled = false;
  std::array<std::uint64_t, kCuts> states{};
  std::array<CellCount, kCuts> completed;  // writes that had completed
  std::array<CellCount, kCuts> flushed;    // writes that a completed flush covers
  std::array<std::uint64_t, kCuts> unusable{};
  std::uint64_t leaking = 0;        // states with clusters that nobody uses
  std::uint64_t brokenStates = 0;   // against the promise
  std::vector<std::string> broken;  // sentences about them, the first twenty
  Duration took{};

  bool holds() const { return brokenStates == 0; }
};

struct ProofPlan {
  Subject subject;
  std::string folder;  // for the images; must exist. O_DIRECT works on most, not on tmpfs
  // A recording for each.
  struct Run {
    CacheSwitches mode;
    std::vector<CacheSwitches> changes;
  };
  std::vector<Run> runs;
  WorkloadPlan workload;
  CrashPlan crash;
  std::uint64_t lieAt = 0;                         // RecordPlan
  std::function<void(const ModeProof&)> progress;  // after each run; may be empty
};

// Each of the five modes by itself, and with a walk through the others under load.
std::vector<ProofPlan::Run> allRuns();

struct Proof {
  std::string format;
  std::string options;
  bool keepsMetadata = false;
  std::vector<ModeProof> modes;
  bool holds() const;
  bool sampled() const;
};

// Runs on the loop, which it keeps busy. Error: something could not be tried; a broken promise is no error but in the
// report.
Task<Result<Proof>> prove(Loop& loop, const Services& services, ProofPlan plan);

}  // namespace rhea::block::prove
