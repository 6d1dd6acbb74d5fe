// Several vCPUs on threads of their own: locked instructions, code that one changes and another runs, stop and resume.
#include <gtest/gtest.h>

#include <thread>

#include "emu/cpu/vcpu-set.h"
#include "target/x86/cpu.h"
#include "target/x86/t1/engine.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea::x86 {
namespace {

class NoEvents final : public EventSink {
 public:
  void emit(const EventInfo&, std::string, std::string_view) override {}
};

constexpr std::uint64_t kCode = 0x10000, kData = 0x20000, kFunction = 0x30000;

class Smp : public test::LoopTest {
 protected:
  void SetUp() override {
    set_ = std::make_unique<cpu::VcpuSet>(runState_, clock_);
    for (unsigned n = 0; n < count_; ++n) {
      Environment environment{memory_, ports_, model_, [] { return std::uint64_t{0}; }, nullptr, {}};
      environment.writeRounds = &set_->writeRounds();
      environment.alone = [this](Cpu& self, const std::function<void()>& work) {
        set_->alone(self, [&] {
          const std::uint32_t before = word(kData);
          std::this_thread::sleep_for(std::chrono::milliseconds(watched_ ? 2 : 0));
          work();
          if (watched_) othersMoved_ += word(kData) != before;
          ++timesAlone_;
        });
      };
      // Both as bootstrap processors: no start-up message is waited for.
      set_->add(std::make_unique<Cpu>(0, environment));
      Cpu& cpu = at(n);
      startAt(cpu, kCode + n * 0x1000);
    }
  }
  void TearDown() override { set_.reset(); }

  Cpu& at(std::size_t n) { return static_cast<Cpu&>(set_->at(n)); }
  // 32-bit flat protected mode.
  static void startAt(Cpu& cpu, std::uint64_t address) {
    for (Segment& s : cpu.st.segments) s = {0x10, 0xc093, 0xffffffff, 0};
    cpu.st.segments[kCs] = {0x8, 0xc09b, 0xffffffff, 0};
    cpu.st.cr0 = kCr0Pe | kCr0Et;
    cpu.st.gpr[kRipRegister] = address;
    cpu.st.gpr[kRsp] = address - 0x8000;
    cpu.updateMode();
  }
  void put(std::uint64_t address, std::initializer_list<std::uint8_t> bytes) {
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::uint8_t*>(ram_->host()) + address);
  }
  std::uint32_t word(std::uint64_t address) const {
    return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(ram_->host() + address)).load();
  }
  void runUntilHalted() {
    set_->start();
    for (unsigned n = 0; n < count_; ++n) {
      while (!at(n).halted()) std::this_thread::yield();
    }
  }

  unsigned count_ = 2;
  // Whether a step that is to be alone looks for others at kData, and what it found.
  bool watched_ = false;
  unsigned timesAlone_ = 0, othersMoved_ = 0;
  NoEvents events_;
  object::RunState runState_{*loop_, events_, false};
  object::VirtualClock clock_;
  mem::RamBlockPtr ram_ = *mem::RamBlock::anonymous("ram", 1 << 20);
  mem::AddressSpace memory_{"memory", 0};
  mem::AddressSpace ports_{"ports", 0x10000};
  mem::AddressSpace::Mapping mapping_ = memory_.map({"ram", 0, ram_->size(), mem::Target::ram(ram_)});
  Model model_ = *findModel("max");
  std::unique_ptr<cpu::VcpuSet> set_;
};

TEST_F(Smp, LockedInstructionsCountEveryTime) {
  // mov ecx, 300000; 1: lock inc [kData]; lock xadd [kData + 4], eax with eax = 1; loop 1b; hlt
  for (unsigned n = 0; n < 2; ++n) {
    put(kCode + n * 0x1000, {0xb9, 0xe0, 0x93, 0x04, 0x00, 0xf0, 0xff, 0x05, 0x00, 0x00, 0x02, 0x00, 0xb8, 0x01,
                             0x00, 0x00, 0x00, 0xf0, 0x0f, 0xc1, 0x05, 0x04, 0x00, 0x02, 0x00, 0xe2, 0xea, 0xf4});
  }
  runUntilHalted();
  EXPECT_EQ(word(kData), 600000U);
  EXPECT_EQ(word(kData + 4), 600000U);
}

TEST_F(Smp, LockedInstructionsCountAcrossTheEndsOfLinesAndPages) {
  // mov ecx, 20000; 1: lock inc [kData + 62]; lock inc [kData + 0xffe]; loop 1b; hlt
  for (unsigned n = 0; n < 2; ++n) {
    put(kCode + n * 0x1000, {0xb9, 0x20, 0x4e, 0x00, 0x00, 0xf0, 0xff, 0x05, 0x3e, 0x00, 0x02,
                             0x00, 0xf0, 0xff, 0x05, 0xfe, 0x0f, 0x02, 0x00, 0xe2, 0xf0, 0xf4});
  }
  runUntilHalted();
  std::uint32_t across;
  std::memcpy(&across, ram_->host() + kData + 62, 4);
  EXPECT_EQ(across, 40000U);
  std::memcpy(&across, ram_->host() + kData + 0xffe, 4);
  EXPECT_EQ(across, 40000U);
}

// The pages of kData and the one behind it lie apart; everything else is where its address says.
class SmpPaged : public Smp {
 protected:
  static constexpr std::uint64_t kDirectory = 0x40000, kTable = 0x41000, kApart = 0x60000;
  void SetUp() override {
    Smp::SetUp();
    const auto entry = [this](std::uint64_t at, std::uint64_t page) {
      *reinterpret_cast<std::uint32_t*>(ram_->host() + at) = static_cast<std::uint32_t>(page | 3);
    };
    entry(kDirectory, kTable);
    for (std::uint64_t page = 0; page < ram_->size() >> 12; ++page) entry(kTable + page * 4, page << 12);
    entry(kTable + ((kData >> 12) + 1) * 4, kApart);
    for (unsigned n = 0; n < 2; ++n) {
      at(n).st.cr3 = kDirectory;
      at(n).st.cr0 |= kCr0Pg;
      at(n).updateMode();
    }
  }
  std::uint32_t across() const {
    std::uint32_t value;
    std::memcpy(&value, ram_->host() + kData + 0xffe, 2);
    std::memcpy(reinterpret_cast<std::uint8_t*>(&value) + 2, ram_->host() + kApart, 2);
    return value;
  }
};

TEST_F(SmpPaged, NobodyRunsWhileALockedInstructionIsAtPagesThatAreNoNeighbours) {
  // mov ecx, 20; 1: mov eax, [kData]; 2: cmp eax, [kData]; je 2b; lock inc [kData + 0xffe]; loop 1b;
  // mov dword [kData + 0x200], 1; hlt
  put(kCode, {0xb9, 0x14, 0x00, 0x00, 0x00, 0xa1, 0x00, 0x00, 0x02, 0x00, 0x3b, 0x05, 0x00,
              0x00, 0x02, 0x00, 0x74, 0xf8, 0xf0, 0xff, 0x05, 0xfe, 0x0f, 0x02, 0x00, 0xe2,
              0xea, 0xc7, 0x05, 0x00, 0x02, 0x02, 0x00, 0x01, 0x00, 0x00, 0x00, 0xf4});
  // 1: inc dword [kData]; cmp dword [kData + 0x200], 0; je 1b; hlt
  put(kCode + 0x1000, {0xff, 0x05, 0x00, 0x00, 0x02, 0x00, 0x83, 0x3d, 0x00, 0x02, 0x02, 0x00, 0x00, 0x74, 0xf1, 0xf4});
  watched_ = true;
  runUntilHalted();
  EXPECT_EQ(across(), 20U);
  EXPECT_EQ(timesAlone_, 20U);
  EXPECT_EQ(othersMoved_, 0U);
}

TEST_F(SmpPaged, TwoThatWantToBeAloneTakeTurns) {
  // mov ecx, 100; 1: lock inc [kData + 0xffe]; loop 1b; hlt
  for (unsigned n = 0; n < 2; ++n) {
    put(kCode + n * 0x1000, {0xb9, 0x64, 0x00, 0x00, 0x00, 0xf0, 0xff, 0x05, 0xfe, 0x0f, 0x02, 0x00, 0xe2, 0xf7, 0xf4});
  }
  runUntilHalted();
  EXPECT_EQ(across(), 200U);
  EXPECT_EQ(timesAlone_, 200U);
}

// Code that others change. Translated, it does not look at its page's version: whoever writes asks for a look.
class SmpCode : public Smp, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !Cpu::translationIsBuilt()) GTEST_SKIP() << "this build does not translate";
    Smp::SetUp();
    for (unsigned n = 0; n < 2 && GetParam(); ++n) {
      ASSERT_TRUE(at(n).translateCode().ok());
      at(n).engine()->setWarm(0);  // each version of the function runs once
    }
  }
  // As a device does.
  void writeWord(std::uint64_t address, std::uint32_t value) {
    ASSERT_EQ(memory_.write(address, std::as_bytes(std::span(&value, 1))), mem::Access::kDone);
  }
  // Whether the guest answers `value` at `address`, which it does at once or never.
  bool comesTo(std::uint64_t address, std::uint32_t value) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (word(address) != value) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, SmpCode, testing::Bool(),
                         [](const auto& each) { return each.param ? "Translated" : "Interpreted"; });

// The first writes n into the function's immediate, then n into a flag; the second waits for the flag, calls the
// function and compares, counts what is wrong, and answers by a flag of its own.
TEST_P(SmpCode, ThatAnotherChangesIsSeenOnceItsFlagIs) {
  put(kFunction, {0xb8, 0, 0, 0, 0, 0xc3});
  // mov ecx, 1; 1: mov [kFunction + 1], ecx; mov [kData], ecx; 2: cmp [kData + 4], ecx; jne 2b; inc ecx; cmp ecx, 100;
  // jbe 1b; hlt
  put(kCode,
      {0xb9, 0x01, 0,    0,    0,    0x89, 0x0d, 0x01, 0x00, 0x03, 0x00, 0x89, 0x0d, 0x00, 0x00, 0x02, 0x00, 0x39,
       0x0d, 0x04, 0x00, 0x02, 0x00, 0x75, 0xf8, 0x41, 0x81, 0xf9, 0x64, 0x00, 0x00, 0x00, 0x76, 0xe3, 0xf4});
  // mov ecx, 1; 1: cmp [kData], ecx; jne 1b; mov edx, kFunction; call edx; cmp eax, ecx; je 2f; inc dword [kData + 8];
  // 2: mov [kData + 4], ecx; inc ecx; cmp ecx, 100; jbe 1b; hlt
  put(kCode + 0x1000, {0xb9, 0x01, 0,    0,    0,    0x39, 0x0d, 0x00, 0x00, 0x02, 0x00, 0x75, 0xf8, 0xba, 0x00, 0x00,
                       0x03, 0x00, 0xff, 0xd2, 0x39, 0xc8, 0x74, 0x06, 0xff, 0x05, 0x08, 0x00, 0x02, 0x00, 0x89, 0x0d,
                       0x04, 0x00, 0x02, 0x00, 0x41, 0x81, 0xf9, 0x64, 0x00, 0x00, 0x00, 0x76, 0xd8, 0xf4});
  runUntilHalted();
  EXPECT_EQ(word(kData + 4), 100U);
  EXPECT_EQ(word(kData + 8), 0U) << "calls that found old code";
}

TEST_P(SmpCode, ThatADeviceWritesIsSeenOnceItsFlagIs) {
  put(kFunction, {0xb8, 0, 0, 0, 0, 0xc3});
  put(kCode, {0xf4});
  // xor ecx, ecx; 1: mov edx, [kData]; cmp edx, ecx; je 1b; mov ecx, edx; mov edx, kFunction; call edx; cmp eax, ecx;
  // je 2f; inc dword [kData + 8]; 2: mov [kData + 4], ecx; jmp 1b
  put(kCode + 0x1000, {0x31, 0xc9, 0x8b, 0x15, 0x00, 0x00, 0x02, 0x00, 0x39, 0xca, 0x74, 0xf6, 0x89,
                       0xd1, 0xba, 0x00, 0x00, 0x03, 0x00, 0xff, 0xd2, 0x39, 0xc8, 0x74, 0x06, 0xff,
                       0x05, 0x08, 0x00, 0x02, 0x00, 0x89, 0x0d, 0x04, 0x00, 0x02, 0x00, 0xeb, 0xdb});
  set_->start();
  for (std::uint32_t n = 1; n <= 200; ++n) {
    writeWord(kFunction + 1, n);
    writeWord(kData, n);
    ASSERT_TRUE(comesTo(kData + 4, n));
  }
  EXPECT_EQ(word(kData + 8), 0U) << "calls that found old code";
}

// A loop that comes from nowhere and looks up nothing.
TEST_P(SmpCode, ThatLoopsIsChangedWhileItDoes) {
  put(kCode, {0xf4});
  // 1: inc dword [kData]; 2: mov eax, 0; test eax, eax; je 1b; mov [kData + 4], eax; jmp 1b
  put(kCode + 0x1000, {0xff, 0x05, 0x00, 0x00, 0x02, 0x00, 0xb8, 0x00, 0x00, 0x00, 0x00,
                       0x85, 0xc0, 0x74, 0xf1, 0xa3, 0x04, 0x00, 0x02, 0x00, 0xeb, 0xea});
  set_->start();
  for (std::uint32_t n = 1; n <= 200; ++n) {
    for (const std::uint32_t before = word(kData); word(kData) - before < 100;) std::this_thread::yield();
    writeWord(kCode + 0x1007, n);
    ASSERT_TRUE(comesTo(kData + 4, n));
  }
}

// So often that nobody keeps a list of it.
TEST_P(SmpCode, ThatChangesWhileNobodyRunsIsSeenByWhoeverGoesOn) {
  constexpr std::uint32_t kTimes = 5000;
  put(kCode, {0xf4});
  put(kCode + 0x1000, {0xff, 0x05, 0x00, 0x00, 0x02, 0x00, 0xb8, 0x00, 0x00, 0x00, 0x00,
                       0x85, 0xc0, 0x74, 0xf1, 0xa3, 0x04, 0x00, 0x02, 0x00, 0xeb, 0xea});
  set_->start();
  while (word(kData) < 100) std::this_thread::yield();
  ASSERT_TRUE(test::runTask(*loop_, runState_.stop()).ok());
  for (std::uint32_t n = 1; n <= kTimes; ++n) {
    mem::RamBlock::Code seen = ram_->code((kCode >> 12) + 1);
    ASSERT_TRUE(ram_->markCode((kCode >> 12) + 1, seen, ~0U));  // as if somebody had decoded it once more
    writeWord(kCode + 0x1007, n);
  }
  ASSERT_TRUE(runState_.resume().ok());
  EXPECT_TRUE(comesTo(kData + 4, kTimes));
  ASSERT_TRUE(test::runTask(*loop_, runState_.stop()).ok());
}

// Three registers that say where to go: twice elsewhere, until all blocks are known, then to the function.
class SmpOfThree : public Smp, private mem::IoHandler {
 protected:
  SmpOfThree() { count_ = 3; }
  static constexpr std::uint64_t kRegisters = 0x200000, kElsewhere = 0x38000, kEntry = kFunction + 0x800,
                                 kReady = kData, kStored = kData + 4, kFirst = kData + 8, kSecond = kData + 12;
  bool bothMadeRounds_ = false;

 private:
  std::uint64_t read(std::uint64_t offset, unsigned) override {
    const std::size_t who = offset / 4;
    if (reads_[who]++ < 2) return kElsewhere;
    const auto isMarked = [this] { return ram_->code(kFunction >> 12).mask != 0; };
    const auto until = [](auto met) {
      while (!met()) std::this_thread::yield();
    };
    if (who == 1) {
      until([this] { return isReady_.load(); });
      return kEntry;
    }
    if (who == 0) isReady_ = true;
    until(isMarked);
    if (who == 0) {
      until([this] { return word(kFirst) == 5 || set_->writeRounds().underWay() == 2; });
      bothMadeRounds_ = word(kFirst) != 5;
    }
    return kFunction;
  }
  void write(std::uint64_t, std::uint64_t, unsigned) override {}
  AccessSizes accessSizes() const override { return {4, 4}; }

  std::array<unsigned, 3> reads_{};  // each of one vCPU
  std::atomic<bool> isReady_{false};
  mem::AddressSpace::Mapping registers_ = memory_.map({"registers", kRegisters, 0x1000, mem::Target::io(*this)});
};

// The first knows that it may write to the function's page, and is still in the middle of a block when the second gives
// the page its first marks and waits for it. The third finds marks there, and must not believe in them yet: what the
// first stores now would be seen by nobody.
TEST_F(SmpOfThree, MarksThatAnotherHasJustSetAreNotBelievedBeforeItsRoundIsOver) {
  // Each: mov edi, 3; 1: lock inc [kReady]; jmp 2f; 2: cmp [kReady], edi; jb 2b; ...; add edi, 3; cmp edi, 9; jbe 1b
  // The first: mov [kFunction + 0x40], ebx; mov eax, [kRegisters]; mov byte [eax + 1], 7; mov [kStored], edi; ...; hlt
  put(kCode,
      {0xbf, 0x03, 0x00, 0x00, 0x00, 0xf0, 0xff, 0x05, 0x00, 0x00, 0x02, 0x00, 0xeb, 0x00, 0x39, 0x3d, 0x00, 0x00,
       0x02, 0x00, 0x72, 0xf8, 0x89, 0x1d, 0x40, 0x00, 0x03, 0x00, 0xa1, 0x00, 0x00, 0x20, 0x00, 0xc6, 0x40, 0x01,
       0x07, 0x89, 0x3d, 0x04, 0x00, 0x02, 0x00, 0x83, 0xc7, 0x03, 0x83, 0xff, 0x09, 0x76, 0xd2, 0xf4});
  // The second: mov eax, [kRegisters + 4]; call eax; ...; hlt
  put(kCode + 0x1000, {0xbf, 0x03, 0x00, 0x00, 0x00, 0xf0, 0xff, 0x05, 0x00, 0x00, 0x02, 0x00, 0xeb,
                       0x00, 0x39, 0x3d, 0x00, 0x00, 0x02, 0x00, 0x72, 0xf8, 0xa1, 0x04, 0x00, 0x20,
                       0x00, 0xff, 0xd0, 0x83, 0xc7, 0x03, 0x83, 0xff, 0x09, 0x76, 0xe0, 0xf4});
  // The third: mov eax, [kRegisters + 8]; call eax; mov [kFirst], eax; ...; 3: cmp [kStored], 9; jne 3b;
  // mov eax, kFunction; call eax; mov [kSecond], eax; hlt
  put(kCode + 0x2000, {0xbf, 0x03, 0x00, 0x00, 0x00, 0xf0, 0xff, 0x05, 0x00, 0x00, 0x02, 0x00, 0xeb, 0x00, 0x39, 0x3d,
                       0x00, 0x00, 0x02, 0x00, 0x72, 0xf8, 0xa1, 0x08, 0x00, 0x20, 0x00, 0xff, 0xd0, 0xa3, 0x08, 0x00,
                       0x02, 0x00, 0x83, 0xc7, 0x03, 0x83, 0xff, 0x09, 0x76, 0xdb, 0x83, 0x3d, 0x04, 0x00, 0x02, 0x00,
                       0x09, 0x75, 0xf7, 0xb8, 0x00, 0x00, 0x03, 0x00, 0xff, 0xd0, 0xa3, 0x0c, 0x00, 0x02, 0x00, 0xf4});
  put(kFunction, {0xb8, 0x05, 0, 0, 0, 0xc3});  // mov eax, 5; ret
  put(kEntry, {0xc3});
  put(kElsewhere, {0xc3});
  runUntilHalted();
  EXPECT_TRUE(bothMadeRounds_);
  EXPECT_EQ(word(kFirst), 7U);
  EXPECT_EQ(word(kSecond), 7U) << "a call that found old code";
}

// Many pages get their first code while the second vCPU sleeps, which had written to them and could still do so without
// a look. An NMI makes it rewrite the code.
TEST_P(SmpCode, ThatIsDecodedWhileAnotherSleepsDoesNotWakeItAndItsNextStoresAreSeen) {
  constexpr std::uint64_t kFirstPage = 0x80000, kPages = 100, kTables = 0x50000, kHandler = kCode + 0x1800;
  constexpr std::uint64_t kWritten = kData, kCalled = kData + 4, kRewritten = kData + 8, kSum = kData + 12,
                          kGo = kData + 16;
  for (std::uint64_t n = 0; n < kPages; ++n) put(kFirstPage + n * 0x1000, {0xb8, 0, 0, 0, 0, 0xc3});
  // For each page at ESI: mov eax, 0; ret is what is there, and EBX in its immediate. mov esi, kFirstPage;
  // mov ecx, kPages; 1: mov [esi + 1], ebx; add esi, 0x1000; dec ecx; jnz 1b
  const std::initializer_list<std::uint8_t> rewrite = {0xbe, 0,    0,    8,    0, 0xb9, kPages, 0, 0,    0,    0x89,
                                                       0x5e, 0x01, 0x81, 0xc6, 0, 0x10, 0,      0, 0x49, 0x75, 0xf4};
  const auto program = [this](std::uint64_t to, std::uint8_t value, std::initializer_list<std::uint8_t> body,
                              std::uint8_t flag) {
    put(to, {0xbb, value, 0, 0, 0});  // mov ebx, value
    put(to + 5, body);
    // mov [kData + flag], ebx; hlt
    put(to + 5 + body.size(), {0x89, 0x1d, flag, 0, 2, 0, 0xf4});
  };
  program(kCode + 0x1000, 3, rewrite, kWritten - kData);
  program(kHandler, 4, rewrite, kRewritten - kData);
  // The first: 1: cmp [kGo], 1; jne 1b; call all pages; mov [kCalled], edi; 2: cmp [kRewritten], 4; jne 2b;
  // call all pages; mov [kSum], edi; hlt
  const std::initializer_list<std::uint8_t> call = {// xor edi, edi; mov esi, kFirstPage; mov ecx, kPages
                                                    0x31, 0xff, 0xbe, 0, 0, 8, 0, 0xb9, kPages, 0, 0, 0,
                                                    // 1: call esi; add edi, eax; add esi, 0x1000; dec ecx; jnz 1b
                                                    0xff, 0xd6, 0x01, 0xc7, 0x81, 0xc6, 0, 0x10, 0, 0, 0x49, 0x75,
                                                    0xf3};
  std::uint64_t where = kCode;
  const auto add = [&](std::initializer_list<std::uint8_t> bytes) {
    put(where, bytes);
    where += bytes.size();
  };
  add({0x83, 0x3d, 16, 0, 2, 0, 1, 0x75, 0xf7});
  add(call);
  add({0x89, 0x3d, 4, 0, 2, 0});
  add({0x83, 0x3d, 8, 0, 2, 0, 4, 0x75, 0xf7});
  add(call);
  add({0x89, 0x3d, 12, 0, 2, 0, 0xf4});
  const std::uint64_t descriptors[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
  std::memcpy(ram_->host() + kTables, descriptors, sizeof descriptors);
  const std::uint64_t gate = (kHandler & 0xffff) | 0x8U << 16 | std::uint64_t{0x8e00} << 32 | kHandler >> 16 << 48;
  std::memcpy(ram_->host() + kTables + 0x100 + 2 * 8, &gate, 8);
  at(1).st.gdtr = {kTables, 0x17};
  at(1).st.idtr = {kTables + 0x100, 0xff};
  set_->start();
  ASSERT_TRUE(comesTo(kWritten, 3));
  while (!at(1).halted()) std::this_thread::yield();
  const std::uint64_t wakeUps = at(1).wakeUps();
  const std::uint64_t rounds = set_->writeRounds().count();
  writeWord(kGo, 1);
  ASSERT_TRUE(comesTo(kCalled, 3 * kPages));
  EXPECT_GE(set_->writeRounds().count() - rounds, kPages);
  EXPECT_LT(at(1).wakeUps() - wakeUps, kPages / 10);  // it may just have been on its way to sleep
  at(1).post(cpu::kNmi);
  ASSERT_TRUE(comesTo(kRewritten, 4));
  EXPECT_TRUE(comesTo(kSum, 4 * kPages)) << "calls that found old code: " << word(kSum);
}

TEST_F(Smp, AStoppedMachineRunsNothingAndGoesOnWhereItWas) {
  // 1: inc dword [kData]; jmp 1b, and the same at kData + 64
  put(kCode, {0xff, 0x05, 0x00, 0x00, 0x02, 0x00, 0xeb, 0xf8});
  put(kCode + 0x1000, {0xff, 0x05, 0x40, 0x00, 0x02, 0x00, 0xeb, 0xf8});
  set_->start();
  while (word(kData) == 0 || word(kData + 64) == 0) std::this_thread::yield();
  ASSERT_TRUE(test::runTask(*loop_, runState_.stop()).ok());
  const std::uint32_t before = word(kData);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(word(kData), before);
  EXPECT_EQ(clock_.running(), false);
  // Work is done on a paused vCPU's thread.
  std::uint64_t rip = 0;
  test::runTask(*loop_, set_->on(1, [&](cpu::Vcpu& vcpu) { rip = vcpu.programCounter(); }));
  EXPECT_GE(rip, kCode + 0x1000);
  EXPECT_LT(rip, kCode + 0x1008);
  ASSERT_TRUE(runState_.resume().ok());
  while (word(kData) == before) std::this_thread::yield();
  ASSERT_TRUE(test::runTask(*loop_, runState_.stop()).ok());
}

}  // namespace
}  // namespace rhea::x86
