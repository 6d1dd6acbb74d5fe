// Engine: translated code of one vCPU: what there is, how it is entered and left, and why some of it is not there.
//
// A T0 block that has run a few times is translated (translator.h). Translated blocks call each other; whatever they
// cannot do - a page that the soft TLB does not have, an instruction without a translation - is done by T0's function
// for that one instruction, on the whole State, and the block goes on behind it (step()).
#pragma once

#include <csignal>
#include <deque>
#include <unordered_map>

#include "target/x86/block.h"
#include "target/x86/t1/code-cache.h"
#include "target/x86/t1/emitter.h"
#include "target/x86/t1/loop-map.h"
#include "target/x86/t1/recipe.h"

namespace rhea::x86::t1 {

// Where a block finds the guest's flags: in the state, unless it was translated for edges that leave them elsewhere.
struct FlagsAtEntry {
  bool inHost = false;  // in the host's register
  Recipe recipe;        // or to be repeated

  bool inState() const { return !inHost && !recipe; }
  bool operator==(const FlagsAtEntry&) const = default;
};

// A translated block: of one T0 block at one virtual address, for one place of the flags.
struct Native {
  Block* block = nullptr;
  std::uint64_t rip = 0;
  std::uint32_t mode = 0;  // its block's, which may be gone
  // PageNumbers': of its page, and of the second one that it reaches into. Others than those places have now: one of
  // them was rewritten since.
  std::array<std::uint32_t, 2> pages{};
  std::uint32_t arrival = 0;  // in the cache: in front of the look at the code map, for jumps from other pages
  std::uint32_t entry = 0;    // behind it
  std::uint32_t checked = 0;  // behind the look at requests
  std::uint32_t live = 0;     // behind the look whether the vectors are in the host's registers; 0: no such place
  std::uint32_t bytes = 0;
  bool vector = false;  // needs the guest's xmm registers and MXCSR in the host's
  bool x87 = false;     // likewise the x87 registers
  FlagsAtEntry flags;
  Native* next = nullptr;
  // Where its arrival holds `pages` in the cache; 0: it does not.
  std::array<std::uint32_t, 2> pagesAt{};
  std::uint32_t firstSite = 0;  // of its sites, which follow each other
  std::uint32_t sites = 0;
  std::uint32_t left = 0;            // the cold code that leaves at its start
  std::uint32_t number = 0;          // which that says (Engine::nativeAt)
  std::uint32_t incoming = 0;        // the last of Generation::incoming that leads to its arrival; 0: none
  const Native* follower = nullptr;  // goes on there without a look at anything
};

// A place in translated code that the C++ side is told of by number: an instruction that T0 is to execute (and where to
// go on), or a direct jump whose target may be patched in.
struct Site {
  Native* native = nullptr;
  std::uint32_t where = 0;    // step: where to go on; link: the distance to patch
  std::uint32_t cold = 0;     // link: where it leads while nothing is patched in
  std::int32_t distance = 0;  // link: of its target from the instruction's end
  std::uint8_t index = 0;     // the instruction in the block
  bool always = false;        // T0 does it every time, not only when the fast path misses
  bool x87 = false;           // T0's function looks at the x87 state
  bool replacesX87 = false;   // fxrstor: all of it
  bool endsBlock = false;     // step: behind it is nothing but the jump to what follows
  // Of a link whose jump comes with flags that are not in the state. It leads to cold code that puts them there, whose
  // own jump `via` is patched first; once it has been passed often enough, `where` leads past that to a translation for
  // such flags. Counted from 1; 0: the flags are in the state.
  std::uint32_t edge = 0;
  std::uint32_t via = 0;
  bool linked = false;
};

// A link site, of any generation, that was led into a block of this one.
struct Incoming {
  std::uint32_t site = 0;
  std::uint32_t next = 0;  // of those to the same Native::arrival, counted from 1
};

// A probe that looks in a window first: where, its cold code, and where that goes on.
struct WindowSite {
  std::uint32_t probe = 0;
  std::uint32_t again = 0;
  std::uint32_t resume = 0;
  std::uint8_t window = 0;
  bool write = false;
  bool user = false;
  bool ends = false;  // in the block that jumps back
};

// What was translated since the one before it was full (CodeCache). Sites in translated code say theirs in their
// number's high bits. Its T0 blocks are of the same generation, or an older one that is still there.
struct Generation {
  static constexpr unsigned kSiteBits = 28;
  std::deque<Native> natives;
  std::vector<Site> sites;
  std::vector<FlagsAtEntry> edges;  // Site::edge
  std::vector<Incoming> incoming;
  std::vector<WindowSite> windowSites;
  // Instructions of the host that may raise what the guest has unmasked, and the cold code for then.
  std::unordered_map<std::uint32_t, std::uint32_t> raising;
};

// Why an instruction in translated code is T0's; counted as it is translated.
enum class Reason : std::uint8_t { kControl, kSystem, kOther, kCount };
// Why T0 ran a block; counted as it runs. kCold: not often enough yet. kMode: 16-bit code. kSegments: 32-bit code whose
// segments are not flat. kMasks: the guest wants exceptions of the x87 unit or of SIMD. kAlone: decoded for one time,
// as device memory is.
enum class Fallback : std::uint8_t { kCold, kMode, kSegments, kMasks, kAlone, kCount };

struct Statistics {
  std::uint64_t cacheUsed = 0, cacheSize = 0;  // bytes; in report()
  std::uint64_t blocks = 0, guestBytes = 0, hostBytes = 0, instructions = 0;
  std::uint64_t flushes = 0, dropped = 0, droppedBlocks = 0, unlinked = 0, misses = 0, entries = 0, links = 0,
                singles = 0, variants = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Reason::kCount)> leftToT0{};
  std::array<std::uint64_t, static_cast<std::size_t>(Fallback::kCount)> fallbacks{};
  std::vector<std::uint64_t> byRow;  // how often T0 executed an instruction without a translation

  Statistics& operator+=(const Statistics& other);
  // For `info jit`: lines.
  std::string describe() const;
};

class Engine {
 public:
  // Whether this build can leave C++ (not with sanitizers).
  static bool isBuilt();
  // With as much code as the Cpu's environment says. Error: the host gives no executable memory, or !isBuilt().
  static Result<std::unique_ptr<Engine>> make(Cpu& cpu);

  // On the vCPU's thread, before guest code is run: the host's GS base is this vCPU's state, and exceptions that it
  // raises are this engine's.
  void bind();
  // In place of Cpu::runBlocks().
  void run();
  // With the T0 blocks; never while translated code runs.
  void clear();
  // The page of RAM with this code version was: no code of it is arrived at any more, until somebody has looked at it
  // (renew()). On the vCPU's thread; who runs code of the page comes to a look or leaves.
  void rewritten(const std::atomic<std::uint32_t>& version);
  // ... as if all pages were.
  void forgetPages();

  const Statistics& statistics() const { return statistics_; }
  // With what the cache holds now; on the vCPU's thread.
  Statistics report() const;
  // The code of what was translated of guest addresses `first` to `last`, each block as if it lay at address 0.
  std::string listing(std::uint64_t first, std::uint64_t last) const;
  // T0 executes one instruction by itself: single step, breakpoints, a shadow of interrupts.
  void countSingle() { ++statistics_.singles; }
  // How often T0 runs a block before it is translated.
  void setWarm(std::uint16_t runs) { warm_ = runs; }
  // Links into one generation, at the most; then all is given up.
  void setMostLinks(std::size_t links) { mostLinks_ = links; }
  // Passes of an edge with flags that are not in the state until its target is translated for those.
  void setHeat(std::uint32_t passes);

 private:
  friend class Translator;
  struct Gates {
    std::uint32_t enter = 0, leave = 0, step = 0, walk = 0, loadVectors = 0, loadX87 = 0, lookAgain = 0;
    std::array<std::uint32_t, 2> refill{};  // reads, writes
    // stack-window.cc: users' and supervisors', reads and writes.
    struct Stack {
      std::uint32_t missed = 0, worn = 0, plain = 0;
    };
    std::array<std::array<Stack, 2>, 2> stack{};
  };
  // What the gate answers in place of a link site; with kIsNative: the block that was left at its start.
  static constexpr std::uint32_t kNoSite = 0xffffffff, kStepped = 0xfffffffe, kIsNative = 0x80000000;

  Engine(Cpu& cpu, std::unique_ptr<CodeCache> cache) : cpu_(cpu), cache_(std::move(cache)) {}
  void makeGates();
  void makeRefill(Emitter& e, bool write);
  // --- two-pages.cc
  void makeMovers(Emitter& e);
  void reachTwoPages(Emitter& e, bool write);
  void chooseMovers(Emitter& e);
  void makeLookAgain(Emitter& e);
  // --- stack-window.cc
  void makeStackWindow(Emitter& e, bool user, bool write);
  void leadToTable(const WindowSite& at);
  Native* native(Block& block);
  Site& siteAt(std::uint32_t number) {
    return generations_[number >> Generation::kSiteBits].sites[number & ((1U << Generation::kSiteBits) - 1)];
  }
  Native& nativeAt(std::uint32_t number) {
    const std::uint32_t index = number & ((1U << Generation::kSiteBits) - 1);
    return generations_[(number & ~kIsNative) >> Generation::kSiteBits].natives[index];
  }
  std::uint32_t addSite(const Site& site);
  std::uint32_t nextSite() const;
  std::uint32_t addWindowSite(const WindowSite& site);
  std::uint32_t addEdge(const FlagsAtEntry& flags);
  Native& addNative();
  void link(std::uint32_t site, Native& to);
  std::uint64_t targetOf(const Site& site) const;
  void lead(std::uint32_t site, std::uint32_t place, std::uint32_t target);
  void leadToArrival(std::uint32_t site, Native& to);
  void supersede(Native& old, Native& by);
  // --- generations.cc: the oldest one is dropped and becomes the present one. Only between blocks.
  void turnGeneration();
  void findDead(unsigned dropped, std::vector<Native*>& dead);
  static void forget(const Native& native);
  void undoLinks(unsigned dropped);
  void leaveAtOnce(Native& dead);
  // --- jump-table.cc
  // What is added to targets of this mode. Two canonical addresses never have the same sum with the keys of two modes,
  // nor one with a key an empty slot's 0. Of other addresses the guest would have to guess which do: the keys are
  // random.
  std::uint64_t jumpKey(std::uint32_t mode);
  void fillJump(const Native& to);
  const JumpSlot* knownJump(std::uint64_t rip);
  void traceMade(const Native& made) const;
  void selectSpace();
  void enterPage(const Native& code);
  // Where translated code goes on, 0: it is left. `vector`: in the same block, which needs the vectors in the host's
  // registers if they were there.
  struct Resume {
    std::uint64_t code = 0;
    std::uint64_t vector = 0;
  };
  // The numbers of WindowSites have this bit, too.
  static constexpr std::uint32_t kIsWindowSite = 0x80000000;
  static Resume stepFromCode(Engine* engine, std::uint32_t site);
  Resume step(std::uint32_t site);
  Resume worn(std::uint32_t site);
  // The host address of a byte of guest memory that the soft TLB did not have, as it has it now; 0: T0 sees to it.
  struct Filled {
    std::uint64_t host = 0;
    std::uint64_t vector = 0;  // who asks needs the vectors
  };
  static Filled fillFromCode(Engine* engine, std::uint64_t address, std::uint32_t write);
  void giveBack(const Site& at);
  Resume goOn(const Site& behind);
  bool isFollowedAsEver(const Site& site) const;
  Native* translated(Block& block, std::uint64_t rip);
  std::array<std::uint32_t, 2> pagesOf(const Block& block, std::uint64_t rip);
  bool isCurrent(const Native& native);
  void renew(Block& block);
  void unlink(Site& site);
  const Native* variant(const Native& plain, const FlagsAtEntry& flags);
  void announce(const Native& made);
  Fallback whyNot(const Block& block, const Native* native) const;
  // Whether the host may run what touches these: no exception is unmasked or pending.
  bool hostRuns(const Native& native) const;
  // --- host-exceptions.cc
  void beginRaising();
  void takeSignals() const;
  std::uint64_t coldCodeOf(std::uint64_t instruction) const;
  static void raisedOnHost(int signal, siginfo_t* info, void* context);
  void x87ToState();
  void x87FromState();
  static void x87ToStateFromCode(Engine* engine) { engine->x87ToState(); }
  static std::uint64_t x87FromStateFromCode(Engine* engine);
  // The instruction and data pointers as the x87 instructions before this one leave them.
  void noteX87(const Site& site);
  std::int32_t areaOffset(const void* member) const;

  Cpu& cpu_;
  std::unique_ptr<CodeCache> cache_;
  Gates gates_;
  std::array<std::uint32_t, 2> movers_{};  // of both pages: where one for no bytes would be
  std::array<Generation, CodeCache::kMostGenerations> generations_;
  std::uint64_t turns_ = 0;               // how often natives and sites were given up: those from before are gone
  std::array<unsigned, 2> nextWindow_{};  // of reads, of writes
  LoopMap loops_;
  struct JumpKey {
    std::uint32_t mode;
    std::uint64_t key;
  };
  std::vector<JumpKey> jumpKeys_;  // of the modes that there were
  unsigned nextWay_ = 0;           // of a set of jump slots that is full
  std::array<std::array<std::array<std::uint64_t, Area::kWindows + 1>, 2>, 2> wornAt_{};
  Statistics statistics_;
  std::uint16_t warm_ = 2;
  std::size_t mostLinks_ = std::size_t{1} << 20;
  bool tooManyLinks_ = false;
  // The guest has unmasked exceptions of the x87 unit or of SIMD: what is translated from then on knows what to do
  // where the host raises one.
  bool raises_ = false;
  bool wantsRaising_ = false;
  std::unique_ptr<std::uint8_t[]> signalStack_;
  std::uint32_t heatOfEdges_ = 2048;
  Outcome outcome_ = Outcome::kNext;
  Block single_;
  std::array<Insn, 2> singleInsns_;
  std::atomic<std::uint32_t> never_{0};
  PageNumbers pages_;
};

}  // namespace rhea::x86::t1
