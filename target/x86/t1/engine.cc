#include "target/x86/t1/engine.h"

#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <random>

#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__x86_64__)
constexpr bool kPossible = false;
#else
constexpr bool kPossible = true;
#endif

// Behind the single instruction that step() executes.
Outcome execDone(Cpu&, const Insn*) { return Outcome::kNext; }

Result<std::unique_ptr<CodeCache>> makeCache(const Environment& environment) {
  using Memory = CodeCache::Memory;
  return CodeCache::make(environment.codeCache, environment.perfMap != nullptr ? Memory::kOfNoFile : Memory::kOfFile);
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::make(Cpu& cpu) {
  if (!kPossible) return Error("this build cannot run translated code").hint("build without sanitizers");
  RHEA_TRY(std::unique_ptr<CodeCache> cache, makeCache(cpu.environment()));
  std::unique_ptr<Engine> engine(new Engine(cpu, std::move(cache)));
  cpu.area.engine = reinterpret_cast<std::uint64_t>(engine.get());
  engine->statistics_.byRow.resize(rows().size());
  // Bit 62 without bit 63: never canonical.
  std::random_device random;
  cpu.area.nowhere = std::uint64_t{1} << 62 | (std::uint64_t{random()} << 32 ^ random()) >> 14 << 12;
  for (Area::Windows& some : cpu.area.windows) some.used = 0xff;
  cpu.area.forgetWindows();
  engine->setHeat(engine->heatOfEdges_);
  engine->makeGates();
  engine->single_.version = &engine->never_;
  engine->single_.count = 1;
  engine->single_.cached = false;
  engine->single_.insns = engine->singleInsns_.data();
  return engine;
}

bool Engine::isBuilt() { return kPossible; }

Statistics Engine::report() const {
  Statistics report = statistics_;
  report.cacheUsed = cache_->used();
  report.cacheSize = cache_->size();
  return report;
}

void Engine::bind() {
  ::syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu_.st);
  takeSignals();
}

std::int32_t Engine::areaOffset(const void* member) const {
  return static_cast<std::int32_t>(static_cast<const std::uint8_t*>(member) -
                                   reinterpret_cast<const std::uint8_t*>(&cpu_.st));
}

void Engine::setHeat(std::uint32_t passes) {
  heatOfEdges_ = passes;
  cpu_.area.heat.fill(passes);
}

Native* Engine::native(Block& block) { return translated(block, cpu_.st.gpr[kRipRegister]); }

Native* Engine::translated(Block& block, std::uint64_t rip) {
  for (Native* known = block.native; known != nullptr; known = known->next) {
    if (known->rip != rip || !known->flags.inState()) continue;
    if (isCurrent(*known)) return known;
    renew(block);
    if (known->follower == nullptr) return known;
    break;
  }
  if (!block.cached || !isFlatCode(block.mode)) return nullptr;
  if (block.runs < warm_) {
    // Its loop's other blocks are translated after that.
    if (const std::optional<std::uint64_t> start = Translator::loopStart(block, rip)) loops_.add(*start, rip);
    ++block.runs;
    return nullptr;
  }
  // sti holds interrupts back for one instruction: the block behind it is entered without a look at the requests.
  const Native* follower = nullptr;
  // Under -icount T0 does it, so that both engines make the same blocks.
  if (!cpu_.eachBlock_ && !cpu_.counts() && Translator::endsInSti(block) &&
      (block.physical & 0xfff) + block.bytes < 0x1000) {
    Block* const next = cpu_.blocks_->find(block.physical + block.bytes, block.mode);
    if (next != nullptr && !next->crosses() && !Translator::endsInSti(*next)) {
      next->runs = warm_;
      follower = translated(*next, rip + block.bytes);
    }
  }
  // Both are dropped together.
  if (follower != nullptr && cache_->generationOf(follower->entry) != cache_->now())
    follower = Translator(*this, *follower->block, follower->rip, nullptr, {}).translate();
  Native* const made = Translator(*this, block, rip, follower, {}).translate();
  announce(*made);
  return made;
}

void Engine::rewritten(const std::atomic<std::uint32_t>& version) {
  // A page with very many numbers must not use up the last ones before run() begins anew.
  if (pages_.exhausted()) return forgetPages();
  pages_.renumber(&version, [this](std::uint64_t address, std::uint32_t old, std::uint32_t now) {
    for (const auto& space : cpu_.spaces_) space->code.renumber(address, old, now);
  });
}

std::array<std::uint32_t, 2> Engine::pagesOf(const Block& block, std::uint64_t rip) {
  return {pages_.of(rip, block.version, block.mode),
          block.crosses() ? pages_.of((rip | 0xfff) + 1, block.secondVersion, block.mode) : 0};
}

// What the map holds is always the place's present number.
bool Engine::isCurrent(const Native& native) {
  const CodeMap& map = cpu_.space_->code;
  if (native.pages[0] == map.at(native.rip) && native.pages[1] == 0) return true;
  return native.pages == pagesOf(*native.block, native.rip);
}

// Its page was rewritten, and its bytes are what they were (BlockCache::renew). What it goes on in without a look at
// the code map may be another matter.
void Engine::renew(Block& block) {
  for (Native** place = &block.native; *place != nullptr;) {
    Native& known = **place;
    const std::array<std::uint32_t, 2> pages = pagesOf(block, known.rip);
    if (pages == known.pages) {
      place = &known.next;
      continue;
    }
    if (known.follower != nullptr) {
      // For good: nobody arrives with its number any more.
      *place = known.next;
      known.block = nullptr;
      continue;
    }
    known.pages = pages;
    for (unsigned n = 0; n < 2; ++n) {
      if (known.pagesAt[n] != 0) std::memcpy(cache_->writable(known.pagesAt[n]), &pages[n], 4);
    }
    for (std::uint32_t n = 0; n < known.sites; ++n) {
      Site& site = siteAt(known.firstSite + n);
      if (site.cold != 0) unlink(site);
    }
    place = &known.next;
  }
}

// Its jumps lead to their cold code again.
void Engine::unlink(Site& site) {
  const auto lead = [this](std::uint32_t place, std::uint32_t target) {
    const std::uint32_t distance = target - (place + 4);
    std::memcpy(cache_->writable(place), &distance, 4);
  };
  lead(site.where, site.cold);
  if (site.edge != 0) lead(site.via, site.via + 4);
  site.linked = false;
}

void Engine::announce(const Native& made) {
  if (cpu_.traced(cpu::TraceLog::kOutAsm)) traceMade(made);
  if (cpu_.environment().perfMap == nullptr) return;
  cpu_.environment().perfMap->add(cache_->address(made.arrival), made.bytes,
                                  fmt::format("guest-{}-{:#x}", cpu_.st.cpl == 3 ? "user" : "kernel", made.rip));
}

// The same block for flags that are elsewhere; nullptr: it has enough translations, or there is no room.
const Native* Engine::variant(const Native& plain, const FlagsAtEntry& flags) {
  constexpr unsigned kMostVariants = 6;
  unsigned count = 0;
  for (const Native* known = plain.block->native; known != nullptr; known = known->next, ++count) {
    if (known->rip == plain.rip && known->flags == flags) return known;
  }
  if (count >= kMostVariants || !cache_->hasRoom() || Translator::endsInSti(*plain.block)) return nullptr;
  const Native* const made = Translator(*this, *plain.block, plain.rip, nullptr, flags).translate();
  ++statistics_.variants;
  announce(*made);
  return made;
}

Fallback Engine::whyNot(const Block& block, const Native* native) const {
  if (native != nullptr) return Fallback::kMasks;
  if (!isFlatCode(block.mode)) return (block.mode & kModeSize) == 1 ? Fallback::kSegments : Fallback::kMode;
  return block.cached ? Fallback::kCold : Fallback::kAlone;
}

void Engine::selectSpace() {
  Area& area = cpu_.area;
  const auto tables = reinterpret_cast<std::uint64_t>(cpu_.tlb_->tables());
  area.tlb = tables;
  // The other level may be entered without a look here.
  const bool user = (cpu_.mode_ & kModeUser) != 0;
  area.useTables(user, tables);
  area.useTables(!user, reinterpret_cast<std::uint64_t>((user ? cpu_.systemTlb() : cpu_.space_->tlbs[0]).tables()));
  const bool watched = (cpu_.st.dr[7] & 0xff) != 0;
  area.userTlb = watched ? 0 : reinterpret_cast<std::uint64_t>(cpu_.space_->tlbs[0].tables());
  area.kernelTlb = watched ? 0 : reinterpret_cast<std::uint64_t>(cpu_.systemTlb().tables());
  area.codeMap = reinterpret_cast<std::uint64_t>(cpu_.space_->code.data());
  area.jumpKey = jumpKey(cpu_.mode_);
}

// Code of these pages was looked up just now: jumps from elsewhere find it from now on.
void Engine::enterPage(const Native& code) {
  for (unsigned n = 0; n < 2 && code.pages[n] != 0; ++n) {
    const std::uint64_t address = n == 0 ? code.rip : (code.rip | 0xfff) + 1;
    if (cpu_.space_->code.at(address) == code.pages[n]) continue;
    std::uint64_t where;
    const std::uint64_t expected = n == 0 ? code.block->physical : code.block->second;
    if (cpu_.executable(address, where) && (where ^ expected) >> 12 == 0)
      cpu_.space_->code.put(address, code.pages[n], cpu_.lastGlobal_);
  }
}

std::uint64_t Engine::targetOf(const Site& site) const {
  const Block& block = *site.native->block;
  const std::uint64_t target =
      site.native->rip + block.insns[site.index].end + static_cast<std::uint64_t>(std::int64_t{site.distance});
  return (block.mode & kModeSize) == 2 ? target : target & 0xffffffff;
}

void Engine::lead(std::uint32_t site, std::uint32_t place, std::uint32_t target) {
  const std::uint32_t distance = target - (place + 4);
  std::memcpy(cache_->writable(place), &distance, 4);
  std::vector<Incoming>& incoming = generations_[cache_->generationOf(target)].incoming;
  incoming.push_back({site, 0});
  // Code that is made good again again and again is linked each time, and needs no room that would end its generation.
  if (incoming.size() >= mostLinks_) tooManyLinks_ = true;
}

// Whoever comes from another page compares with the code map, as after a look into the table.
void Engine::leadToArrival(std::uint32_t site, Native& to) {
  lead(site, siteAt(site).where, to.arrival);
  std::vector<Incoming>& incoming = generations_[cache_->generationOf(to.arrival)].incoming;
  incoming.back().next = to.incoming;
  to.incoming = static_cast<std::uint32_t>(incoming.size());
}

// `old` was left at its start, and this is what is there now: its page has changed, or is another one. Links from other
// pages lead there from now on.
void Engine::supersede(Native& old, Native& by) {
  const unsigned generation = cache_->generationOf(old.arrival);
  for (std::uint32_t n = std::exchange(old.incoming, 0); n != 0;) {
    const Incoming incoming = generations_[generation].incoming[n - 1];
    n = incoming.next;
    if (incoming.site == kNoSite) continue;
    const std::uint32_t place = siteAt(incoming.site).where;
    std::uint32_t distance;
    std::memcpy(&distance, cache_->writable(place), 4);
    if (place + 4 + distance == old.arrival) leadToArrival(incoming.site, by);
  }
}

void Engine::link(std::uint32_t site, Native& to) {
  if (cpu_.eachBlock_) return;
  Site& from = siteAt(site);
  if ((to.rip ^ from.native->rip) >> 12 != 0 || to.block->crosses()) {
    ++statistics_.links;
    return leadToArrival(site, to);
  }
  // Who goes forward within the page need not look at requests: each way back does. Under -icount each
  // block looks, as the interpreter does, so that both take interrupts at the same instruction.
  const bool forward = to.rip > from.native->rip && !cpu_.counts();
  ++statistics_.links;
  // They stay there to the end of a block that needs them.
  const auto placeIn = [forward, live = from.native->vector](const Native& code) {
    if (!forward) return code.entry;
    return live && code.live != 0 ? code.live : code.checked;
  };
  const std::uint32_t plain = placeIn(to);
  if (from.edge == 0) return lead(site, from.where, plain);
  cpu_.area.heat[site % Area::kHeats] = heatOfEdges_;
  if (!from.linked) {
    from.linked = true;
    return lead(site, from.via, plain);
  }
  const std::uint32_t where = from.where;
  const FlagsAtEntry flags = generations_[site >> Generation::kSiteBits].edges[from.edge - 1];
  if (const Native* const better = variant(to, flags); better != nullptr)
    lead(site, where, placeIn(*better));
  else
    Translator::stopCounting(*cache_, from);
}

void Engine::run() {
  Cpu& cpu = cpu_;
  cpu.st.system &= ~kRf;
  using Enter = std::uint32_t (*)(std::uint64_t code);
  const auto enter = reinterpret_cast<Enter>(cache_->address(gates_.enter));
  std::uint32_t site = kNoSite;
  Native* left = nullptr;  // at its start
  std::uint64_t turns = turns_;
  for (;;) {
    if (!cache_->hasRoom() || cpu.blocks_->generationFull()) [[unlikely]]
      turnGeneration();
    if (pages_.exhausted() || tooManyLinks_) [[unlikely]]
      cpu.clearBlocks();
    if (wantsRaising_ && !raises_) [[unlikely]]
      beginRaising();
    if (pages_.full()) [[unlikely]]
      forgetPages();
    Block* block = cpu.lookUp();
    if (block == nullptr) [[unlikely]]
      return cpu.conclude(Outcome::kFault);
    if (turns != turns_) [[unlikely]] {
      turns = turns_;
      site = kNoSite;
      left = nullptr;
    }
    // Of a block that would be too much the beginning, instruction by instruction.
    if (cpu.counts() && block->count > cpu.area.budget) [[unlikely]]
      return cpu.singleCounted();
    Native* code = native(*block);
    if (cpu.eachBlock_) [[unlikely]]
      cpu.traceBlock(*block);
    Outcome outcome;
    if (code == nullptr || !hostRuns(*code)) {
      site = kNoSite;
      left = nullptr;
      ++statistics_.fallbacks[static_cast<std::size_t>(whyNot(*block, code))];
      // Under -icount a block is executed whole or not at all.
      if (code != nullptr && !cpu.counts()) wantsRaising_ = true;
      cpu.current_ = block;
      outcome = cpu.runOne(*block);
    } else {
      cpu.current_ = nullptr;
      selectSpace();
      // Direct jumps do not change the mode.
      if (left != nullptr && left != code && left->mode == block->mode) supersede(*left, *code);
      left = nullptr;
      enterPage(*code);
      if (site != kNoSite)
        link(site, *code);
      else
        fillJump(*code);
      ++statistics_.entries;
      site = enter(cache_->address(code->entry));
      outcome = Outcome::kIndirect;
      if (site == kStepped) {
        outcome = outcome_;
        site = kNoSite;
      } else if (site != kNoSite && (site & kIsNative) != 0) {
        left = &nativeAt(std::exchange(site, kNoSite));
        cpu.st.gpr[kRipRegister] = left->rip;
      } else if (site != kNoSite) {
        cpu.st.gpr[kRipRegister] = targetOf(siteAt(site));
      }
    }
    if (outcome > Outcome::kIndirect) [[unlikely]]
      return cpu.conclude(outcome);
    if (std::atomic_ref(cpu.st.pending).load(std::memory_order_relaxed) != 0) [[unlikely]]
      return cpu.conclude(outcome);
    if (cpu.counts() && cpu.area.budget <= 0) [[unlikely]]
      return cpu.conclude(outcome);
  }
}

Engine::Resume Engine::stepFromCode(Engine* engine, std::uint32_t site) { return engine->step(site); }

Engine::Filled Engine::fillFromCode(Engine* engine, std::uint64_t address, std::uint32_t write) {
  Cpu& cpu = engine->cpu_;
  // makeRefill() says what is at that place.
  const auto site = loadHost<std::uint32_t>(reinterpret_cast<const std::uint8_t*>(cpu.area.missedBy) + 12);  // NOLINT
  Filled filled{0, engine->siteAt(site).native->vector ? 1U : 0U};
  if (cpu.tlb_ == cpu.noTlb_.get() || !cpu.canonical(address)) return filled;
  std::uint64_t physical;
  if (!cpu.physical(address, write != 0 ? AccessKind::kWrite : AccessKind::kRead, cpu.who(), physical)) return filled;
  filled.host = reinterpret_cast<std::uint64_t>(cpu.tlb_->look(write != 0, address));
  if (filled.host != 0)
    ++engine->statistics_.misses;
  else
    cpu.justFound_ = {address & ~std::uint64_t{0xfff}, physical & ~std::uint64_t{0xfff},
                      write != 0 ? AccessKind::kWrite : AccessKind::kRead, cpu.who()};
  return filled;
}

// The block ends behind this instruction: what was counted of it at its start and is not executed.
void Engine::giveBack(const Site& at) {
  cpu_.stoppedBefore = false;
  if (cpu_.counts()) cpu_.spend(at.index + 1 - at.native->block->count);
}

// A window has missed Area::kCredit times. If that took no longer than looking each time would have, the loop does so
// from now on: its cold code looks in the table.
Engine::Resume Engine::worn(std::uint32_t site) {
  const WindowSite& at =
      generations_[site >> Generation::kSiteBits].windowSites[site & ((1U << Generation::kSiteBits) - 1)];
  // Of the host's ticks between misses. Where the block is the whole loop, a page's worth of rounds is soon gone
  // through, and a page of the stack holds a few calls.
  const std::uint64_t worthwhile = at.ends ? 64 : at.window == Area::kStack ? 256 : 1024;
  const std::uint64_t now = __builtin_ia32_rdtsc();
  std::uint64_t& before = wornAt_[at.user ? 0 : 1][at.write ? 1 : 0][at.window];
  if (now - before < worthwhile * Area::kCredit) leadToTable(at);
  before = now;
  cpu_.area.windows[at.user ? 0 : 1].credit[at.write ? 1 : 0][at.window] = Area::kCredit;
  return {cache_->address(at.resume), 1};
}

// One instruction by T0.
Engine::Resume Engine::step(std::uint32_t site) {
  if ((site & kIsWindowSite) != 0) return worn(site & ~kIsWindowSite);
  Cpu& cpu = cpu_;
  struct OnlyForThis {
    Cpu& cpu;
    ~OnlyForThis() { cpu.justFound_ = {}; }
  } const onlyForThis{cpu};
  const Site& at = siteAt(site);
  const Insn& insn = at.native->block->insns[at.index];
  // Others compute without the x87 unit: what it holds may stay there.
  const bool x87 = at.x87 && cpu.area.x87Live != 0;
  if (x87 && !at.replacesX87) x87ToState();
  if (at.x87 && at.native->x87) noteX87(at);
  singleInsns_[0] = insn;
  singleInsns_[1].exec = &execDone;
  singleInsns_[1].end = insn.end;
  singleInsns_[1].length = 0;
  cpu.st.gpr[kRipRegister] = at.native->rip;
  cpu.current_ = &single_;
  if (at.always)
    ++statistics_.byRow[insn.row];
  else
    ++statistics_.misses;
  outcome_ = insn.exec(cpu, singleInsns_.data());
  if (at.replacesX87 && outcome_ != Outcome::kFault) cpu.area.x87Live = 0;
  if (outcome_ != Outcome::kNext) {
    giveBack(at);
    // What comes next finds all in the state.
    if (!at.x87 && at.native->x87) noteX87(at);
    if (cpu.area.x87Live != 0) x87ToState();
    // An exception is delivered here, so that its handler is entered without leaving.
    cpu.conclude(outcome_);
    outcome_ = Outcome::kEdge;
    return goOn(at);
  }
  cpu.current_ = nullptr;
  // An instruction that serializes is one of those that T0 does: behind it nothing is run that another vCPU has
  // rewritten before.
  const bool rewritten = cpu.asked(cpu::kCode);
  if (rewritten || !hostRuns(*at.native)) {
    giveBack(at);
    if (rewritten && !at.x87 && at.native->x87) noteX87(at);
    if (cpu.area.x87Live != 0) x87ToState();
    cpu.st.gpr[kRipRegister] += insn.end;
    outcome_ = Outcome::kIndirect;
    return {};
  }
  // Who does not compute with it - a kernel's fxsave and fxrstor - leaves it where T0 has it, for whoever does.
  if (x87 && at.native->x87) x87FromState();
  return {cache_->address(at.where), at.native->vector ? 1U : 0U};
}

// Behind an instruction that ends its block and changes neither address space nor privilege, as long as it has not
// changed the mode or where this page's code is.
bool Engine::isFollowedAsEver(const Site& site) const {
  const Native& native = *site.native;
  return site.endsBlock && cpu_.mode_ == native.mode && cpu_.st.gpr[kRipRegister] == native.rip + native.block->bytes &&
         !native.x87 && native.pages[1] == 0 && cpu_.space_->code.at(native.rip) == native.pages[0];
}

// At a block's edge, where mode and address space may have changed: the next block, if it is known and nothing else is
// to be looked at (Cpu::run).
Engine::Resume Engine::goOn(const Site& behind) {
  Cpu& cpu = cpu_;
  if (std::atomic_ref(cpu.st.pending).load(std::memory_order_relaxed) != 0) return {};
  if (cpu.inhibit_ || cpu.inhibitDebug_ || cpu.breakpoints_ || cpu.pendingDr6_ != 0 || cpu.nmiWaits_ || cpu.shutDown_ ||
      cpu.waitsForStartup_ || cpu.halted() || (cpu.st.system & kTf) != 0 ||
      (cpu.interruptWaits_ && (cpu.st.system & kIf) != 0))
    return {};
  if (isFollowedAsEver(behind)) return {cache_->address(behind.where), 0};
  if (!isFlatCode(cpu.mode_)) return {};
  cpu.st.system &= ~kRf;
  selectSpace();
  const std::uint64_t rip = cpu.st.gpr[kRipRegister];
  // sysret on AMD's CPUs goes to such an address and faults there.
  if (cpu.st.mode64() && !cpu.canonical(rip)) return {};
  const JumpSlot* const slot = knownJump(rip);
  if (slot == nullptr) return {};
  return {slot->code, 0};
}

}  // namespace rhea::x86::t1
