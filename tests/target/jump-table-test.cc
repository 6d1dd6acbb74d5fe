// Jumps from page to page in translated code: direct ones are patched and led elsewhere when their target's page is
// rewritten, others are looked up in sets of the jump table. Neither goes by way of C++ each time.
#include <gtest/gtest.h>

#include <thread>

#include "emu/cpu/vcpu-set.h"
#include "target/x86/cpu.h"
#include "target/x86/t1/engine.h"
#include "target/x86/t1/registers.h"
#include "tests/support/loops.h"

namespace rhea::x86::test {
namespace {

class NoEvents final : public EventSink {
 public:
  void emit(const EventInfo&, std::string, std::string_view) override {}
};

constexpr std::uint64_t kTables = 0x1000, kDriver = 0x10000, kStack = 0x20000, kFar = 0x30000, kRam = 0x800000;

class Jumps : public rhea::test::LoopTest {
 protected:
  void SetUp() override {
    if (!Cpu::translationIsBuilt()) GTEST_SKIP() << "this build does not translate";
  }
  void TearDown() override { set_.reset(); }

  void put(std::uint64_t at, std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) ram_->host()[at++] = static_cast<std::byte>(byte);
    end_ = at;
  }
  void dword(std::uint64_t value) {
    for (unsigned n = 0; n < 4; ++n) ram_->host()[end_++] = static_cast<std::byte>(value >> (n * 8));
  }
  void callTo(std::uint64_t target) {
    put(end_, {0xe8});
    dword(target - (end_ + 4));
  }
  void loopTo(std::uint64_t target) {  // dec ecx; jnz target; hlt
    put(end_, {0xff, 0xc9, 0x0f, 0x85});
    dword(target - (end_ + 4));
    put(end_, {0xf4});
  }

  // From kDriver on to its hlt, in 64-bit code whose addresses are physical ones.
  std::uint64_t run(bool translated) {
    for (std::uint64_t n = 0; n < kRam >> 21; ++n) {
      const std::uint64_t large = n << 21 | 0x83;
      std::memcpy(ram_->host() + kTables + 0x2000 + n * 8, &large, 8);
    }
    const std::uint64_t entries[] = {kTables + 0x1003, kTables + 0x2003};
    std::memcpy(ram_->host() + kTables, &entries[0], 8);
    std::memcpy(ram_->host() + kTables + 0x1000, &entries[1], 8);
    set_ = std::make_unique<cpu::VcpuSet>(runState_, clock_);
    Environment environment{memory_, ports_, model_, [] { return std::uint64_t{0}; }, nullptr, {}, {}};
    auto made = std::make_unique<Cpu>(0, environment);
    Cpu& cpu = *made;
    if (translated) {
      EXPECT_TRUE(cpu.translateCode().ok());
      if (mostLinks_ != 0) cpu.engine()->setMostLinks(mostLinks_);
    }
    State& st = cpu.st;
    for (Segment& s : st.segments) s = {0x10, 0xc093, 0xffffffff, 0};
    st.segments[kCs] = {0x8, 0xa09b, 0xffffffff, 0};
    st.cr0 = kCr0Pe | kCr0Et | kCr0Ne | kCr0Pg;
    st.cr3 = kTables;
    st.cr4 = kCr4Pae;
    st.msr.efer = kEferLme | kEferLma;
    st.gpr[kRipRegister] = kDriver;
    st.gpr[kRsp] = kStack;
    cpu.updateMode();
    set_->add(std::move(made));
    set_->start();
    while (!set_->at(0).halted()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    auto& ran = static_cast<Cpu&>(set_->at(0));
    if (translated) statistics_ = ran.engine()->statistics();
    const std::uint64_t sum = ran.st.gpr[kRax];
    set_.reset();
    return sum;
  }

  NoEvents events_;
  object::RunState runState_{*loop_, events_, false};
  object::VirtualClock clock_;
  mem::RamBlockPtr ram_ = *mem::RamBlock::anonymous("ram", kRam);
  mem::AddressSpace memory_{"memory", 0};
  mem::AddressSpace ports_{"ports", 0x10000};
  mem::AddressSpace::Mapping mapping_ = memory_.map({"ram", 0, kRam, mem::Target::ram(ram_)});
  Model model_ = *findModel("max");
  std::unique_ptr<cpu::VcpuSet> set_;
  std::uint64_t end_ = 0;
  t1::Statistics statistics_;
  std::size_t mostLinks_ = 0;  // 0: as it is
};

// The callee's constant changes each 512 calls; its page is what changes, the caller's stays.
TEST_F(Jumps, ToAnotherPageFollowARewrittenTarget) {
  constexpr std::uint32_t kPasses = 16384;
  const auto write = [this] {
    put(kFar, {0x05, 1, 0, 0, 0, 0xc3});  // add eax, 1; ret
    put(kDriver, {0x31, 0xc0, 0xb9});     // xor eax, eax; mov ecx, passes
    dword(kPasses);
    const std::uint64_t loop = end_;
    callTo(kFar);
    put(end_, {0xf7, 0xc1, 0xff, 0x01, 0x00, 0x00, 0x75, 0x07});  // test ecx, 511; jnz over the next
    put(end_, {0xff, 0x04, 0x25});                                // inc dword [kFar + 1]
    dword(kFar + 1);
    loopTo(loop);
  };
  write();
  const std::uint64_t expected = run(false);
  write();
  EXPECT_EQ(run(true), expected);
  EXPECT_LT(statistics_.entries + statistics_.misses, kPasses / 8) << "calls leave translated code";
}

// A store into the callee each 64 calls, of what is there already but for each sixteenth.
TEST_F(Jumps, ToCodeThatWasRewrittenWithTheSameBytesFindItsTranslation) {
  constexpr std::uint32_t kPasses = 16384;
  const auto write = [this] {
    put(kFar, {0x05, 1, 0, 0, 0, 0xc3});  // add eax, 1; ret
    put(kDriver, {0x31, 0xc0, 0xb9});     // xor eax, eax; mov ecx, passes
    dword(kPasses);
    const std::uint64_t loop = end_;
    callTo(kFar);
    put(end_, {0xf6, 0xc1, 0x3f, 0x75, 0x0c});                    // test cl, 63; jnz over the next
    put(end_, {0x89, 0xcb, 0xc1, 0xeb, 0x0a, 0x89, 0x1c, 0x25});  // mov ebx, ecx; shr ebx, 10; mov [kFar + 1], ebx
    dword(kFar + 1);
    loopTo(loop);
  };
  write();
  const std::uint64_t expected = run(false);
  write();
  EXPECT_EQ(run(true), expected);
  EXPECT_LT(statistics_.blocks, kPasses / 1024 * 3 + 16) << "what is as it was is translated again";
}

// Code that rewrites itself with what it is: its translation stays, and the links into it do not become more and more.
TEST_F(Jumps, ToCodeThatIsMadeGoodAgainNeedNoMoreAndMoreMemory) {
  constexpr std::uint32_t kPasses = 20000;
  const auto write = [this] {
    put(kFar, {0x05, 1, 0, 0, 0, 0xeb, 0x00, 0xc3});  // add eax, 1; jmp to the next; ret
    put(kDriver, {0x31, 0xc0, 0xb9});                 // xor eax, eax; mov ecx, passes
    dword(kPasses);
    const std::uint64_t loop = end_;
    callTo(kFar);
    put(end_, {0xc6, 0x04, 0x25});  // mov byte [kFar], 5: what is there
    dword(kFar);
    put(end_, {0x05});
    loopTo(loop);
  };
  write();
  const std::uint64_t expected = run(false);
  write();
  mostLinks_ = 1000;
  EXPECT_EQ(run(true), expected);
  EXPECT_GT(statistics_.flushes, 5U) << "nothing limits the links";
  EXPECT_LT(statistics_.flushes, kPasses / 100);
}

// What is behind sti is entered without a look at anything, and is what changes.
TEST_F(Jumps, ToCodeBehindStiThatIsRewrittenSeeTheChange) {
  constexpr std::uint32_t kPasses = 8192;
  const auto write = [this] {
    put(kFar, {0xfb, 0x05, 1, 0, 0, 0, 0xc3});  // sti; add eax, 1; ret
    put(kDriver, {0x31, 0xc0, 0xb9});           // xor eax, eax; mov ecx, passes
    dword(kPasses);
    const std::uint64_t loop = end_;
    callTo(kFar);
    put(end_, {0xf6, 0xc1, 0x3f, 0x75, 0x0c});                    // test cl, 63; jnz over the next
    put(end_, {0x89, 0xcb, 0xc1, 0xeb, 0x0a, 0x89, 0x1c, 0x25});  // mov ebx, ecx; shr ebx, 10; mov [kFar + 2], ebx
    dword(kFar + 2);
    loopTo(loop);
  };
  write();
  const std::uint64_t expected = run(false);
  write();
  EXPECT_EQ(run(true), expected);
}

// Three functions whose addresses have the same slot of the table, called by register one after the other.
TEST_F(Jumps, WhoseTargetsShareASlotAreFoundInItsSet) {
  constexpr std::uint32_t kPasses = 4096;
  std::vector<std::uint64_t> targets{kFar};
  for (std::uint64_t at = kFar + 16; targets.size() < 3 && at < kRam; at += 16) {
    if (t1::jumpSlot(at) == t1::jumpSlot(kFar)) targets.push_back(at);
  }
  ASSERT_EQ(targets.size(), 3U);
  const auto write = [&] {
    put(kDriver, {0x31, 0xc0, 0xb9});
    dword(kPasses);
    const std::uint64_t loop = end_;
    for (const std::uint64_t target : targets) {
      put(end_, {0xbb});  // mov ebx, target
      dword(target);
      put(end_, {0xff, 0xd3});  // call rbx
    }
    loopTo(loop);
    for (unsigned n = 0; n < 3; ++n) put(targets[n], {0x8d, 0x44, 0x80, n + 1, 0xc3});  // lea eax, [rax+rax*4+n+1]; ret
  };
  write();
  const std::uint64_t expected = run(false);
  EXPECT_EQ(run(true), expected);
  EXPECT_LT(statistics_.entries + statistics_.misses, kPasses / 8) << "calls leave translated code";
}

// More blocks than T0 keeps: all are given up on the way from one to the next, which is then linked to nothing.
TEST_F(Jumps, OfTheInterpreterLeadOnWhereItGivesAllBlocksUp) {
  constexpr std::uint64_t kFirst = 0x100000, kEnd = kFirst + std::uint64_t{1000} * 4096;
  put(kFirst, {0x05, 1, 0, 0, 0});  // add eax, 1
  std::fill(ram_->host() + kFirst + 5, ram_->host() + kEnd, std::byte{0x90});
  put(kEnd, {0xc3});
  put(kDriver, {0x31, 0xc0, 0xb9});
  dword(4);
  const std::uint64_t loop = end_;
  callTo(kFirst);
  loopTo(loop);
  EXPECT_EQ(run(false), 4U);
}

// What a linker fills in: a call through a word, and one to a page of jumps through words. Each 1024 passes the words
// change.
TEST_F(Jumps, ThroughAWordFollowWhatItHolds) {
  constexpr std::uint32_t kPasses = 16384;
  constexpr std::uint64_t kWords = 0x40000, kStub = 0x50000, kOther = kFar + 0x2100;
  const auto write = [this] {
    const std::uint64_t first = kFar;
    std::memcpy(ram_->host() + kWords, &first, 8);
    std::memcpy(ram_->host() + kWords + 8, &first, 8);
    put(kFar, {0x8d, 0x44, 0x80, 1, 0xc3});    // lea eax, [rax+rax*4+1]; ret
    put(kOther, {0x8d, 0x44, 0x40, 2, 0xc3});  // lea eax, [rax+rax*2+2]; ret
    put(kStub, {0xff, 0x24, 0x25});            // jmp [kWords + 8]
    dword(kWords + 8);
    put(kDriver, {0x31, 0xc0, 0xb9});
    dword(kPasses);
    const std::uint64_t loop = end_;
    put(end_, {0xff, 0x14, 0x25});  // call [kWords]
    dword(kWords);
    callTo(kStub);
    for (unsigned n = 0; n < 2; ++n) {
      // test ecx, n == 0 ? 1023 : 2047; jnz over the next
      put(end_, {0xf7, 0xc1, 0xff, n == 0 ? 0x03U : 0x07U, 0x00, 0x00, 0x75, 0x0b});
      put(end_, {0x81, 0x34, 0x25});  // xor dword [word], kFar ^ kOther
      dword(kWords + n * 8);
      dword(kFar ^ kOther);
    }
    loopTo(loop);
  };
  write();
  const std::uint64_t expected = run(false);
  write();
  EXPECT_EQ(run(true), expected);
  EXPECT_LT(statistics_.entries + statistics_.misses, kPasses / 64) << "calls leave translated code";
}

}  // namespace
}  // namespace rhea::x86::test
