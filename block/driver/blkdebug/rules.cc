#include "block/driver/blkdebug/rules.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kSector = 512;

bool touches(Extent at, std::uint64_t sector) { return at.overlaps(Extent(sector * kSector, kSector)); }

}  // namespace

DebugRules::DebugRules(std::vector<FaultRule> faults, std::vector<StateRule> states, TimePoint now)
    : faults_(std::move(faults)), states_(std::move(states)), since_(now) {}

bool DebugRules::fits(const FaultRule& rule, DebugEvent event, DebugKind kind, Extent at, TimePoint now) const {
  if (rule.event != event || (rule.state != 0 && rule.state != state_)) return false;
  if (rule.kind && *rule.kind != kind) return false;
  if (rule.sector && !touches(at, *rule.sector)) return false;
  const Duration age = now - since_;
  return age >= rule.after && (!rule.lasting || age < rule.after + *rule.lasting);
}

Verdict DebugRules::pass(DebugEvent event, DebugKind kind, Extent at, TimePoint now) {
  Verdict verdict;
  for (auto rule = faults_.begin(); rule != faults_.end(); ++rule) {
    if (!fits(*rule, event, kind, at, now)) continue;
    if (rule->skip > 0) {
      --rule->skip;
      continue;
    }
    verdict.error = rule->error;
    verdict.lie = rule->lie;
    verdict.immediately = rule->immediately;
    verdict.delay = rule->delay;
    verdict.hold = rule->hold;
    if (rule->once) faults_.erase(rule);
    break;
  }
  for (const StateRule& rule : states_) {
    if (rule.event != event || (rule.state != 0 && rule.state != state_)) continue;
    state_ = rule.next;
    break;
  }
  return verdict;
}

void DebugRules::addBreak(DebugEvent event, const std::string& tag) {
  FaultRule rule;
  rule.event = event;
  rule.error = 0;
  rule.hold = tag;
  rule.once = true;
  faults_.insert(faults_.begin(), std::move(rule));
}

bool DebugRules::removeHolds(const std::string& tag) {
  return std::erase_if(faults_, [&tag](const FaultRule& rule) { return rule.hold == tag; }) > 0;
}

std::optional<DebugEvent> debugEventOf(std::string_view name) {
  const auto found = std::find(kDebugEvents.begin(), kDebugEvents.end(), name);
  if (found == kDebugEvents.end()) return std::nullopt;
  return static_cast<DebugEvent>(found - kDebugEvents.begin());
}

}  // namespace rhea::block
