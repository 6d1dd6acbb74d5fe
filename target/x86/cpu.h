// Cpu: the x86 virtual CPU: state, guest memory as instructions reach it, faults, and the loop that runs blocks.
//
// Memory for an instruction's function:
//   T value;
//   if (!cpu.read(i, value)) return Outcome::kFault;          // the operand that ModRM names (T: 1 to 8 bytes)
//   if (!cpu.readBytes(i, buffer, 16)) return Outcome::kFault;
//   if (!cpu.load(linearAddress, value, kSs)) ...             // at an address of one's own
// A false answer means: the guest's fault is recorded, return Outcome::kFault, nothing must have changed.
#pragma once

#include <set>

#include "emu/cpu/soft-tlb.h"
#include "emu/cpu/vcpu.h"
#include "emu/mem/known-registers.h"
#include "target/x86/code-map.h"
#include "target/x86/environment.h"
#include "target/x86/fault.h"
#include "target/x86/insn.h"
#include "target/x86/large-regions.h"
#include "target/x86/raw.h"
#include "target/x86/register-pages.h"
#include "target/x86/state.h"
#include "target/x86/t1/area.h"

namespace rhea::x86 {

enum class AccessKind : std::uint8_t { kRead, kWrite, kExecute };
enum class Privilege : std::uint8_t { kByCpl, kSystem };  // kSystem: descriptor tables, TSS: supervisor whatever CPL is

struct Block;
class BlockCache;
namespace t1 {
class Engine;
class Translator;
}  // namespace t1

class Cpu final : public cpu::Vcpu, private mem::AddressSpace::Listener, private mem::RamBlock::CodeWatcher {
 public:
  Cpu(unsigned index, const Environment& environment);
  ~Cpu() override;

  State st;
  t1::Area area;  // of translated code, which reaches both from one base

  // --- faults: each records and gives kFault
  Outcome raise(Exception vector, std::uint32_t error = 0) {
    fault_ = {vector, error, 0, 0};
    return Outcome::kFault;
  }
  Outcome undefined() { return raise(kInvalidOpcode); }
  Outcome generalProtection(std::uint32_t error = 0) { return raise(kGeneralProtection, error); }
  bool fail(Exception vector, std::uint32_t error = 0) {
    raise(vector, error);
    return false;
  }
  const Fault& fault() const { return fault_; }

  // --- where the instruction is
  std::uint64_t rip(const Insn& i) const { return st.gpr[kRipRegister] + i.end - i.length; }
  std::uint64_t nextRip(const Insn& i) const { return st.gpr[kRipRegister] + i.end; }
  // Ends the block behind this instruction and makes the loop look at everything anew.
  Outcome edge(const Insn& i) {
    st.gpr[kRipRegister] = nextRip(i);
    return Outcome::kEdge;
  }

  // --- registers. `at` is the byte offset that Insn::reg, rm and vvvv hold.
  template <class T>
  T gpr(std::uint8_t at) const {
    T value;
    std::memcpy(&value, reinterpret_cast<const std::uint8_t*>(st.gpr.data()) + at, sizeof(T));
    return value;
  }
  // 32 bits clear the upper half, 8 and 16 leave the rest.
  template <class T>
  void setGpr(std::uint8_t at, T value) {
    if constexpr (sizeof(T) == 4) {
      const std::uint64_t wide = static_cast<std::uint32_t>(value);
      std::memcpy(reinterpret_cast<std::uint8_t*>(st.gpr.data()) + at, &wide, 8);
    } else {
      std::memcpy(reinterpret_cast<std::uint8_t*>(st.gpr.data()) + at, &value, sizeof(T));
    }
  }

  // --- the memory operand
  std::uint64_t effective(const Insn& i) const {
    return st.gpr[i.base] + (st.gpr[i.index] << (i.scale & 3)) +
           static_cast<std::uint64_t>(static_cast<std::int64_t>(i.disp));
  }
  // The linear address of the operand: segment base, address size, limit. `size` bytes are going to be accessed there.
  bool linear(const Insn& i, std::size_t size, AccessKind kind, std::uint64_t& address) {
    if (i.slowAddress()) [[unlikely]]
      return segmented(i.segment(), effectiveMasked(i), size, kind, address);
    address = effective(i);
    return true;
  }
  std::uint64_t effectiveMasked(const Insn& i) const;
  // Offset in a segment to linear address, with limit and type checks where the mode has them.
  bool segmented(SegmentIndex segment, std::uint64_t offset, std::size_t size, AccessKind kind, std::uint64_t& address);

  template <class T>
  bool read(const Insn& i, T& value) {
    std::uint64_t address;
    return linear(i, sizeof(T), AccessKind::kRead, address) && load(address, value, i.segment());
  }
  template <class T>
  bool write(const Insn& i, T value) {
    std::uint64_t address;
    return linear(i, sizeof(T), AccessKind::kWrite, address) && store(address, value, i.segment());
  }
  bool readBytes(const Insn& i, void* to, std::size_t size) {
    std::uint64_t address;
    return linear(i, size, AccessKind::kRead, address) && loadBytes(address, to, size, i.segment());
  }
  bool writeBytes(const Insn& i, const void* from, std::size_t size) {
    std::uint64_t address;
    return linear(i, size, AccessKind::kWrite, address) && storeBytes(address, from, size, i.segment());
  }

  // --- memory at a linear address; `segment` decides between #SS and #GP for an address that is not canonical
  template <class T>
  bool load(std::uint64_t address, T& value, SegmentIndex segment = kDs) {
    if (const std::uint8_t* host = tlb_->findRead(address, sizeof(T))) [[likely]] {
      value = loadHost<T>(host);
      return true;
    }
    return loadSlow(address, &value, sizeof(T), segment);
  }
  template <class T>
  bool store(std::uint64_t address, T value, SegmentIndex segment = kDs) {
    if (std::uint8_t* host = tlb_->findWrite(address, sizeof(T))) [[likely]] {
      storeHost<T>(host, value);
      return true;
    }
    return storeSlow(address, &value, sizeof(T), segment);
  }
  bool loadBytes(std::uint64_t address, void* to, std::size_t size, SegmentIndex segment = kDs) {
    if (const std::uint8_t* host = tlb_->findRead(address, size)) [[likely]] {
      std::memcpy(to, host, size);
      return true;
    }
    return loadSlow(address, to, size, segment);
  }
  bool storeBytes(std::uint64_t address, const void* from, std::size_t size, SegmentIndex segment = kDs) {
    if (std::uint8_t* host = tlb_->findWrite(address, size)) [[likely]] {
      std::memcpy(host, from, size);
      return true;
    }
    return storeSlow(address, from, size, segment);
  }
  // Calls change(T& place) on the operand in place, so that a locked host instruction there is atomic among vCPUs; on a
  // copy where the place is no plain memory or two pieces of it. The write permission is checked before the read.
  template <class T, class Change>
  Outcome modify(const Insn& i, Change change) {
    std::uint64_t address;
    if (!linear(i, sizeof(T), AccessKind::kWrite, address)) return Outcome::kFault;
    return modifyAt<T>(address, i.segment(), change);
  }
  template <class T, class Change>
  Outcome modifyAt(std::uint64_t address, SegmentIndex segment, Change change) {
    std::uint8_t* host = tlb_->findWrite(address, sizeof(T));
    if (host == nullptr) [[unlikely]] {
      if (!writable(address, sizeof(T), segment, host)) return Outcome::kFault;
      if (host == nullptr) {
        Outcome outcome = Outcome::kFault;
        const auto onCopy = [&] {
          InPlace<T> copy;
          if (!loadSlow(address, &copy, sizeof(T), segment)) return;
          change(copy);
          if (storeSlow(address, &copy, sizeof(T), segment)) outcome = Outcome::kNext;
        };
        // No host instruction changes two pieces of memory at once, so nobody else runs meanwhile.
        if ((address & 0xfff) + sizeof(T) > 0x1000 && environment_.alone)
          environment_.alone(*this, onCopy);
        else
          onCopy();
        return outcome;
      }
      change(*reinterpret_cast<InPlace<T>*>(host));
      stored();
      return Outcome::kNext;
    }
    change(*reinterpret_cast<InPlace<T>*>(host));
    return Outcome::kNext;
  }
  // Whether `size` bytes may be written; `host` is their place where they lie in one piece of RAM, else nullptr.
  // Whoever stores there says so at once afterwards: stored().
  bool writable(std::uint64_t address, std::size_t size, SegmentIndex segment, std::uint8_t*& host);
  void stored();
  // As `writable`, for reading.
  bool readable(std::uint64_t address, std::size_t size, SegmentIndex segment, const std::uint8_t*& host);
  // Supervisor accesses to descriptor tables and the like.
  bool loadSystem(std::uint64_t address, void* to, std::size_t size);
  bool storeSystem(std::uint64_t address, const void* from, std::size_t size);

  // --- stack of the present SS
  bool push(std::uint64_t value, std::size_t size);
  bool pop(std::uint64_t& value, std::size_t size);
  std::uint64_t stackMask() const {
    return st.mode64() ? ~std::uint64_t{0} : st.segments[kSs].big() ? 0xffffffffU : 0xffffU;
  }
  void setStackPointer(std::uint64_t value) {
    const std::uint64_t mask = stackMask();
    if (mask == 0xffff)
      st.gpr[kRsp] = (st.gpr[kRsp] & ~mask) | (value & mask);
    else
      st.gpr[kRsp] = value & mask;
  }
  bool canonical(std::uint64_t address) const {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(address << 16) >> 16) == address;
  }

  // --- control flow; see control.cc
  // Sets rip after a jump within the code segment: checks limit or canonical form.
  bool jumpNear(std::uint64_t target);

  // --- segments and tables (segments.cc)
  struct Descriptor {
    std::uint64_t low = 0, high = 0;
    std::uint64_t address = 0;  // linear
    unsigned type() const { return static_cast<unsigned>(low >> 40) & 0xf; }
    bool system() const { return (low >> 44 & 1) == 0; }
    unsigned dpl() const { return static_cast<unsigned>(low >> 45) & 3; }
    bool present() const { return (low >> 47 & 1) != 0; }
    bool code() const { return (low >> 43 & 3) == 3; }
    bool conforming() const { return (low >> 42 & 1) != 0; }
    bool longMode() const { return (low >> 53 & 1) != 0; }
    bool big() const { return (low >> 54 & 1) != 0; }
    Segment segment(std::uint16_t selector) const;
  };
  // false: #GP(selector) (or `vector`), or a page fault. In long mode system descriptors have 16 bytes: `wide`.
  bool readDescriptor(std::uint16_t selector, Descriptor& to, Exception vector = kGeneralProtection, bool wide = false);
  bool peekDescriptor(std::uint16_t selector, Descriptor& to, bool& found, bool wide);
  bool markAccessed(Descriptor& descriptor);
  bool loadSegment(SegmentIndex segment, std::uint16_t selector);
  void loadRealSegment(SegmentIndex segment, std::uint16_t selector);
  void setCode(const Segment& segment, unsigned cpl);
  void updateMode();
  // Behind a change of a segment register by itself.
  void updateFlat();
  bool farJump(const Insn& i, std::uint16_t selector, std::uint64_t offset);
  bool farCall(const Insn& i, std::uint16_t selector, std::uint64_t offset);
  bool farReturn(const Insn& i, std::uint32_t extra);
  bool interruptReturn(const Insn& i);
  enum class SwitchBy : std::uint8_t { kJump, kCall, kReturn, kInterrupt };
  bool switchTask(std::uint16_t selector, SwitchBy how, std::uint64_t returnRip,
                  const std::uint32_t* errorCode = nullptr);
  bool stackFromTss(unsigned cpl, std::uint16_t& ss, std::uint64_t& sp, Exception vector);
  bool portAllowed(std::uint16_t port, unsigned size);

  // --- control registers, MSRs, paging
  bool writeCr0(std::uint64_t value);
  bool writeCr3(std::uint64_t value);
  bool writeCr4(std::uint64_t value);
  bool readMsr(std::uint32_t index, std::uint64_t& value);
  bool writeMsr(std::uint32_t index, std::uint64_t value);
  bool writeXcr0(std::uint64_t value);
  void setRflags(std::uint64_t value, std::uint64_t mask);
  // What was looked up, in every address space; in that of one PCID, all but global pages; at one address.
  void flushTlb(bool globalToo);
  void flushSpace(std::uint32_t pcid);
  void flushPage(std::uint64_t address, bool inEverySpace = false);
  void selectTlb();
  // The address space that CR3 names by its PCID: what was looked up in it before is there again.
  void enterSpace();
  std::uint64_t tsc() const { return environment_.tsc() + st.msr.tscAdjust; }
  // TSC_ADJUST or TSC changes: an armed deadline stays the value of the time-stamp counter that the guest wrote.
  void setTscAdjust(std::uint64_t value);
  bool loadPdptes(std::uint64_t cr3);
  void dropWrites() override;

  // --- exceptions and interrupts (interrupts.cc)
  enum class EventKind : std::uint8_t { kFault, kTrap, kSoftware, kPrivilegedSoftware, kExternal };
  // Delivers through the IDT; faults on the way become double and triple faults.
  void deliver(Fault fault, EventKind kind);
  bool softwareInterrupt(const Insn& i, std::uint8_t vector, EventKind kind);
  // The next instruction is executed before an interrupt is taken (sti, mov ss, pop ss).
  void inhibitInterrupts() { inhibit_ = true; }
  void inhibitForSs() { inhibit_ = inhibitDebug_ = true; }
  // One that was held back by such an instruction, and is due after this one or in the middle of its repetition.
  bool interruptDue() const { return (interruptWaits_ && (st.system & kIf) != 0) || (nmiWaits_ && !nmiBlocked_); }
  void halt() { halted_.store(true, std::memory_order_relaxed); }

  std::uint64_t portRead(std::uint16_t port, unsigned size);
  void portWrite(std::uint16_t port, std::uint64_t value, unsigned size);

  // --- what an instruction needs of the model
  const Model& model() const { return environment_.model; }
  const Environment& environment() const { return environment_; }
  void cpuid(std::uint32_t leaf, std::uint32_t subleaf, std::array<std::uint32_t, 4>& result) const;
  // The same, of leaves that were asked for before.
  const std::array<std::uint32_t, 4>& knownLeaf(std::uint32_t leaf, std::uint32_t subleaf);

  // Before run(): guest code is translated (T1) from now on. Error: why this host or build cannot.
  Result<void> translateCode();
  // Whether this build has the translator; where it has, translateCode() may still fail because of the host.
  static bool translationIsBuilt();
  t1::Engine* engine() const { return engine_.get(); }

  // --- cpu::Vcpu
  void run() override;
  void runFor(std::uint64_t most) override;
  void shorten(std::uint64_t by) override { spend(static_cast<std::int64_t>(by)); }
  std::uint64_t left() const override;
  void reset() override;
  void init();
  bool random(std::uint64_t& value);
  // XINUSE: which parts of the extended state are not in their initial state.
  std::uint64_t xinuse() const;
  std::uint32_t signature() const;  // CPUID 1, EAX
  void raiseDebug(std::uint64_t dr6) { fault_ = {kDebugException, 0, 0, dr6}; }
  // For instructions that look at TF behind themselves, as they leave it, and not before.
  void stepByNewFlags() {
    stepDecided_ = true;
    if ((st.system & kTf) != 0) pendingDr6_ |= 0x4000;
  }
  std::string describe() const override;
  std::vector<cpu::RegisterValue> registers() const override;
  std::uint64_t programCounter() const override;
  std::optional<std::uint64_t> translate(std::uint64_t virtualAddress) const override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

  // One pass of the loop over one instruction; tests.
  void step();
  // What -d asks for has changed; on the vCPU's thread, between blocks.
  void traceChanged();
  // One that -d is to be told of.
  bool traced(std::uint32_t items) const { return environment_.trace != nullptr && environment_.trace->wants(items); }
  // -icount.
  bool counts() const { return counts_; }
  // Instructions executed; counted by blocks.
  std::uint64_t executed() const { return instructions_; }

  // Set while a block runs: the instruction that ended it.
  const Insn* last = nullptr;
  // Of a block that has become stale: `last` was not executed any more.
  bool stoppedBefore = false;

 private:
  friend class BlockCache;
  friend class t1::Engine;
  friend class t1::Translator;
  friend struct CpuTest;
  template <Body kBody>
  friend Outcome leave(Cpu& cpu, const Insn* insn);

  struct ExecEntry {
    std::uint64_t tag = ~std::uint64_t{0};  // page, with the privilege in bit 0
    std::uint64_t physical = 0;             // bit 0: on a global page
    std::uint64_t flushes = 0;              // Space's, of what it is, when this was found
  };
  // What was looked up in one address space.
  struct Space {
    std::array<cpu::SoftTlb, 3> tlbs;  // user, supervisor, supervisor with access to user pages
    std::array<ExecEntry, 256> exec;
    std::array<std::uint64_t, 2> flushes{1, 1};  // of its own pages, of global ones
    CodeMap code;                                // of translated code
    RegisterPages registers;
    std::array<std::uint64_t, 64> codePages{};  // PageBits
    bool ownKernel = false;                     // supervisor code was taken from a page that is not global
    std::uint32_t pcid = 0;
    std::uint32_t jumps = 0;  // JumpEntry::space; another one when its jumps are dropped
    std::uint64_t lastUse = 0;

    void flush(bool globalToo) {
      for (cpu::SoftTlb& tlb : tlbs) tlb.flush(globalToo);
      ++flushes[0];
      if (globalToo) ++flushes[1];
      code.flush(globalToo);
      registers.clear();
      codePages.fill(0);
      ownKernel = false;
    }
  };
  // A bit for each page that code was taken from, by its number's low bits.
  using PageBits = std::array<std::uint64_t, 64>;
  static std::uint64_t& pageWord(PageBits& bits, std::uint64_t address) { return bits[(address >> 18) % bits.size()]; }
  static std::uint64_t pageBit(std::uint64_t address) { return std::uint64_t{1} << (address >> 12 & 63); }
  static constexpr std::size_t kSpaces = 6;
  struct JumpEntry {
    std::uint64_t linear = ~std::uint64_t{0};
    std::uint32_t mode = 0;
    std::uint32_t space = 0;
    Block* block = nullptr;
  };
  JumpEntry& jumpEntry(std::uint64_t linear) { return jumps_[(linear ^ (linear >> 12)) % kJumps]; }
  // The block at rip, if it has been there before; nothing is translated or decoded.
  Block* knownBlock();

  struct Walk {
    std::uint64_t physical = 0;
    bool writable = false, user = false, executable = false, global = false, large = false, dirty = false;
    unsigned pageBits = 12;
  };
  struct Place {  // of a physical address
    const mem::FlatRange* range = nullptr;
    std::uint8_t* host = nullptr;  // RAM or ROM
    bool writable = false;
  };

  // Host addresses of an operand's piece in its first page, `here` bytes, and of the rest in the next one.
  struct Halves {
    std::uint8_t* first = nullptr;  // nullptr: not known
    std::uint8_t* second = nullptr;
    std::size_t here = 0;
  };

  enum class Who : std::uint8_t { kUser, kSupervisor, kImplicit };  // kImplicit: tables and TSS, SMAP holds always

  bool loadSlow(std::uint64_t address, void* to, std::size_t size, SegmentIndex segment);
  bool storeSlow(std::uint64_t address, const void* from, std::size_t size, SegmentIndex segment);
  Halves known(bool write, std::uint64_t address, std::size_t size);
  bool checkLinear(std::uint64_t address, std::size_t size, SegmentIndex segment, AccessKind kind);
  Who who() const { return st.cpl == 3 ? Who::kUser : Who::kSupervisor; }
  // Guest-virtual to guest-physical. kSet: A and D bits are set as the access asks, and a page fault is recorded.
  template <bool kSet>
  bool walk(std::uint64_t address, AccessKind kind, Who who, Walk& result);
  bool permits(const Walk& walk, AccessKind kind, Who who) const;
  bool pageFault(std::uint64_t address, AccessKind kind, Who who, bool present, bool reserved);
  // Translates one page and, for ordinary accesses, fills the soft TLB.
  bool physical(std::uint64_t address, AccessKind kind, Who who, std::uint64_t& to);
  Place placeOf(std::uint64_t physical) const;
  // Where descriptor tables and the TSS are looked up: as a supervisor whom SMAP stops.
  cpu::SoftTlb& systemTlb() { return space_->tlbs[(st.cr4 & kCr4Smap) != 0 ? 1 : 2]; }
  bool accessSystem(std::uint64_t address, void* data, std::size_t size, AccessKind kind, Who asks);
  std::uint64_t readPhysical(std::uint64_t address, unsigned size) const;
  bool updateEntry(std::uint64_t address, unsigned size, std::uint64_t old, std::uint64_t bits);
  bool access(std::uint64_t address, void* data, std::size_t size, AccessKind kind, Who who);
  void accessPhysical(std::uint64_t physical, void* data, std::size_t size, AccessKind kind);
  // A write to RAM outside the fast path: code and dirty log. `later`: the bytes change after this call.
  void wrote(const Place& place, std::uint64_t physical, std::size_t size);
  // A page with code: what is known of it here is dropped, and others are told.
  void rewrote(mem::RamBlock& block, std::uint64_t page);
  bool watched(std::uint64_t address, std::size_t size, AccessKind kind);
  void watchPort(std::uint16_t port, unsigned size);

  // loop.cc
  bool handleRequests();
  void takeInterrupts();
  void runBlocks();
  void runSingle();
  void runCounted();
  void singleCounted();
  Outcome runOne(Block& block);
  void spend(std::int64_t instructions) {
    std::atomic_ref budget(area.budget);
    budget.store(budget.load(std::memory_order_relaxed) - instructions, std::memory_order_relaxed);
  }
  std::int64_t executedOf(const Block& block);
  void conclude(Outcome outcome);
  Block* lookUp();
  Block* decodeOne(std::uint64_t linear);
  bool executable(std::uint64_t linear, std::uint64_t& physical);
  void dropJumps(Space& space);
  void dropGlobalJumps();
  std::uint32_t newJumps();
  std::uint32_t jumpsNow() const { return st.cpl == 3 || space_->ownKernel ? space_->jumps : globalJumps_; }
  void stopBlock();
  std::uint64_t linearRip() const;
  bool breakpointHere();

  // interrupts.cc
  bool deliverOnce(const Fault& fault, EventKind kind);
  bool deliverReal(const Fault& fault, EventKind kind);
  bool deliverProtected(const Fault& fault, EventKind kind);
  bool deliverLong(const Fault& fault, EventKind kind);
  void tripleFault();

  void resetCommon();
  void clearBlocks();
  void dropBlocks(unsigned generation);  // of the translator's
  std::uint32_t answeringLeaf(std::uint32_t leaf) const;
  std::uint64_t* plainMsr(std::uint32_t index);
  void logUnknownMsr(std::uint32_t index, bool write);

  // trace.cc
  void traceDelivery(const Fault& fault, EventKind kind);
  void traceDecoded(const Block& block, std::uint64_t linear) const;
  void traceBlock(const Block& block) const;

  void mapChanged(const mem::FlatViewPtr& view) override;
  void adoptView();
  // Translated code does not look at versions.
  void codeRewritten(const std::atomic<std::uint32_t>& version) override;
  void watchCode();
  void takeRewritten();

  Environment environment_;
  const bool counts_;
  Fault fault_;
  std::vector<std::unique_ptr<Space>> spaces_;  // one without PCIDs, up to kSpaces with them
  Space* space_;
  std::uint64_t spaceUses_ = 0;
  std::unique_ptr<cpu::SoftTlb> noTlb_;  // stays empty: alignment checks, data breakpoints
  cpu::SoftTlb* tlb_;
  mem::FlatViewPtr view_;
  // RAM of view_ that was found last, nearly always the right one, and registers that were.
  mutable const mem::FlatRange* recent_ = nullptr;
  mutable const mem::FlatRange* recentRegisters_ = nullptr;
  mem::KnownRegisters ports_{environment_.ports};
  std::unique_ptr<BlockCache> blocks_;
  std::unique_ptr<t1::Engine> engine_;  // with translated code only
  Block* current_ = nullptr;
  bool chains_ = true;      // an instruction that ends a block goes on in the next one by itself
  bool eachBlock_ = false;  // each block is to be seen by the loop
  static constexpr std::size_t kJumps = 4096;
  std::array<JumpEntry, kJumps> jumps_;
  std::uint32_t lastJumps_ = 0;
  // Jumps of a supervisor all of whose code is on global pages: the same in every space.
  std::uint32_t globalJumps_ = 0;
  std::array<std::uint64_t, 64> globalCodePages_{};  // PageBits
  bool lastGlobal_ = false;                          // of the page that was looked up last to be executed
  std::uint32_t mode_ = 0;                           // ModeBits
  bool breakpoints_ = false;                         // DR7 has one for execution
  mem::FlatViewPtr newView_;
  std::mutex viewMutex_;
  std::uint64_t instructions_ = 0;
  bool inhibit_ = false, inhibitDebug_ = false;
  bool interruptWaits_ = false, nmiWaits_ = false, nmiBlocked_ = false, waitsForStartup_ = false, shutDown_ = false;
  bool stepDecided_ = false;
  std::uint64_t pendingDr6_ = 0;
  std::set<std::pair<std::uint32_t, bool>> unknownMsrs_;
  struct Placed {
    Place place;
    std::uint64_t physical = 0, size = 0;
  };
  std::array<Placed, 2> placed_;              // what writable() found last past the TLB, in one page or two
  std::vector<mem::RamBlockPtr> codeBlocks_;  // of the view, watched where code is translated
  std::mutex rewrittenMutex_;
  std::vector<const std::atomic<std::uint32_t>*> rewritten_;  // versions that others have raised, or null: any
  LargeRegions large_;                                        // something of which may be in a TLB
  bool globalOfUsers_ = false;  // so may a global page of the lower half, where there is hardly one
  // A page that translated code has just looked up in vain - it has code, or registers of a device - for the step that
  // follows, which need not walk the tables again.
  struct JustFound {
    std::uint64_t page = 1, physical = 0;  // page 1: none
    AccessKind kind = AccessKind::kRead;
    Who who = Who::kUser;
  } justFound_;
};

template <Body kBody>
Outcome chain(Cpu& cpu, const Insn* insn) {
  const Outcome outcome = kBody(cpu, *insn);
  if (outcome != Outcome::kNext) [[unlikely]] {
    cpu.last = insn;
    return outcome;
  }
  ++insn;
  return insn->exec(cpu, insn);
}

}  // namespace rhea::x86
