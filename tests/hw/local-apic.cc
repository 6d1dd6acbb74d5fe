// Interrupts reach the right vCPU in the order of their priorities, by xAPIC and x2APIC registers alike.
#include "hw/irq/local-apic.h"

#include <unistd.h>

#include "hw/irq/io-apic.h"
#include "tests/hw/platform.h"

namespace rhea::hw {
namespace {

constexpr unsigned kTpr = 0x08, kEoi = 0x0b, kLdr = 0x0d, kDfr = 0x0e, kSpurious = 0x0f, kEsr = 0x28, kIcrLow = 0x30,
                   kIcrHigh = 0x31, kTimerEntry = 0x32, kLint0 = 0x35, kErrorEntry = 0x37, kInitial = 0x38,
                   kCurrent = 0x39, kDivide = 0x3e;

class FixedVector final : public ExternalInterrupts {
 public:
  std::uint8_t acknowledgeExternal() override { return 0x21; }
};

class LocalApicTest : public testing::Test {
 protected:
  LocalApicTest() {
    bus_.setEoiListener(ioApic_);
    for (std::size_t i = 0; i < apics_.size(); ++i) {
      bus_.add(apics_[i]);
      apics_[i].connect(vcpus_[i]);
      apics_[i].writeRegister(kSpurious, 0x1ff);
      vcpus_[i].requests();
    }
  }
  void enableX2(std::size_t i) { ASSERT_TRUE(apics_[i].writeMsr(0x1b, ApicBus::kBase | 0xc00)); }

  object::VirtualClock clock_;
  ApicBus bus_;
  IoApic ioApic_{testClass(), bus_};
  std::array<SilentVcpu, 3> vcpus_{SilentVcpu(0), SilentVcpu(1), SilentVcpu(2)};
  std::array<LocalApic, 3> apics_{LocalApic(testClass(), bus_, clock_, 0, true),
                                  LocalApic(testClass(), bus_, clock_, 1, false),
                                  LocalApic(testClass(), bus_, clock_, 2, false)};
  LocalApic& apic_ = apics_[0];
};

TEST_F(LocalApicTest, TheHigherVectorComesFirstAndTheLowerAfterItsEoi) {
  apic_.accept(0x31, false);
  apic_.accept(0x52, false);
  EXPECT_EQ(vcpus_[0].requests(), cpu::kInterrupt);
  EXPECT_EQ(apic_.acknowledge(), 0x52);
  EXPECT_EQ(apic_.acknowledge(), std::nullopt);
  apic_.accept(0x5f, false);  // of the same class as the one in service
  EXPECT_FALSE(apic_.pending());
  vcpus_[0].requests();
  apic_.writeRegister(kEoi, 0);
  EXPECT_EQ(vcpus_[0].requests(), cpu::kInterrupt);
  EXPECT_EQ(apic_.acknowledge(), 0x5f);
  apic_.writeRegister(kEoi, 0);
  EXPECT_EQ(apic_.acknowledge(), 0x31);
  apic_.writeRegister(kEoi, 0);
  EXPECT_FALSE(apic_.pending());
}

TEST_F(LocalApicTest, TheTaskPriorityHoldsBackItsClassAndThoseBelow) {
  apic_.writeRegister(kTpr, 0x50);
  apic_.accept(0x5f, false);
  EXPECT_FALSE(apic_.pending());
  apic_.accept(0x60, false);
  EXPECT_EQ(apic_.acknowledge(), 0x60);
  apic_.writeRegister(kEoi, 0);
  vcpus_[0].requests();
  apic_.setPriority(0x40);
  EXPECT_EQ(vcpus_[0].requests(), cpu::kInterrupt);
  EXPECT_EQ(apic_.acknowledge(), 0x5f);
}

TEST_F(LocalApicTest, IpisGoToOneToAllToOthersAndToItself) {
  apic_.writeRegister(kIcrHigh, 2U << 24);
  apic_.writeRegister(kIcrLow, 0x4041);
  EXPECT_EQ(apics_[2].acknowledge(), 0x41);
  EXPECT_FALSE(apics_[1].pending());
  apic_.writeRegister(kIcrLow, 0xc4042);  // all others
  EXPECT_FALSE(apic_.pending());
  EXPECT_TRUE(apics_[1].pending());
  apic_.writeRegister(kIcrLow, 0x84043);  // all
  apic_.writeRegister(kIcrLow, 0x44050);  // itself
  EXPECT_EQ(apic_.acknowledge(), 0x50);
  apic_.writeRegister(kEoi, 0);
  EXPECT_EQ(apic_.acknowledge(), 0x43);
}

TEST_F(LocalApicTest, InitAndStartupReachTheOtherCpu) {
  apic_.writeRegister(kIcrHigh, 1U << 24);
  apic_.writeRegister(kIcrLow, 0x4500);
  EXPECT_EQ(vcpus_[1].requests(), cpu::kInit);
  apic_.writeRegister(kIcrLow, 0x8500);  // de-assert
  EXPECT_EQ(vcpus_[1].requests(), 0U);
  apic_.writeRegister(kIcrLow, 0x4699);
  EXPECT_EQ(vcpus_[1].requests(), cpu::kStartup);
  EXPECT_EQ(vcpus_[1].startedAt(), 0x99);
  apic_.writeRegister(kIcrLow, 0x4400);
  EXPECT_EQ(vcpus_[1].requests(), cpu::kNmi);
}

TEST_F(LocalApicTest, LogicalDestinationsAreFlatClusteredAndOfX2Apic) {
  for (std::size_t i = 0; i < 3; ++i) apics_[i].writeRegister(kLdr, 1U << (24 + i));
  apic_.writeRegister(kIcrHigh, 0x06000000);
  apic_.writeRegister(kIcrLow, 0x4860);
  EXPECT_FALSE(apics_[0].pending());
  EXPECT_EQ(apics_[1].acknowledge(), 0x60);
  EXPECT_EQ(apics_[2].acknowledge(), 0x60);
  apics_[1].writeRegister(kDfr, 0x0fffffff);
  apics_[1].writeRegister(kLdr, 0x32000000);
  apics_[1].writeRegister(kEoi, 0);
  bus_.deliverMsi(0xfee00000 | 0x32 << 12 | 4, 0x61);
  EXPECT_EQ(apics_[1].acknowledge(), 0x61);
  enableX2(2);
  apics_[2].writeRegister(kEoi, 0);
  bus_.deliver({4, true, DeliveryMode::kFixed, 0x62, false, true});
  EXPECT_EQ(apics_[2].acknowledge(), 0x62);
}

TEST_F(LocalApicTest, LowestPriorityGoesToOneThatIsIdle) {
  apics_[0].writeRegister(kTpr, 0x80);
  apics_[2].writeRegister(kTpr, 0x80);
  bus_.deliverMsi(0xfeeff000, 0x171);
  EXPECT_EQ(apics_[1].acknowledge(), 0x71);
  apics_[0].writeRegister(kTpr, 0);
  apics_[2].writeRegister(kTpr, 0);
  EXPECT_FALSE(apics_[0].pending());
  EXPECT_FALSE(apics_[2].pending());
}

TEST_F(LocalApicTest, X2ApicRegistersAreMsrsAndModesFollowTheRules) {
  std::uint64_t value = 0;
  EXPECT_FALSE(apic_.readMsr(0x802, value));
  enableX2(0);
  EXPECT_FALSE(apic_.inMemoryMode());
  EXPECT_TRUE(apics_[1].readMsr(0x1b, value));
  EXPECT_EQ(value, ApicBus::kBase | 0x800);
  EXPECT_TRUE(apic_.readMsr(0x80d, value));
  EXPECT_EQ(value, 1U);
  EXPECT_FALSE(apic_.writeMsr(0x1b, ApicBus::kBase | 0x800)) << "x2APIC ends through off only";
  EXPECT_FALSE(apic_.writeMsr(0x80b, 1)) << "EOI takes zero only";
  EXPECT_FALSE(apic_.readMsr(0x80e, value)) << "there is no destination format";
  EXPECT_TRUE(apic_.writeMsr(0x83f, 0x77));
  EXPECT_EQ(apic_.acknowledge(), 0x77);
  EXPECT_TRUE(apic_.writeMsr(0x830, (std::uint64_t{1} << 32) | 0x4078));
  EXPECT_EQ(apics_[1].acknowledge(), 0x78);
  EXPECT_TRUE(apic_.writeMsr(0x1b, ApicBus::kBase));
  EXPECT_FALSE(apic_.enabled());
  EXPECT_FALSE(apic_.writeMsr(0x1b, ApicBus::kBase | 0xc00)) << "off leads to xAPIC first";
}

TEST_F(LocalApicTest, AVectorOfTheCpusOwnIsAnErrorAndNoInterrupt) {
  apic_.writeRegister(kErrorEntry, 0xfe);
  apic_.accept(3, false);
  EXPECT_EQ(apic_.acknowledge(), 0xfe);
  apic_.writeRegister(kEsr, 0);
  EXPECT_EQ(apic_.readRegister(kEsr), 0x40U);
}

TEST_F(LocalApicTest, ALevelInterruptComesAgainUntilItsLineIsLow) {
  ioApic_.write(0, 0x10 + 2 * 17, 4);
  ioApic_.write(0x10, 0x8000 | 0x90, 4);
  ioApic_.setIrq(17, true);
  EXPECT_EQ(apic_.acknowledge(), 0x90);
  EXPECT_FALSE(apic_.pending());
  apic_.writeRegister(kEoi, 0);
  EXPECT_EQ(apic_.acknowledge(), 0x90);
  ioApic_.setIrq(17, false);
  apic_.writeRegister(kEoi, 0);
  EXPECT_FALSE(apic_.pending());
}

TEST_F(LocalApicTest, ADirectedEoiGoesToTheIoApicByItsRegister) {
  apic_.writeRegister(kSpurious, 0x11ff);
  ioApic_.write(0, 0x10 + 2 * 17, 4);
  ioApic_.write(0x10, 0x8000 | 0x90, 4);
  ioApic_.setIrq(17, true);
  EXPECT_EQ(apic_.acknowledge(), 0x90);
  apic_.writeRegister(kEoi, 0);
  EXPECT_FALSE(apic_.pending());
  ioApic_.write(0x40, 0x90, 4);
  EXPECT_TRUE(apic_.pending());
}

TEST_F(LocalApicTest, AMaskedEdgeIsLostAndAMaskedLevelWaits) {
  ioApic_.write(0, 0x10 + 2 * 4, 4);
  ioApic_.write(0x10, 0x10034, 4);
  ioApic_.setIrq(4, true);
  ioApic_.write(0x10, 0x34, 4);
  EXPECT_FALSE(apic_.pending());
  ioApic_.write(0x10, 0x18034, 4);
  ioApic_.write(0x10, 0x8034, 4);
  EXPECT_EQ(apic_.acknowledge(), 0x34);
}

TEST_F(LocalApicTest, ThePicsWireReachesTheFirstCpuAsFirmwareLeavesIt) {
  FixedVector pic;
  for (LocalApic& apic : apics_) apic.connect(pic);
  WorkerPool workers;
  const std::unique_ptr<Loop> loop = Loop::create("main", workers).value();
  for (LocalApic& apic : apics_) test::runTask(*loop, static_cast<Device&>(apic).reset());
  apic_.setLint0(true);
  apics_[1].setLint0(true);
  EXPECT_EQ(apic_.acknowledge(), 0x21);
  EXPECT_FALSE(apics_[1].pending());
  apic_.setLint0(false);
  EXPECT_FALSE(apic_.pending());
  apic_.writeRegister(kLint0, 0x10700);
  apic_.setLint0(true);
  EXPECT_FALSE(apic_.pending());
}

TEST_F(LocalApicTest, TheTimersModesCountAndFire) {
  apic_.writeRegister(kDivide, 0xb);  // by 1
  apic_.writeRegister(kTimerEntry, 0x40);
  apic_.writeRegister(kInitial, 1'000'000);
  clock_.set(400'000);
  EXPECT_EQ(apic_.readRegister(kCurrent), 600'000U);
  clock_.start();
  waitFor([this] { return apic_.pending(); });
  EXPECT_EQ(apic_.acknowledge(), 0x40);
  EXPECT_EQ(apic_.readRegister(kCurrent), 0U);
  apic_.writeRegister(kEoi, 0);
  apic_.writeRegister(kTimerEntry, 0x20041);  // periodic
  apic_.writeRegister(kInitial, 100'000);
  for (int i = 0; i < 3; ++i) {
    waitFor([this] { return apic_.pending(); });
    EXPECT_EQ(apic_.acknowledge(), 0x41);
    apic_.writeRegister(kEoi, 0);
  }
  apic_.writeRegister(kInitial, 0);
  apic_.writeRegister(kTimerEntry, 0x40042);  // deadline
  if (apic_.pending()) static_cast<void>(apic_.acknowledge());
  apic_.writeRegister(kEoi, 0);
  EXPECT_TRUE(apic_.writeMsr(0x6e0, static_cast<std::uint64_t>(clock_.now()) + 100'000));
  waitFor([this] { return apic_.pending(); });
  EXPECT_EQ(apic_.acknowledge(), 0x42);
  std::uint64_t deadline = 1;
  EXPECT_TRUE(apic_.readMsr(0x6e0, deadline));
  EXPECT_EQ(deadline, 0U);
}

TEST_F(LocalApicTest, TheRegistersPageIsThatOfTheVcpuWhoseThreadAsks) {
  EXPECT_EQ(bus_.read(0x20, 4), 0xffffffffU);
  vcpus_[2].setHostThread(::gettid());
  EXPECT_EQ(bus_.read(0x20, 4), 2U << 24);
  bus_.write(0x80, 0x30, 4);
  EXPECT_EQ(apics_[2].priority(), 0x30);
}

TEST_F(LocalApicTest, ItsStateMovesToAnother) {
  apic_.accept(0x52, true);
  apic_.accept(0x31, false);
  EXPECT_EQ(apic_.acknowledge(), 0x52);
  apic_.writeRegister(kDivide, 3);
  apic_.writeRegister(kTimerEntry, 0x20041);
  apic_.writeRegister(kInitial, 1000);
  expectRoundTrip(apic_, apics_[1]);
  apics_[1].writeRegister(kEoi, 0);
  EXPECT_EQ(apics_[1].acknowledge(), 0x31);
  IoApic other(testClass(), bus_);
  ioApic_.write(0, 0x10 + 2 * 17, 4);
  ioApic_.write(0x10, 0x8000 | 0x90, 4);
  ioApic_.setIrq(17, true);
  expectRoundTrip(ioApic_, other);
}

}  // namespace
}  // namespace rhea::hw
