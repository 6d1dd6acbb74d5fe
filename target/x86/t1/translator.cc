#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

// Rows that the host's CPU has: a table for the whole program, made at the first use and constant.
const RowSet& hostRows() {
  static const RowSet rows(hostModel());
  return rows;
}

bool ordinary(const Insn& insn) {
  return insn.exec != &execInvalid && insn.exec != &execTooLong && insn.exec != &execPrivileged &&
         insn.exec != &execNoDevice && insn.length != 0;
}

// Ends its block, but what the engine has noted of address space, tables and privilege holds behind it: in and out,
// wrmsr, clts, mov from control and debug registers, lgdt, lidt, invlpg.
bool staysInPlace(const Insn& insn) {
  const Pattern& p = rows()[insn.row].pattern;
  if (p.map == 0) return (p.opcode & 0xf4) == 0xe4;
  if (p.map != 1) return false;
  if (p.opcode == 0x01) return insn.memory() && (p.reg == 2 || p.reg == 3 || p.reg == 7);
  return p.opcode == 0x06 || p.opcode == 0x20 || p.opcode == 0x21 || p.opcode == 0x30;
}

}  // namespace

Translator::Translator(Engine& engine, Block& block, std::uint64_t rip, const Native* follower,
                       const FlagsAtEntry& flags)
    : engine_(engine),
      cpu_(engine.cpu_),
      block_(block),
      rip_(rip),
      wide_((block.mode & kModeSize) == 2),
      word_(wide_ ? 8 : 4),
      e_(engine.cache_->rest(), engine.cache_->place()),
      follower_(follower),
      entryFlags_(flags) {}

Native* Translator::translate() {
  native_ = &engine_.addNative();
  native_->block = &block_;
  native_->flags = entryFlags_;
  native_->rip = rip_;
  native_->mode = block_.mode;
  native_->firstSite = engine_.nextSite();
  native_->follower = follower_;
  for (unsigned n = 0; n < block_.count; ++n) {
    const Insn& insn = block_.insns[n];
    if (!ordinary(insn)) continue;
    copies_[n] = hostRows().has(insn.row) && describe(insn, facts_[n]) && isReachable(insn, facts_[n]);
    if (copies_[n] && facts_[n].mayFault && !facts_[n].x87 && !facts_[n].vector && facts_[n].align == 0)
      copies_[n] = false;
    if (facts_[n].vector && (copies_[n] || clearsVectors(insn))) native_->vector = true;
    if ((copies_[n] && facts_[n].x87) || changesEnvironment(insn) || loadsControlWord(insn)) native_->x87 = true;
    if (initialisesX87(insn)) native_->x87 = true;
    if (changesVectorControl(insn)) native_->vector = true;
    if (movesChosen(insn) && hostRows().has(insn.row)) {
      chosen_[n] = true;
      (movesChosenMmx(insn) ? native_->x87 : native_->vector) = true;
    }
    if (computesX87(insn)) lastX87_ = static_cast<int>(n);
  }
  const std::optional<std::uint64_t> loop = loopStart(block_, rip_);
  endsInLoop_ = loop.has_value();
  windows_ = endsInLoop_ || ((block_.mode & kModeUser) != 0 && engine_.loops_.has(rip_));
  loopsItself_ = !cpu_.eachBlock_ && loop == rip_;
  arrival();
  native_->entry = e_.here();
  prologue();
  for (unsigned next = 0; next < block_.count; next = index_ + 1) {
    index_ = next;
    if (const unsigned count = shared(); count != 0)
      index_ = next + count - 1;
    else
      instruction(index_);
  }
  if (!ended_) {
    jumpDirect(rip_ + block_.bytes);
  }
  edges();
  if (e_.overflow()) std::abort();
  native_->bytes = static_cast<std::uint32_t>(e_.size());
  CodeCache& cache = *engine_.cache_;
  cache.take(e_.size());
  const std::uint32_t far = cache.farPlace();
  e_ = Emitter({cache.writable(far), kMostCode}, far);
  coldCode();
  if (e_.overflow()) std::abort();
  cache.takeFar(e_.size());
  native_->sites = engine_.nextSite() - native_->firstSite;
  native_->next = block_.native;
  block_.native = native_;
  Statistics& statistics = engine_.statistics_;
  ++statistics.blocks;
  statistics.guestBytes += block_.bytes;
  statistics.hostBytes += native_->bytes + e_.size();
  statistics.instructions += block_.count;
  return native_;
}

std::optional<std::uint64_t> Translator::loopStart(const Block& block, std::uint64_t rip) {
  const Insn& last = block.insns[block.count - 1];
  const Pattern& p = rows()[last.row].pattern;
  const bool conditional = (p.map == 0 && (p.opcode & 0xf0) == 0x70) || (p.map == 1 && (p.opcode & 0xf0) == 0x80);
  const bool counted = p.map == 0 && (p.opcode & 0xfc) == 0xe0;
  const bool direct = p.map == 0 && (p.opcode == 0xe9 || p.opcode == 0xeb);
  if (!(conditional || counted || direct) || !ordinary(last)) return std::nullopt;
  const std::uint64_t target = targetOf(last, rip, (block.mode & kModeSize) == 2);
  if (target > rip || !isLinked(target, rip)) return std::nullopt;
  return target;
}

// Who comes from another page may have come to another address space, where other code is at this address, or to one
// that was rewritten, whose place has another number since.
void Translator::arrival() {
  native_->pages = engine_.pagesOf(block_, rip_);
  native_->arrival = e_.here();
  // Others are entered by links alone.
  if (!entryFlags_.inState()) return;
  e_.load(kTemp0, Mem::state(area(&cpu_.area.codeMap)));
  for (unsigned n = 0; n < 2 && native_->pages[n] != 0; ++n) {
    const std::size_t slot = CodeMap::slot(n == 0 ? rip_ : (rip_ | 0xfff) + 1);
    e_.op(0x81, 7, Mem::at(kTemp0, static_cast<std::int32_t>(slot * sizeof(std::uint32_t))), false);
    native_->pagesAt[n] = e_.here();
    e_.dword(native_->pages[n]);
    cold_.push_back({Cold::kLeave, e_.jumpIf(5), 0, rip_});
  }
}

// Leaves where somebody asks for something. That code of the page was rewritten is a request, too (Cpu::rewrote).
void Translator::lookAtRequests() {
  e_.bytes({0x65, 0x83});
  e_.modrm(7, Mem::state(offsetof(State, pending)));
  e_.byte(0);
  cold_.push_back({Cold::kLeave, e_.jumpIf(5), 0, rip_, coldRecipe()});
}

// A block that jumps to its own start has its vectors still.
void Translator::prologue() {
  atEntry();
  if (loopsItself_) liveChecks();
  loopEntry_ = e_.here();
  if (native_->vector && !native_->x87 && !loopsItself_ && !entryFlags_.inHost && !cpu_.counts()) {
    e_.bytes({0x65, 0x48, 0x83});  // cmp qword: `pending` and what is behind it
    e_.modrm(7, Mem::state(offsetof(State, pending)));
    e_.byte(0);
    loseFlags();
    cold_.push_back({Cold::kArrival, e_.jumpIf(5), 0, rip_, coldRecipe()});
    body_ = native_->live = e_.here();
    return;
  }
  // With flags in the host's register it is only entered behind the look.
  if (!entryFlags_.inHost) lookAtRequests();
  body_ = native_->checked = e_.here();
  if (!loopsItself_) liveChecks();
  // -icount: the whole block or nothing of it.
  if (cpu_.counts()) {
    keepFlags();
    loseFlags();
    e_.bytes({0x65, 0x48, 0x83});  // sub
    e_.modrm(5, Mem::state(area(&cpu_.area.budget)));
    e_.byte(block_.count);
    cold_.push_back({Cold::kCount, e_.jumpIf(0xc), 0, rip_, coldRecipe()});
  }
}

// The flags are where who jumps here has them.
void Translator::atEntry() {
  recipe_ = entryFlags_.recipe;
  flags_ = entryFlags_.inState() ? Flags::kState : recipe_ ? Flags::kRepeatable : Flags::kHost;
}

void Translator::lookForVectors() {
  e_.bytes({0x65, 0x83});
  e_.modrm(7, Mem::state(offsetof(State, vectorsAway)));
  e_.byte(0);
}

void Translator::liveChecks() {
  if (!native_->x87 && !native_->vector) return;
  keepFlags();
  loseFlags();
  if (native_->x87) {
    e_.bytes({0x65, 0x80});
    e_.modrm(7, Mem::state(area(&cpu_.area.x87Live)));
    e_.byte(0);
    cold_.push_back({Cold::kX87, e_.jumpIf(4), e_.here(), rip_, coldRecipe()});
  }
  if (native_->vector) {
    lookForVectors();
    cold_.push_back({Cold::kVectors, e_.jumpIf(5), e_.here(), rip_, coldRecipe()});
  }
}

// What 32-bit code has of its own: 16-bit addresses, segments that are not flat, VEX.W and a register's highest bit in
// an immediate, which mean nothing there, and a vzeroupper of half the registers.
bool Translator::isReachable(const Insn& insn, const Facts& facts) const {
  if (wide_) return true;
  if (clearsVectors(insn)) return false;
  const Row& row = rows()[insn.row];
  for (unsigned n = 0; n < row.operandCount; ++n) {
    const Operand& o = row.operands[n];
    const bool isGeneral = o.kind == OperandClass::kGpr || o.kind == OperandClass::kRm ||
                           o.kind == OperandClass::kRmRegister || o.kind == OperandClass::kVexGpr ||
                           o.kind == OperandClass::kImplied || o.size == OperandSize::kNatural;
    if (isGeneral && insn.w()) return false;
    if (o.kind == OperandClass::kIs4 && (insn.imm & 0x80) != 0) return false;
  }
  if (!insn.memory()) return true;
  if (insn.addressBytes() == 2) return false;
  switch (insn.segment()) {
    case kCs:
      return facts.memory == Facts::kNone || facts.memory == Facts::kRead;
    case kFs:
      return (block_.mode & kModeFs) != 0;
    case kGs:
      return (block_.mode & kModeGs) != 0;
    default:
      return true;
  }
}

void Translator::instruction(unsigned index) {
  const Insn& insn = block_.insns[index];
  ended_ = false;
  if (!ordinary(insn)) {
    stepped(Reason::kOther);
  } else if (copies_[index]) {
    copied(insn, facts_[index]);
  } else if (!own(insn)) {
    const Row& row = rows()[insn.row];
    stepped(row.is(kCpl0) ? Reason::kSystem : row.is(kEnd) ? Reason::kControl : Reason::kOther);
  }
  if (!ended_ && staysInPlace(insn)) {
    for (const std::uint32_t site : unresolved_) engine_.siteAt(site).endsBlock = true;
  }
  resumeHere();
}

void Translator::resumeHere() {
  for (const std::uint32_t site : unresolved_) engine_.siteAt(site).where = e_.here();
  unresolved_.clear();
}

std::uint32_t Translator::newSite(unsigned index) {
  Site site;
  site.native = native_;
  site.index = static_cast<std::uint8_t>(index);
  const Pattern& p = rows()[block_.insns[index].row].pattern;
  site.replacesX87 = p.map == 1 && p.opcode == 0xae && p.mod == 1 && p.reg == 1;
  site.x87 = copies_[index] ? facts_[index].x87 : factsOf(block_.insns[index]).x87;
  return engine_.addSite(site);
}

// One per instruction is enough.
std::uint32_t Translator::stepSite() {
  if (unresolved_.empty()) unresolved_.push_back(newSite(index_));
  return unresolved_.front();
}

// T0 does it, always.
void Translator::stepped(Reason reason) {
  ++engine_.statistics_.leftToT0[static_cast<std::size_t>(reason)];
  saveFlags();
  const std::uint32_t site = newSite(index_);
  engine_.siteAt(site).always = true;
  unresolved_.push_back(site);
  e_.constant(kTemp0, site);
  e_.jumpTo(engine_.gates_.step);
  flags_ = Flags::kBoth;
  recipe_ = {};
}

// The host register with the guest register's value: its own, or the temporary after a load.
std::uint8_t Translator::guestIn(std::uint8_t guest, std::uint8_t temporary) {
  if (!isDisplaced(guest)) return guest;
  e_.load(temporary, Mem::state(gprOffset(guest)));
  return temporary;
}

// Whether it may find its operand elsewhere if that reaches over a page's end: it is read once, and written at once.
// What locks the bus stays as it is, exchanges with memory among it.
bool Translator::mayUseCopy(const Insn& insn, const Facts& facts) {
  if (facts.memory == Facts::kNone || facts.memoryBytes < 2 || facts.memoryBytes > Area::kMostCopied) return false;
  if (facts.memory == Facts::kRead) return true;
  const Pattern& p = rows()[insn.row].pattern;
  return !insn.has(Insn::kLock) && !facts.x87 && !(p.map == 0 && (p.opcode & 0xfe) == 0x86);
}

void Translator::copied(const Insn& insn, const Facts& facts) {
  const bool needs = needsFlags(insn, facts);
  Place place;
  if (facts.addressOnly && rows()[insn.row].pattern.opcode == 0x8d && rows()[insn.row].pattern.map == 0)
    return insn.operandBytes() == 2 ? stepped(Reason::kOther) : leaCopy(insn);
  const bool memory = facts.memory != Facts::kNone;
  const Fate fate = facts.flagsWritten != 0 || (recipe_.inputs & facts.writes) != 0 ? fateFrom(index_ + 1) : Fate();
  const Recipe kept = facts.flagsWritten == 0 ? keepInputs(facts.writes, fate) : Recipe();
  if (memory) {
    if (sharedFrom_)
      place.disp = static_cast<std::int32_t>(distanceOf(insn) - *sharedFrom_);
    else
      place.disp = reach(insn, {facts.memoryBytes, facts.memory != Facts::kRead, facts.align, mayUseCopy(insn, facts),
                                isOnStack(insn)});
    place.base = kTemp0;
  }
  const std::uint32_t start = e_.here();
  // Displaced operands. With memory kTemp0 is taken.
  std::array<std::uint8_t, 3> free{kTemp1, kTemp2, kTemp0};
  const bool taken = memory || sharedFrom_;
  const std::size_t count = taken ? 2 : 3;
  std::size_t used = 0;
  const unsigned displaced = (facts.reads | facts.writes) & (1U << 10 | 1U << 11 | 1U << 15);
  if (static_cast<std::size_t>(std::popcount(displaced)) > count) return stepped(Reason::kOther);
  if (needs) needFlags(taken ? kTemp1 : kTemp0);
  Recipe left = recipeOf(insn, facts, recipe_);
  std::optional<std::uint8_t> keeps;
  bool loads = false;
  if (!left && facts.flagsWritten != 0 && isWanted(fate)) {
    left = recipeOfTarget(insn, facts, keeper(0), keeps);
    if (!left && mayLeaveBehind()) left = recipeOfOperand(insn, facts, keeper(0));
    loads = facts.memory != Facts::kNone && left;
  }
  if (facts.flagsWritten == 0)
    copyChanges(facts.writes, fate, kept);
  else if (needs)
    changes(facts.writes);
  for (const std::uint8_t guest : {std::uint8_t{10}, std::uint8_t{11}, std::uint8_t{15}}) {
    if ((displaced >> guest & 1) == 0) continue;
    place.map[guest] = free[used++];
    if ((facts.reads >> guest & 1) != 0) e_.load(place.map[guest], Mem::state(gprOffset(guest)));
  }
  if (loads) place.map[kLoaded] = kTemp1;
  std::array<std::uint8_t, kMostEncoded> bytes;
  const Encoded encoded = transcribe(loads ? onRegister(insn) : insn, place, bytes);
  if (!encoded.good) {
    // Nothing has been executed of it: T0 does it from here.
    return stepped(Reason::kOther);
  }
  if (keeps) e_.store(Mem::state(keeper(0).kept), place.map[*keeps]);
  if (loads) {
    const Mem operand = Mem::at(kTemp0, place.disp);
    const unsigned load = facts.memoryBytes == 1 ? kOpMovzxByte : facts.memoryBytes == 2 ? kOpMovzxWord : kOpMovLoad;
    e_.op(load, kTemp1, operand, facts.memoryBytes == 8);
    e_.store(Mem::state(keeper(0).kept), kTemp1);
    // T0 leaves the flags alone there, not the operand.
    for (const std::uint32_t site : unresolved_) cold_.push_back({Cold::kBehind, 0, site, nextRip(insn)});
    unresolved_.clear();
  }
  if (mayRaise(facts)) noteRaising(e_.here() + encoded.at);
  for (unsigned n = 0; n < encoded.size; ++n) e_.byte(bytes[n]);
  for (const std::uint8_t guest : {std::uint8_t{10}, std::uint8_t{11}, std::uint8_t{15}}) {
    if ((facts.writes >> guest & 1) != 0) e_.store(Mem::state(gprOffset(guest)), place.map[guest]);
  }
  if (memory && facts.memory != Facts::kRead && !sharedFrom_) written_.push_back({start, e_.here(), facts.memoryBytes});
  if (facts.flagsWritten != 0) {
    flags_ = Flags::kHost;
    recipe_ = left;
  }
  if (facts.x87) noteX87(insn);
}

// Registers and memory are as before it then; the flags are where they are here. T0 raises the exception. Where it
// finds none the block is left behind the instruction, as temporaries that the code behind may count on are gone.
void Translator::noteRaising(std::uint32_t at) {
  const std::uint32_t site = newSite(index_);
  engine_.siteAt(site).x87 |= native_->x87;
  const bool inHost = flags_ == Flags::kHost;
  cold_.push_back({Cold::kRaise, at, site, nextRip(block_.insns[index_]), inHost ? kNoRecipe : coldRecipe(), inHost});
}

}  // namespace rhea::x86::t1
