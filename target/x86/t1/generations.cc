// Generations of translated code: the oldest one goes when there is no room, with T0's blocks of the same time, and the
// others stay as they are.
//
// What leads into it from those that stay is undone: direct jumps by the list of those that were ever patched to lead
// there, looked-up ones by emptying the tables. What was translated later than its T0 block may outlive that: such a
// translation cannot be executed without it, so its start is made to leave.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

std::uint32_t Engine::nextSite() const {
  return static_cast<std::uint32_t>(generations_[cache_->now()].sites.size()) | cache_->now() << Generation::kSiteBits;
}

std::uint32_t Engine::addSite(const Site& site) {
  const std::uint32_t number = nextSite();
  generations_[cache_->now()].sites.push_back(site);
  return number;
}

std::uint32_t Engine::addWindowSite(const WindowSite& site) {
  std::vector<WindowSite>& sites = generations_[cache_->now()].windowSites;
  sites.push_back(site);
  return static_cast<std::uint32_t>(sites.size() - 1) | cache_->now() << Generation::kSiteBits | kIsWindowSite;
}

std::uint32_t Engine::addEdge(const FlagsAtEntry& flags) {
  std::vector<FlagsAtEntry>& edges = generations_[cache_->now()].edges;
  edges.push_back(flags);
  return static_cast<std::uint32_t>(edges.size());
}

Native& Engine::addNative() {
  std::deque<Native>& natives = generations_[cache_->now()].natives;
  const auto index = static_cast<std::uint32_t>(natives.size());
  Native& native = natives.emplace_back();
  native.number = index | cache_->now() << Generation::kSiteBits | kIsNative;
  return native;
}

void Engine::clear() {
  cache_->giveUpAll();
  for (Generation& generation : generations_) generation = {};
  cpu_.area.jumps.fill({});
  forgetPages();
  pages_.clear();
  loops_.clear();
  tooManyLinks_ = false;
  ++turns_;
  ++statistics_.flushes;
}

// No map may hold a number that pages_ does not know: rewritten() would leave it.
void Engine::forgetPages() {
  for (const auto& space : cpu_.spaces_) space->code.flush(true);
  pages_.forget();
}

void Engine::turnGeneration() {
  const unsigned oldest = (cache_->now() + 1) % cache_->generations();
  if (cache_->generations() == 1) {
    cpu_.clearBlocks();
    return;
  }
  std::vector<Native*> dead;
  findDead(oldest, dead);
  undoLinks(oldest);
  for (Native* const native : dead) leaveAtOnce(*native);
  cpu_.area.jumps.fill({});
  Generation& generation = generations_[oldest];
  if (!generation.natives.empty()) ++statistics_.dropped;
  statistics_.droppedBlocks += generation.natives.size();
  generation = {};
  cache_->enter(oldest);
  cpu_.dropBlocks(oldest);
  ++turns_;
}

// The T0 block is translated anew when it is next run.
void Engine::forget(const Native& native) {
  Native** place = &native.block->native;
  while (*place != &native) place = &(*place)->next;
  *place = native.next;
}

// Translations that stay, of T0 blocks that do not, and those that go on in them without a look.
void Engine::findDead(unsigned dropped, std::vector<Native*>& dead) {
  for (const bool byFollower : {false, true}) {
    for (unsigned n = 0; n < cache_->generations(); ++n) {
      if (n == dropped) continue;
      for (Native& native : generations_[n].natives) {
        if (native.block == nullptr) continue;
        const bool goes = byFollower ? native.follower != nullptr && native.follower->block == nullptr
                                     : native.block->generation == dropped;
        if (!goes) continue;
        if (byFollower) forget(native);
        native.block = nullptr;
        dead.push_back(&native);
      }
    }
  }
}

// A jump that has been led elsewhere since stays as it is.
void Engine::undoLinks(unsigned dropped) {
  const auto isOf = [](std::uint32_t site, unsigned generation) { return site >> Generation::kSiteBits == generation; };
  for (const Incoming& incoming : generations_[dropped].incoming) {
    const std::uint32_t number = incoming.site;
    if (number == kNoSite || isOf(number, dropped)) continue;
    Site& site = siteAt(number);
    const auto undo = [&](std::uint32_t place, std::uint32_t cold) {
      std::uint32_t distance;
      std::memcpy(&distance, cache_->writable(place), 4);
      if (cache_->generationOf(place + 4 + distance) != dropped) return false;
      distance = cold - (place + 4);
      std::memcpy(cache_->writable(place), &distance, 4);
      ++statistics_.unlinked;
      return true;
    };
    undo(site.where, site.cold);
    if (site.edge != 0 && undo(site.via, site.via + 4)) site.linked = false;
  }
  // The numbers of its sites will be others'.
  for (unsigned n = 0; n < cache_->generations(); ++n) {
    if (n == dropped) continue;
    for (Incoming& incoming : generations_[n].incoming) {
      if (isOf(incoming.site, dropped)) incoming.site = kNoSite;
    }
  }
}

// Links that lead there find the cold code that leaves, whichever way they take in.
void Engine::leaveAtOnce(Native& dead) {
  for (const std::uint32_t place : {dead.entry, dead.checked, dead.live}) {
    if (place == 0) continue;
    const std::uint32_t distance = dead.left - (place + 5);
    *cache_->writable(place) = 0xe9;
    std::memcpy(cache_->writable(place) + 1, &distance, 4);
  }
}

}  // namespace rhea::x86::t1
