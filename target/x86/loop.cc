// The loop: requests and interrupts at blocks' edges, blocks in between; lookup of blocks.
#include "target/x86/block.h"
#include "target/x86/cpu.h"
#include "target/x86/t1/engine.h"

namespace rhea::x86 {

Cpu::Cpu(unsigned index, const Environment& environment)
    : Vcpu(index, st.pending),
      environment_(environment),
      counts_(environment.settle != nullptr),
      noTlb_(std::make_unique<cpu::SoftTlb>()),
      tlb_(noTlb_.get()) {
  spaces_.push_back(std::make_unique<Space>());
  space_ = spaces_.front().get();
  blocks_ = std::make_unique<BlockCache>(*this, environment_.model, environment_.oneInsn);
  traceChanged();
  environment_.memory.listen(*this);
  adoptView();
  reset();
}

Cpu::~Cpu() {
  environment_.memory.forget(*this);
  for (const mem::RamBlockPtr& block : codeBlocks_) block->forget(*this);
}

void Cpu::mapChanged(const mem::FlatViewPtr& view) {
  {
    const std::lock_guard lock(viewMutex_);
    newView_ = view;
  }
  post(cpu::kMemoryMap);
}

void Cpu::adoptView() {
  take(cpu::kMemoryMap);
  {
    const std::lock_guard lock(viewMutex_);
    if (newView_ != nullptr) view_ = std::move(newView_);
    recent_ = recentRegisters_ = nullptr;
  }
  flushTlb(true);
  clearBlocks();
  watchCode();
}

// Of all that code may be decoded from.
void Cpu::watchCode() {
  if (engine_ == nullptr) return;
  std::vector<mem::RamBlockPtr> blocks;
  for (const mem::FlatRange& range : view_->ranges()) {
    const mem::RamBlockPtr& block = range.target.block;
    if (block != nullptr && std::ranges::find(blocks, block) == blocks.end()) blocks.push_back(block);
  }
  for (const mem::RamBlockPtr& block : blocks) block->watchCode(*this);
  for (const mem::RamBlockPtr& block : std::exchange(codeBlocks_, std::move(blocks))) block->forget(*this);
}

// A vCPU that is halted may not look for long, while others rewrite a page again and again: then all pages count as
// rewritten, which is a null.
void Cpu::codeRewritten(const std::atomic<std::uint32_t>& version) {
  constexpr std::size_t kMost = 1024;
  {
    const std::lock_guard lock(rewrittenMutex_);
    if (rewritten_.size() < kMost)
      rewritten_.push_back(&version);
    else
      rewritten_.back() = nullptr;
  }
  note(cpu::kCode);
}

void Cpu::takeRewritten() {
  take(cpu::kCode);
  std::vector<const std::atomic<std::uint32_t>*> versions;
  {
    const std::lock_guard lock(rewrittenMutex_);
    versions.swap(rewritten_);
  }
  if (!versions.empty() && versions.back() == nullptr) return engine_->forgetPages();
  for (const std::atomic<std::uint32_t>* const version : versions) engine_->rewritten(*version);
}

std::uint64_t Cpu::linearRip() const {
  const std::uint64_t rip = st.gpr[kRipRegister];
  return st.mode64() ? rip : (st.segments[kCs].base + rip) & 0xffffffff;
}

// Everything that depends on CR0, CR4, EFER, XCR0, CS and CPL.
void Cpu::updateMode() {
  const Segment& cs = st.segments[kCs];
  st.codeBytes = st.longMode() && cs.longMode() && !st.v86() ? 8 : cs.big() ? 4 : 2;
  std::uint32_t mode = st.codeBytes == 8 ? 2 : st.codeBytes == 4 ? 1 : 0;
  if (!st.protectedMode() || st.v86()) mode |= kModeNoTables;
  if ((st.cr0 & kCr0Ts) != 0) mode |= kModeTs;
  if ((st.cr0 & kCr0Em) != 0) mode |= kModeEm;
  if ((st.cr0 & kCr0Mp) != 0) mode |= kModeMp;
  if ((st.cr4 & kCr4Osfxsr) != 0) mode |= kModeOsfxsr;
  if ((st.cr4 & kCr4Osxsave) != 0 && (st.xcr0 & 6) == 6) mode |= kModeAvx;
  if (st.cpl == 0) mode |= kModeCpl0;
  if (st.cpl == 3) mode |= kModeUser;
  if (st.codeBytes != 8 && cs.limit != 0xffffffff) mode |= kModeLimit;
  mode_ = mode;
  updateFlat();
  breakpoints_ = false;
  for (unsigned n = 0; n < 4; ++n) {
    if ((st.dr[7] >> (n * 2) & 3) != 0 && (st.dr[7] >> (16 + n * 4) & 3) == 0) breakpoints_ = true;
  }
  selectTlb();
}

void Cpu::updateFlat() {
  mode_ &= ~static_cast<std::uint32_t>(kModeFlat | kModeFs | kModeGs);
  if ((mode_ & (kModeSize | kModeNoTables)) != 1) return;
  // Data that can be read and written, none that grows down.
  const auto isWhole = [this](SegmentIndex index) {
    const Segment& s = st.segments[index];
    return s.limit == 0xffffffff && (s.attributes & 0x9e) == 0x92;
  };
  const auto isFlat = [&](SegmentIndex index) { return st.segments[index].base == 0 && isWhole(index); };
  const Segment& cs = st.segments[kCs];
  const bool code = cs.base == 0 && cs.limit == 0xffffffff && cs.code() && (cs.type() & 2) != 0;
  if (code && isFlat(kSs) && st.segments[kSs].big() && isFlat(kDs) && isFlat(kEs)) mode_ |= kModeFlat;
  if (isWhole(kFs)) mode_ |= kModeFs;
  if (isWhole(kGs)) mode_ |= kModeGs;
}

bool Cpu::executable(std::uint64_t linear, std::uint64_t& to) {
  const std::uint64_t tag = (linear & ~std::uint64_t{0xfff}) | (st.cpl == 3 ? 1 : 0);
  ExecEntry& entry = space_->exec[(linear >> 12) % space_->exec.size()];
  if (entry.tag != tag || entry.flushes != space_->flushes[entry.physical & 1]) {
    if (!physical(linear, AccessKind::kExecute, who(), to)) return false;
    const std::size_t global = lastGlobal_ ? 1 : 0;
    entry = {tag, (to & ~std::uint64_t{0xfff}) | global, space_->flushes[global]};
  }
  to = (entry.physical & ~std::uint64_t{0xfff}) | (linear & 0xfff);
  lastGlobal_ = (entry.physical & 1) != 0;
  // Each time: an entry of a global page outlives what is noted here.
  pageWord(space_->codePages, linear) |= pageBit(linear);
  if (lastGlobal_)
    pageWord(globalCodePages_, linear) |= pageBit(linear);
  else if (st.cpl != 3)
    space_->ownKernel = true;
  return true;
}

void Cpu::clearBlocks() {
  blocks_->clear();
  if (engine_ != nullptr) engine_->clear();
  for (const auto& space : spaces_) dropJumps(*space);
  dropGlobalJumps();
}

void Cpu::dropBlocks(unsigned generation) {
  blocks_->turn(generation);
  for (const auto& space : spaces_) dropJumps(*space);
  dropGlobalJumps();
}

Block* Cpu::lookUp() {
  if (Block* known = knownBlock()) return known;
  const std::uint64_t linear = linearRip();
  last = nullptr;
  if (st.mode64()) {
    if (!canonical(linear)) {
      fail(kGeneralProtection);
      return nullptr;
    }
  } else if (st.gpr[kRipRegister] > st.segments[kCs].limit) {
    fail(kGeneralProtection);
    return nullptr;
  }
  std::uint64_t where;
  if (!executable(linear, where)) return nullptr;
  if (blocks_->full()) {
    clearBlocks();
  }
  const std::uint64_t decoded = blocks_->decoded();
  Block* block = blocks_->find(where, mode_);
  const bool fits =
      block != nullptr && (st.mode64() || st.gpr[kRipRegister] + block->bytes - 1 <= st.segments[kCs].limit);
  if (!fits) {
    if (block != nullptr || !isFlatCode(mode_)) return decodeOne(linear);
    std::uint64_t second;
    const std::uint64_t next = (linear | 0xfff) + 1;
    const bool isThere = st.mode64() ? canonical(next) : next <= 0xffffffff;
    if (next - linear > kLongestInsn - 1 || !isThere || placeOf(where).host == nullptr) return decodeOne(linear);
    if (!executable(next, second)) return nullptr;
    block = blocks_->crossing(where, second, mode_);
    if (block == nullptr) return decodeOne(linear);
  }
  if (traced(cpu::TraceLog::kInAsm) && blocks_->decoded() != decoded) [[unlikely]]
    traceDecoded(*block, linear);
  // Legacy code near its segment's limit is looked at each time.
  if ((mode_ & kModeLimit) == 0) {
    jumpEntry(linear) = {linear, mode_, jumpsNow(), block};
  }
  return block;
}

// One instruction, its bytes fetched one page after the other: it may cross into a page with another mapping, or lie in
// device memory.
Block* Cpu::decodeOne(std::uint64_t linear) {
  std::array<std::uint8_t, kLongestInsn> bytes{};
  std::uint64_t most = bytes.size();
  if (!st.mode64()) {
    const std::uint64_t left = st.segments[kCs].limit - st.gpr[kRipRegister] + 1;
    most = std::min(left, most);
  }
  std::size_t got = 0;
  last = nullptr;
  while (got < most) {
    const std::uint64_t at = st.mode64() ? linear + got : (linear + got) & 0xffffffff;
    std::uint64_t where;
    if (st.mode64() && !canonical(at)) {
      fail(kGeneralProtection);
      return nullptr;
    }
    if (!executable(at, where)) return nullptr;
    const std::size_t piece = std::min<std::size_t>(most - got, 0x1000 - (at & 0xfff));
    accessPhysical(where, bytes.data() + got, piece, AccessKind::kExecute);
    got += piece;
    if (Block* block = blocks_->single({bytes.data(), got}, mode_)) return block;
  }
  // The segment's limit, or 15 bytes and no end.
  fail(kGeneralProtection);
  return nullptr;
}

// The rest of the block that runs is not executed any more; the block is stale from now on.
void Cpu::stopBlock() {
  if (current_ == nullptr) return;
  for (unsigned n = 0; n <= current_->count; ++n) current_->insns[n].exec = &execStop;
  current_->renewable = false;
  if (current_->cached) current_->seen = current_->version->load() - 1;
}

void Cpu::conclude(Outcome outcome) {
  current_ = nullptr;
  if (outcome != Outcome::kFault) return;
  if (last != nullptr) st.gpr[kRipRegister] = rip(*last);
  deliver(fault_, EventKind::kFault);
}

void Cpu::runBlocks() {
  st.system &= ~kRf;
  Block* block = lookUp();
  for (;;) {
    if (block == nullptr) [[unlikely]]
      return conclude(Outcome::kFault);
    current_ = block;
    if (eachBlock_) [[unlikely]]
      traceBlock(*block);
    const Outcome outcome = block->insns[0].exec(*this, block->insns);
    block = current_;  // of those that were executed the last one
    instructions_ += block->count;
    if (outcome > Outcome::kIndirect) [[unlikely]]
      return conclude(outcome);
    if (std::atomic_ref(st.pending).load(std::memory_order_relaxed) != 0) [[unlikely]]
      return conclude(outcome);
    if (outcome == Outcome::kIndirect) {
      block = lookUp();
      continue;
    }
    const std::size_t exit = outcome == Outcome::kLinked1 ? 1 : 0;
    Block*& link = block->link[exit];
    if (link != nullptr && !link->stale()) [[likely]] {
      block = link;
      continue;
    }
    const unsigned generation = blocks_->generation();
    // Where the exit leads, counted from the page's start.
    const std::int64_t to =
        static_cast<std::int64_t>(block->physical & 0xfff) + last->end + (outcome == Outcome::kLinked1 ? last->imm : 0);
    Block* next = lookUp();
    // Within the page a link needs no translation. 16-bit code may wrap around. If the blocks were given up in between,
    // this one is gone.
    if (next != nullptr && generation == blocks_->generation() && next->cached && block->cached && !next->crosses() &&
        st.codeBytes != 2 && (mode_ & kModeLimit) == 0) {
      if (to >= 0 && to < 0x1000)
        link = next;
      else
        block->away[exit] = true;
    }
    block = next;
  }
}

bool Cpu::breakpointHere() {
  if ((st.system & kRf) != 0) return false;
  const std::uint64_t linear = linearRip();
  std::uint64_t hit = 0;
  for (unsigned n = 0; n < 4; ++n) {
    if ((st.dr[7] >> (n * 2) & 3) != 0 && (st.dr[7] >> (16 + n * 4) & 0xf) == 0 && st.dr[n] == linear) hit |= 1U << n;
  }
  if (hit == 0) return false;
  deliver({kDebugException, 0, 0, hit}, EventKind::kFault);
  return true;
}

// One instruction by itself: single step, breakpoints, the shadow behind sti and mov ss.
void Cpu::runSingle() {
  inhibit_ = false;
  const bool shadowDebug = std::exchange(inhibitDebug_, false);
  if (breakpoints_ && !shadowDebug && breakpointHere()) return;
  const bool trap = (st.system & kTf) != 0;
  stepDecided_ = false;
  st.system &= ~kRf;
  std::uint64_t where;
  Block* block = nullptr;
  last = nullptr;
  const bool inLimit = st.mode64() ? canonical(linearRip()) : st.gpr[kRipRegister] <= st.segments[kCs].limit;
  if (!inLimit)
    fail(kGeneralProtection);
  else if (executable(linearRip(), where))
    block = decodeOne(linearRip());
  if (block == nullptr) return conclude(Outcome::kFault);
  current_ = block;
  const Outcome outcome = block->insns[0].exec(*this, block->insns);
  ++instructions_;
  conclude(outcome);
  if (outcome != Outcome::kFault && trap && !inhibitDebug_ && !stepDecided_) pendingDr6_ |= 0x4000;
}

void Cpu::takeInterrupts() {
  if (pendingDr6_ != 0 && !inhibitDebug_) {
    const std::uint64_t dr6 = std::exchange(pendingDr6_, 0);
    deliver({kDebugException, 0, 0, dr6}, EventKind::kTrap);
  }
  if (inhibit_) return;
  if (nmiWaits_ && !nmiBlocked_) {
    nmiWaits_ = false;
    nmiBlocked_ = true;
    halted_.store(false, std::memory_order_relaxed);
    deliver({kNmiException, 0, 0, 0}, EventKind::kExternal);
    return;
  }
  if (!interruptWaits_ || (st.system & kIf) == 0 || interrupts() == nullptr) return;
  const std::optional<std::uint8_t> vector = interrupts()->acknowledge();
  interruptWaits_ = vector.has_value() && interrupts()->pending();
  if (!vector) return;
  halted_.store(false, std::memory_order_relaxed);
  deliver({*vector, 0, 0, 0}, EventKind::kExternal);
}

// false: leave run().
bool Cpu::handleRequests() {
  const std::uint32_t wanted = pending();
  if ((wanted & cpu::kWrites) != 0) dropOwedWrites();
  if ((wanted & cpu::kMemoryMap) != 0) adoptView();
  if ((wanted & cpu::kCode) != 0) takeRewritten();
  if ((wanted & cpu::kWork) != 0) doWork();
  if ((wanted & cpu::kReset) != 0) {
    take(cpu::kReset);
    reset();
  }
  if ((wanted & cpu::kInit) != 0) {
    take(cpu::kInit);
    init();
  }
  if ((wanted & cpu::kStartup) != 0 && take(cpu::kStartup) != 0 && waitsForStartup_) {
    waitsForStartup_ = false;
    halted_.store(false, std::memory_order_relaxed);
    st.segments[kCs].selector = static_cast<std::uint16_t>(startVector() << 8);
    st.segments[kCs].base = static_cast<std::uint64_t>(startVector()) << 12;
    st.gpr[kRipRegister] = 0;
  }
  if ((wanted & cpu::kNmi) != 0) {
    take(cpu::kNmi);
    nmiWaits_ = true;
  }
  if ((wanted & cpu::kInterrupt) != 0) {
    take(cpu::kInterrupt);
    interruptWaits_ = true;
  }
  take(cpu::kSmi | cpu::kMachineCheck | cpu::kWatched);  // there is no system management mode
  return (wanted & (cpu::kPause | cpu::kEnd)) == 0;
}

bool Cpu::translationIsBuilt() { return t1::Engine::isBuilt(); }

Result<void> Cpu::translateCode() {
  RHEA_TRY(engine_, t1::Engine::make(*this));
  watchCode();
  traceChanged();
  return success();
}

void Cpu::run() {
  if (engine_ != nullptr) engine_->bind();
  for (;;) {
    if (pending() != 0 && !handleRequests()) return;
    if (waitsForStartup_ || shutDown_) {
      wait(~0U);
      continue;
    }
    takeInterrupts();
    if (halted()) {
      if (pending() == 0) wait(~0U);
      continue;
    }
    if (inhibit_ || breakpoints_ || (st.system & kTf) != 0) {
      if (engine_ != nullptr) engine_->countSingle();
      runSingle();
    } else if (engine_ != nullptr) {
      engine_->run();
    } else {
      runBlocks();
    }
  }
}

std::uint64_t Cpu::left() const {
  std::int64_t& budget = const_cast<std::int64_t&>(area.budget);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(std::atomic_ref(budget).load(std::memory_order_relaxed), 0));
}

// Instructions that a block has begun, of which the last one may have faulted.
std::int64_t Cpu::executedOf(const Block& block) {
  const bool before = std::exchange(stoppedBefore, false);
  return std::min<std::int64_t>(last - block.insns + (before ? 0 : 1), block.count);
}

void Cpu::singleCounted() {
  const std::uint64_t before = instructions_;
  runSingle();
  spend(static_cast<std::int64_t>(instructions_ - before));
}

// A block, and of those that follow what goes on by itself.
Outcome Cpu::runOne(Block& block) {
  current_ = &block;
  if (!counts_) {
    const Outcome outcome = block.insns[0].exec(*this, block.insns);
    instructions_ += current_->count;  // of those that were executed the last one
    return outcome;
  }
  spend(block.count);
  stoppedBefore = false;
  const Outcome outcome = block.insns[0].exec(*this, block.insns);
  const std::int64_t executed = executedOf(block);
  spend(executed - block.count);
  instructions_ += static_cast<std::uint64_t>(executed);
  return outcome;
}

// A block is executed only where all of it may be: what is left goes one by one, so that the count is exact.
void Cpu::runCounted() {
  st.system &= ~kRf;
  for (;;) {
    Block* const block = lookUp();
    if (block == nullptr) [[unlikely]]
      return conclude(Outcome::kFault);
    if (block->count > area.budget) return singleCounted();
    if (eachBlock_) [[unlikely]]
      traceBlock(*block);
    const Outcome outcome = runOne(*block);
    if (outcome > Outcome::kIndirect || area.budget <= 0) return conclude(outcome);
    if (std::atomic_ref(st.pending).load(std::memory_order_relaxed) != 0) return conclude(outcome);
  }
}

void Cpu::runFor(std::uint64_t most) {
  if (engine_ != nullptr) engine_->bind();
  std::atomic_ref(area.budget).store(static_cast<std::int64_t>(most), std::memory_order_relaxed);
  for (;;) {
    if (pending() != 0 && !handleRequests()) break;
    if (asked(cpu::kTurn) || waitsForStartup_ || shutDown_) break;
    takeInterrupts();
    if (halted() && pending() != 0) continue;
    if (halted() || area.budget <= 0) break;
    if (inhibit_ || breakpoints_ || (st.system & kTf) != 0) {
      if (engine_ != nullptr) engine_->countSingle();
      singleCounted();
    } else if (engine_ != nullptr) {
      engine_->run();
    } else {
      runCounted();
    }
  }
}

void Cpu::step() {
  if (pending() != 0) handleRequests();
  takeInterrupts();
  if (!halted() && !waitsForStartup_ && !shutDown_) runSingle();
}

}  // namespace rhea::x86
