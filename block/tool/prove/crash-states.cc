#include "block/tool/prove/crash-states.h"

namespace rhea::block::prove {

namespace {

// How far behind a position its requests in flight are looked for, in entries: more than any depth of a workload.
constexpr std::uint64_t kLookAhead = 2048;
// Up to this many open changes, all their subsets are tried.
constexpr std::size_t kAllSubsetsOf = 2;

}  // namespace

CrashStates::CrashStates(const Recording& recording, CrashPlan plan)
    : recording_(recording), plan_(plan), random_(plan.seed), stable_(recording.initial) {
  choosePositions();
}

// All, or the moments around each flush and as many of the others as the number of states allows.
void CrashStates::choosePositions() {
  const std::uint64_t last = recording_.log.size();
  const std::uint64_t statesEach = 4 + 2 * plan_.subsets;
  const std::uint64_t most = std::max<std::uint64_t>(plan_.states / statesEach, 1);
  std::vector<std::uint64_t> boundaries;
  std::vector<std::uint64_t> others;
  for (std::uint64_t position = 0; position <= last; ++position) {
    const bool before = position < last && recording_.log[position].flush;
    const bool after = position > 0 && recording_.log[position - 1].flush;
    (before || after || position == last ? boundaries : others).push_back(position);
  }
  sampled_ = last + 1 > most;
  const auto thin = [this](std::vector<std::uint64_t>& from, std::size_t count) {
    std::shuffle(from.begin(), from.end(), random_);
    if (from.size() > count) from.resize(count);
  };
  if (sampled_) {
    thin(boundaries, most - most / 3);
    thin(others, most - std::min<std::uint64_t>(boundaries.size(), most));
  }
  positions_ = std::move(boundaries);
  positions_.insert(positions_.end(), others.begin(), others.end());
  std::sort(positions_.begin(), positions_.end());
}

void CrashStates::enter(std::uint64_t position) {
  position_ = position;
  std::uint64_t flushed = stableUpTo_;
  for (std::uint64_t i = stableUpTo_; i < position; ++i) {
    if (recording_.log[i].flush) flushed = i;
  }
  for (; stableUpTo_ < flushed; ++stableUpTo_) apply(stable_, recording_.log[stableUpTo_], false);
  unflushed_.clear();
  inFlight_.clear();
  for (std::uint64_t i = stableUpTo_; i < position; ++i) {
    const LoggedChange& change = recording_.log[i];
    if (!change.flush && !change.stable) unflushed_.push_back(i);
  }
  const std::uint64_t end = std::min<std::uint64_t>(recording_.log.size(), position + kLookAhead);
  for (std::uint64_t i = position; i < end; ++i) {
    const LoggedChange& change = recording_.log[i];
    if (!change.flush && change.issued <= position) inFlight_.push_back(i);
  }
}

void CrashStates::planSteps() {
  steps_.clear();
  const std::size_t open = unflushed_.size() + inFlight_.size();
  if (open > 0) {
    if (open <= kAllSubsetsOf) {
      for (std::uint64_t mask = 1; mask < std::uint64_t{1} << open; ++mask) steps_.push_back({Way::kMask, mask});
    } else {
      steps_.insert(steps_.end(), plan_.subsets, Step{Way::kSubset, 0});
      sampled_ = true;
    }
    steps_.insert(steps_.end(), plan_.subsets, Step{Way::kTorn, 0});
    sampled_ = sampled_ || plan_.subsets > 0;
    steps_.push_back({Way::kNone, 0});
  }
  if (!inFlight_.empty()) steps_.push_back({Way::kKilledInFlight, 0});
  steps_.push_back({Way::kKilled, 0});
}

std::optional<CrashState> CrashStates::next() {
  if (steps_.empty()) {
    if (nextPosition_ == positions_.size()) return std::nullopt;
    enter(positions_[nextPosition_++]);
    planSteps();
  }
  const Step step = steps_.back();
  steps_.pop_back();
  return build(step);
}

CrashState CrashStates::build(const Step& step) {
  CrashState state;
  state.position = position_;
  state.cut = step.way == Way::kKilled || step.way == Way::kKilledInFlight ? Cut::kKill : Cut::kPower;
  state.image = std::make_shared<MemoryImage>();
  std::vector<std::byte>& image = state.image->bytes;
  image = stable_;
  // In a tenth, half or most of the cases a change is there.
  static constexpr std::array<std::uint64_t, 3> kTenths = {1, 5, 9};
  const std::uint64_t tenths = kTenths[random_() % kTenths.size()];
  std::size_t there = 0;
  std::size_t torn = 0;
  std::size_t open = 0;
  const auto visit = [&](std::uint64_t index, bool completed) {
    const LoggedChange& change = recording_.log[index];
    if (change.flush) return;
    bool applied = completed && (change.stable || state.cut == Cut::kKill);
    bool tears = false;
    if (!applied) {
      const std::size_t place = open++;
      if (step.way == Way::kMask) applied = (step.mask >> place & 1U) != 0;
      if (step.way == Way::kSubset || step.way == Way::kTorn) applied = random_() % 10 < tenths;
      if (step.way == Way::kKilledInFlight) applied = random_() % 2 == 0;
      const bool mayTear = step.way == Way::kTorn || step.way == Way::kKilledInFlight;
      tears = applied && mayTear && change.at.length > kSector && random_() % 2 == 0;
      there += applied ? 1 : 0;
      torn += tears ? 1 : 0;
    }
    if (applied) apply(image, change, tears);
  };
  for (std::uint64_t i = stableUpTo_; i < position_; ++i) visit(i, true);
  for (const std::uint64_t i : inFlight_) visit(i, false);
  state.how =
      state.cut == Cut::kKill
          ? fmt::format("killed at {}, {} of {} changes in flight were done, {} in part", position_, there, open, torn)
          : fmt::format("power cut at {}, {} of {} changes that were not flushed are there, {} in part", position_,
                        there, open, torn);
  return state;
}

void CrashStates::apply(std::vector<std::byte>& image, const LoggedChange& change, bool torn) {
  if (change.flush) return;
  Extent at = change.at;
  if (change.discard) {
    // Beyond the end there is nothing to give back.
    const std::uint64_t end = std::min<std::uint64_t>(at.end(), image.size());
    if (end <= at.offset) return;
    at.length = end - at.offset;
  }
  for (std::uint64_t done = 0; done < at.length; done += kSector) {
    if (torn && random_() % 2 == 0) continue;
    const std::uint64_t length = std::min(kSector, at.length - done);
    const std::uint64_t to = at.offset + done;
    if (image.size() < to + length) image.resize(to + length);
    if (change.data.empty()) {
      std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(to), length, std::byte{0});
    } else {
      std::memcpy(image.data() + to, change.data.data() + done, length);
    }
  }
}

}  // namespace rhea::block::prove
