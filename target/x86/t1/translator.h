// Translator: one T0 block to host code. See docs/design/translator.md.
#pragma once

#include "target/x86/t1/engine.h"
#include "target/x86/t1/recipe.h"
#include "target/x86/t1/registers.h"
#include "target/x86/t1/transcribe.h"

namespace rhea::x86::t1 {

// Whether the x87 unit notes this instruction's address and opcode.
bool computesX87(const Insn& insn);
std::uint16_t x87Opcode(const Insn& insn);
// Whether T0 executes it and it may change what was noted; T0 is told of the notes before it.
bool changesX87Notes(const Insn& insn);

// maskmov*, vmaskmov*, vpmaskmov* and gathers; maskmovq.
bool movesChosen(const Insn& insn);
bool movesChosenMmx(const Insn& insn);

// fninit; fldcw; fldenv and fnstenv; ldmxcsr and stmxcsr.
bool initialisesX87(const Insn& insn);
bool loadsControlWord(const Insn& insn);
bool changesEnvironment(const Insn& insn);
bool changesVectorControl(const Insn& insn);

class Translator {
 public:
  // Hot and cold code of one block at the most: there must be so much room.
  static constexpr std::size_t kMostCode = CodeCache::kMostOfBlock;

  // `follower`: the translation of what follows a block that ends in sti.
  Translator(Engine& engine, Block& block, std::uint64_t rip, const Native* follower, const FlagsAtEntry& flags);
  static bool endsInSti(const Block& block);
  // Where a block's last instruction leads if it is a direct jump back within the page: it is part of a loop.
  static std::optional<std::uint64_t> loopStart(const Block& block, std::uint64_t rip);
  // There is no better way for this edge: it is passed without asking.
  static void stopCounting(const CodeCache& cache, const Site& edge);
  Native* translate();

 private:
  // What is behind the hot code: where a jump leads, and what is done there.
  struct Cold {
    enum Kind : std::uint8_t {
      kStep,
      kMissRead,
      kMissWrite,
      kSingly,
      kLink,
      kEdge,
      kLeave,
      kCount,
      kVectors,
      kX87,
      kWindow,
      kTarget,
      kRaise,
      kArrival,  // of a block that looks at requests and vectors at once
      kBehind    // where the site's step goes on
    } kind;
    std::uint32_t jump = 0;  // the distance to patch; kRaise: the host's instruction
    std::uint32_t site = 0;
    // Misses and kTarget: the place behind; kVectors and kX87: the block's address; kBehind and kRaise: the next
    // instruction's.
    std::uint64_t rip = 0;
    std::size_t recipe = kNoRecipe;
    bool fixed = false;        // misses: of an address that was known; kRaise: the flags are in the host's register
    std::uint32_t copied = 0;  // misses: the place behind for a copy of an operand of two pages; 0: a copy will not do
  };
  static constexpr std::size_t kNoRecipe = SIZE_MAX;
  // Where the guest's flags are. kBoth: in the host's register and in the state. kRepeatable: nowhere, but recipe_
  // brings them back. Whatever is said here, a recipe that there is holds.
  enum class Flags : std::uint8_t { kState, kHost, kBoth, kRepeatable };
  // Instructions under one probe, which are translated once more behind the hot code, each with a probe of its own: for
  // when the shared one misses.
  struct Shared {
    unsigned first = 0, count = 0;
    Flags flagsBefore = Flags::kState;
    Recipe recipe;           // before
    std::uint32_t back = 0;  // 0: control does not come back
    Flags flags = Flags::kState;
  };
  struct Access {
    unsigned bytes;
    bool write;
    unsigned align = 0;   // `bytes` is a multiple of it
    bool copied = false;  // a copy will do if it reaches over a page's end: Area::kMostCopied bytes, read once, at once
    bool stack = false;   // mostly in the page where others of the stack are, too
  };
  // An instruction that writes to its operand, from behind its probe to its end.
  struct Written {
    std::uint32_t start, end;
    unsigned bytes;
  };
  // What is behind a window that does not show the operand.
  struct WindowMiss {
    Cold::Kind kind;
    std::uint32_t site;
    std::size_t recipe;
    std::uint8_t window;
    std::uint32_t second;  // another jump that leads here, or 0
    std::uint32_t probe, back;
    Access access;
  };

  void arrival();
  void prologue();
  void atEntry();
  void liveChecks();
  void lookForVectors();
  void lookAtRequests();
  void instruction(unsigned index);
  void copied(const Insn& insn, const Facts& facts);
  void stepped(Reason reason);
  bool own(const Insn& insn);
  void coldCode();
  void edges();
  void passEdge(const Cold& cold);
  void leaveFor(const Cold& cold);
  void singly(const Shared& shared);

  // --- shared.cc: from index_ on. The number of instructions under one probe that were translated; 0: none.
  unsigned shared();
  unsigned pushes();
  unsigned pops();
  unsigned popped(unsigned first, unsigned count) const;
  unsigned neighbours();
  struct Range {
    std::int64_t low = 0, high = 0;
    unsigned align = 0;  // of the operand at `anchor`, the most of all
    std::int64_t anchor = 0;
    bool write = false;
    unsigned count = 0;  // instructions from index_ to the last of them that reaches memory
  };
  Range neighbourhood() const;
  bool widen(Range& range, const Insn& insn, const Facts& facts) const;
  bool staysInRegisters(unsigned index) const;

  // --- own instructions
  void clearVectors(const Insn& insn);
  void leaCopy(const Insn& insn);
  void moveOffset(const Insn& insn);
  // The stack grows down by one word to kTemp0, which is probed; it has grown only with claimWord().
  void probePush();
  void claimWord() { moveStack(-static_cast<std::int32_t>(word_)); }
  void moveStack(std::int32_t bytes) { e_.op(kOpLea, kHostRsp, Mem::at(kHostRsp, bytes), wide_); }
  void loadWord(std::uint8_t to, const Mem& from) { e_.op(kOpMovLoad, to, from, wide_); }
  void storeWord(const Mem& to, std::uint8_t from) { e_.op(kOpMovStore, from, to, wide_); }
  // Cut to an address's width.
  void moveWord(std::uint8_t to, std::uint8_t from) {
    if (to != from || !wide_) e_.op(kOpMovLoad, to, from, wide_);
  }
  void push(std::uint8_t guest);
  void pushMemory(const Insn& insn);
  void pushFlags();
  void popFlags();
  bool system(const Insn& insn);
  bool kernels(const Insn& insn);
  void needSystemCalls();
  void systemCall(const Insn& insn);
  void systemReturn();
  void interruptReturn();
  void compareDescriptor(const Area::Return::Half& expected);
  void returnLike(bool user);
  void changeLevel(bool user, unsigned shift, unsigned code, unsigned stack);
  void setLevel(bool user);
  void needCanonical();
  void lookUpIn(std::uint32_t mode);
  void moveDirection(bool down);
  void reachUsers(bool may);
  void clearTaskSwitched();
  void readSelector(const Insn& insn);
  void clearSegment(const Insn& insn);
  void readControl(const Insn& insn);
  void collectFlags(std::uint8_t to, std::uint8_t other);
  void storeArithmetic(std::uint8_t from, std::uint8_t other);
  void changeBit(const Insn& insn, unsigned opcode);
  void readTimeStamp(bool number);
  void identify();
  void enableInterrupts(const Insn& insn);
  void pushConstant(std::int64_t value);
  void pop(std::uint8_t guest);
  void leave();
  // --- own-msr.cc
  void findMsr(bool write);
  void readMsr();
  void writeMsr();
  // --- own-strings.cc
  bool string(const Insn& insn);
  void needUpwards();
  void oneString(const Insn& insn);
  void probeString(bool write, unsigned log);
  void repeated(unsigned prefix, unsigned opcode, unsigned size);
  void repeatMove(const Insn& insn, bool moves);
  void repeatRead(const Insn& insn, unsigned kind);
  // --- own-stack.cc: those that are not a push or pop of a register or constant.
  bool stack(const Insn& insn);
  void enter(const Insn& insn);
  void popMemory(const Insn& insn);
  void pushSelector(SegmentIndex segment);
  void pushAll();
  void popAll();

  // --- own-masked.cc
  bool chosenLanes(const Insn& insn);
  void probeChosen(const Insn& insn, unsigned bytes, bool write);
  void maskedMove(const Insn& insn);
  void storeAtRdi(const Insn& insn);
  void emitCopy(const Insn& insn, const Place& place);
  void gather(const Insn& insn);

  void divide(const Insn& insn, bool isSigned);
  void divideNarrow(const Insn& insn, bool isSigned);
  void translateByte();
  static bool isLinked(std::uint64_t target, std::uint64_t rip);
  bool isLinked(std::uint64_t target) const { return isLinked(target, rip_); }
  bool keepsFlagsTo(std::uint64_t target) const;
  void linkTo(std::uint32_t place, std::uint64_t target);
  void jumpDirect(std::uint64_t target);
  void jumpEither(const Insn& insn, unsigned condition);
  void jumpConditional(const Insn& insn, unsigned condition);
  void jumpCounter(const Insn& insn, unsigned opcode);
  void call(const Insn& insn);
  void jumpIndirect(const Insn& insn, bool call);
  void returnNear(std::uint32_t drop);

  // --- probe.cc
  // Into `to`; the register after it in the temporaries' order is used, too. `segment`: with its base.
  void loadAddress(const Insn& insn, std::uint8_t to = kTemp0, bool segment = true);
  // `most`: what the offset in `to` cannot exceed, if that is known.
  void addSegment(const Insn& insn, std::uint8_t to, std::uint64_t most = 0xffffffff);
  // What is known of an operand's address here: all of it, or its displacement from what its registers say.
  std::optional<std::uint64_t> fixedAddress(const Insn& insn) const;
  std::int64_t distanceOf(const Insn& insn) const;
  // The address in kTemp0 becomes a host address, after keepFlags(); uses all temporaries and the flags. A miss is a
  // step of the present instruction.
  void probe(const Access& access);
  void probe(const Access& access, const Cold& miss);
  // The same in a loop.
  const Area::Windows& windows() const;
  void probeWindow(const Access& access, const Cold& miss);
  void windowMissed(const WindowMiss& missed);
  // stack-window.cc
  void probeStack(const Access& access, const Cold& miss);
  void stackMissed(const WindowMiss& missed);
  // An operand where pushes and pops are, too. Those of loops have windows of their own, as several pages may be in
  // turn.
  bool isOnStack(const Insn& insn) const {
    return !windows_ && insn.base == kRsp && insn.index >= 16 && insn.segment() < kFs && insn.disp >= -256 &&
           insn.disp < 1024;
  }
  // The jumps that a distance from the window's page in kTemp0 takes when the operand is not within that page.
  void compareWindow(const Access& access, std::uint32_t& jump, std::uint32_t& second);
  // As far as the jump that is taken when it is not there; behind it kTemp1 points at the entry.
  std::uint32_t lookInTable(const Access& access);
  // The same for an address that is known, within a page: that page's host address.
  void probeFixed(std::uint64_t address, bool write, const Cold& miss);
  Cold missOf(const Access& access) {
    return {access.write ? Cold::kMissWrite : Cold::kMissRead, 0, stepSite(), 0, coldRecipe()};
  }
  // All of it for an instruction's operand: the displacement from kTemp0.
  std::int32_t reach(const Insn& insn, const Access& access);
  // --- flags.cc
  void saveFlags();
  void keepFlags();
  void needFlags(std::uint8_t temporary = kTemp0);
  void loseFlags();
  void repeatFlags();
  void repeatCold(std::size_t recipe);
  std::size_t coldRecipe();
  void changes(unsigned registers);
  // What becomes of the flags from an instruction on: overwritten before anybody could see them, read (before any of
  // the others), about to be lost in a probe, or there at the block's end.
  struct Fate {
    bool lost = false, read = false, probed = false, ended = false;
  };
  Fate fateFrom(unsigned first) const;
  // Whether a recipe is worth an instruction: a jump back needs one to pass flags on.
  bool isWanted(const Fate& fate) const { return fate.probed || (fate.ended && endsInLoop_); }
  // Whether a step may be followed by the block's end, behind any instruction.
  bool mayLeaveBehind() const { return !cpu_.counts() && !cpu_.eachBlock_ && !native_->x87; }
  Recipe keepInputs(unsigned registers, const Fate& fate);
  void copyChanges(unsigned registers, const Fate& fate, const Recipe& kept);
  Keeper keeper(unsigned number) const;
  bool needsFlags(const Insn& insn, const Facts& facts) const;
  bool areLostFrom(unsigned first, std::uint64_t flags) const;
  // The indirect target in kTemp1: compares with the table, kTemp2 is the slot; a miss is a step.
  void lookUpTarget();
  void compareTarget();
  void jumpToSlot();
  void resumeHere();

  // The host's instruction `at` may raise an exception that the guest has unmasked.
  bool mayRaise(const Facts& facts) const { return engine_.raises_ && (facts.vector || facts.x87); }
  void noteRaising(std::uint32_t at);

  void noteX87(const Insn& insn);
  void noteWhere(unsigned last);
  void copyControls(unsigned count);
  void needMasked();
  bool vectorControl(const Insn& insn);
  void initialiseX87();
  void loadControlWord(const Insn& insn);
  bool environment(const Insn& insn);
  std::uint8_t guestIn(std::uint8_t guest, std::uint8_t temporary);
  std::uint32_t newSite(unsigned index);
  std::uint32_t stepSite();
  void coldStep(std::uint32_t jump) { cold_.push_back({Cold::kStep, jump, stepSite(), 0, coldRecipe()}); }
  std::uint64_t ripOf(const Insn& insn) const { return rip_ + insn.end - insn.length; }
  std::uint64_t nextRip(const Insn& insn) const { return rip_ + insn.end; }
  static bool mayUseCopy(const Insn& insn, const Facts& facts);
  void writeCopy(std::uint32_t miss, std::uint32_t start);
  // Whether it works on the whole width of addresses and of the stack, as it does without prefixes.
  bool isNatural(const Insn& insn) const { return insn.operandBytes() == word_; }
  // vzeroupper and vzeroall.
  static bool clearsVectors(const Insn& insn) {
    const Pattern& p = rows()[insn.row].pattern;
    return p.map == 5 && p.opcode == 0x77 && insn.has(Insn::kVex);
  }
  bool isReachable(const Insn& insn, const Facts& facts) const;
  static std::uint64_t targetOf(const Insn& insn, std::uint64_t rip, bool wide) {
    const std::uint64_t target = rip + insn.end + static_cast<std::uint64_t>(insn.imm);
    return wide ? target : target & 0xffffffff;
  }
  std::uint64_t targetOf(const Insn& insn) const { return targetOf(insn, rip_, wide_); }
  // A direct jump to anywhere else is T0's, which raises #GP at the jump.
  bool canonicalTarget(const Insn& insn) const {
    return wide_ ? cpu_.canonical(targetOf(insn)) : insn.operandBytes() == 4;
  }
  std::int32_t area(const void* member) const { return engine_.areaOffset(member); }

  Engine& engine_;
  Cpu& cpu_;
  Block& block_;
  const std::uint64_t rip_;
  const bool wide_;      // 64-bit code, else 32-bit
  const unsigned word_;  // bytes of an address and of what push stores: 8 or 4
  Emitter e_;
  const Native* follower_;
  const FlagsAtEntry entryFlags_;
  Native* native_ = nullptr;
  std::vector<Cold> cold_;
  std::vector<WindowMiss> windowMisses_;
  std::vector<Written> written_;
  bool windows_ = false;         // probes look in windows
  bool hot_ = true;              // not behind the hot code
  bool endsInLoop_ = false;      // the block ends in a jump back within its page
  bool loopsItself_ = false;     // the block ends in a jump to its start
  std::uint32_t loopEntry_ = 0;  // which leads here
  std::uint32_t body_ = 0;
  std::vector<std::uint32_t> unresolved_;  // sites of the present instruction, which go on behind it
  Flags flags_ = Flags::kState;
  Recipe recipe_;
  std::vector<Recipe> recipes_;  // of cold code
  std::vector<Shared> shared_;
  std::optional<std::int64_t> sharedFrom_;  // kTemp0 is the host address of this one of Translator::distanceOf()
  unsigned index_ = 0;
  bool ended_ = false;  // control does not fall out of the code so far
  int lastX87_ = -1;    // the last instruction that the x87 unit notes
  std::array<Facts, BlockCache::kMostInsns> facts_;
  std::array<bool, BlockCache::kMostInsns> copies_{};
  std::array<bool, BlockCache::kMostInsns> chosen_{};  // movesChosen(), on a host that can
};

}  // namespace rhea::x86::t1
