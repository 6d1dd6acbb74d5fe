// Several vCPUs on threads of their own: locked instructions, code that one changes and another runs, stop and resume.
#include <gtest/gtest.h>

#include <thread>

#include "emu/cpu/vcpu-set.h"
#include "target/x86/cpu.h"
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
    for (unsigned n = 0; n < 2; ++n) {
      Environment environment{memory_, ports_, model_, [] { return std::uint64_t{0}; }, nullptr, {}, {}};
      environment.dropOthersWrites = [this](Cpu& self) {
        set_->onOthersNow(self, [](cpu::Vcpu& other) { static_cast<Cpu&>(other).dropWrites(); });
      };
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
    while (!at(0).halted() || !at(1).halted()) std::this_thread::yield();
  }

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

// The first writes n into the function's immediate, then n into a flag; the second waits for the flag, calls the
// function and compares, counts what is wrong, and answers by a flag of its own.
TEST_F(Smp, CodeThatAnotherChangesIsSeenOnceItsFlagIs) {
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
