// PIT, RTC and HPET: counts follow virtual time exactly, interrupts come while it runs.
#include "hw/timer/hpet.h"
#include "hw/timer/pit.h"
#include "hw/timer/rtc.h"
#include "tests/hw/platform.h"

namespace rhea::hw {
namespace {

constexpr object::VirtualTime kMillisecond = 1'000'000;

class TimersTest : public testing::Test {
 protected:
  object::VirtualClock clock_;
  Lines lines_;
};

class PitTest : public TimersTest {
 protected:
  unsigned counter(unsigned channel) {
    pit_.write(0x43, channel << 6, 1);
    const std::uint64_t low = pit_.read(0x40 + channel, 1);
    return static_cast<unsigned>(low | pit_.read(0x40 + channel, 1) << 8);
  }
  Pit pit_{testClass(), clock_, lines_.line(0)};
};

TEST_F(PitTest, CountsDownAt1193182Hertz) {
  writePorts(pit_, {{0x43, 0x34}, {0x40, 0}, {0x40, 0}});
  EXPECT_EQ(counter(0), 0U);  // 65536
  clock_.set(10 * kMillisecond);
  EXPECT_EQ(counter(0), 65536U - 11931U);
  clock_.set(55 * kMillisecond);
  EXPECT_EQ(counter(0), 2U * 65536U - 65625U);
}

TEST_F(PitTest, ALatchedCountAndStatusStayUntilTheyAreRead) {
  writePorts(pit_, {{0x43, 0x36}, {0x40, 0xe8}, {0x40, 0x03}, {0x43, 0xc2}});
  clock_.set(kMillisecond);
  EXPECT_EQ(pit_.read(0x40, 1), 0xb6U);  // output high, low then high byte, mode 3
  EXPECT_EQ(pit_.read(0x40, 1), 0xe8U);
  EXPECT_EQ(pit_.read(0x40, 1), 0x03U);
  EXPECT_EQ(counter(0), 1000U - (2 * 1193 % 1000 & ~1U));
}

TEST_F(PitTest, TheSpeakersChannelCountsWhileItsGateIsOpenAndShowsItsEnd) {
  writePorts(pit_, {{0x61, 0}, {0x43, 0xb0}, {0x42, 0xa9}, {0x42, 4}});  // mode 0, 1193
  clock_.set(5 * kMillisecond);
  EXPECT_EQ(counter(2), 1193U);
  EXPECT_EQ(pit_.read(0x61, 1) & 0x21, 0U);
  pit_.write(0x61, 1, 1);
  clock_.set(5 * kMillisecond + kMillisecond / 2);
  EXPECT_EQ(counter(2), 1193U - 596U);
  EXPECT_EQ(pit_.read(0x61, 1) & 0x21, 1U);
  clock_.set(6 * kMillisecond);
  EXPECT_EQ(pit_.read(0x61, 1) & 0x21, 0x21U);
}

TEST_F(PitTest, ChannelZeroInterruptsAgainAndAgainInModeTwoAndOnceInModeZero) {
  writePorts(pit_, {{0x43, 0x34}, {0x40, 0xa9}, {0x40, 4}});
  clock_.start();
  waitFor([this] { return lines_.edges(0) >= 3; });
  clock_.stop();
  writePorts(pit_, {{0x43, 0x30}, {0x40, 0xa9}, {0x40, 4}});
  EXPECT_FALSE(lines_.high(0));
  clock_.start();
  waitFor([this] { return lines_.high(0); });
}

TEST_F(PitTest, AnHpetTakesItsInterruptOver) {
  writePorts(pit_, {{0x43, 0x34}, {0x40, 0xa9}, {0x40, 4}});
  pit_.setReplaced(true);
  const int before = lines_.edges(0);
  clock_.start();
  waitFor([this] { return clock_.now() > 5 * kMillisecond; });
  EXPECT_EQ(lines_.edges(0), before);
}

TEST_F(PitTest, ItsStateMovesToAnother) {
  writePorts(pit_, {{0x43, 0x36}, {0x40, 0xe8}, {0x40, 3}, {0x61, 3}, {0x43, 0xb0}, {0x42, 7}});
  Pit other(testClass(), clock_, IrqLine());
  expectRoundTrip(pit_, other);
  EXPECT_EQ(other.read(0x61, 1) & 3, 3U);
}

class RtcTest : public TimersTest {
 protected:
  static constexpr std::int64_t kEpoch = 1709251198;  // 2024-02-29 23:59:58
  std::uint64_t get(std::uint8_t index) {
    rtc_.write(0x70, index, 1);
    return rtc_.read(0x71, 1);
  }
  void put(std::uint8_t index, std::uint8_t value) { writePorts(rtc_, {{0x70, index}, {0x71, value}}); }
  Rtc rtc_{testClass(), clock_, lines_.line(8), kEpoch};
};

TEST_F(RtcTest, TellsTheTimeInBcdAndGoesOnWithVirtualTime) {
  EXPECT_EQ(get(0), 0x58U);
  EXPECT_EQ(get(2), 0x59U);
  EXPECT_EQ(get(4), 0x23U);
  EXPECT_EQ(get(7), 0x29U);
  EXPECT_EQ(get(8), 2U);
  EXPECT_EQ(get(9), 0x24U);
  EXPECT_EQ(get(Rtc::kCentury), 0x20U);
  clock_.set(2000 * kMillisecond);
  EXPECT_EQ(get(7), 1U);
  EXPECT_EQ(get(8), 3U);
  EXPECT_EQ(get(4), 0U);
}

TEST_F(RtcTest, ANewTimeIsTakenWhenTheUpdatesGoOnAgain) {
  put(0xb, 0x86);  // set, binary, 24 hours
  put(0, 10), put(2, 20), put(4, 13), put(7, 5), put(8, 6), put(9, 30), put(Rtc::kCentury, 20);
  clock_.set(1500 * kMillisecond);
  EXPECT_EQ(get(0), 10U);
  put(0xb, 0x06);
  clock_.set(3500 * kMillisecond);
  EXPECT_EQ(get(0), 12U);
  EXPECT_EQ(get(4), 13U);
  put(0xb, 0x04);  // 12 hours
  EXPECT_EQ(get(4), 0x81U);
}

TEST_F(RtcTest, SaysThatAnUpdateIsNearJustBeforeEachSecond) {
  clock_.set(999'900'000);
  EXPECT_EQ(get(0xa), 0xa6U);
  clock_.set(1'000'000'001);
  EXPECT_EQ(get(0xa), 0x26U);
}

TEST_F(RtcTest, PeriodicInterruptsComeUntilAndAfterRegisterCIsRead) {
  put(0xa, 0x26);
  put(0xb, 0x42);
  clock_.start();
  waitFor([this] { return lines_.high(8); });
  EXPECT_EQ(get(0xc) & 0xc0, 0xc0U);
  waitFor([this] { return lines_.edges(8) >= 2; });
}

TEST_F(RtcTest, TheAlarmComesAtItsSecond) {
  put(1, 0x59), put(3, 0xff), put(5, 0xff);
  put(0xb, 0x22);
  EXPECT_FALSE(lines_.high(8));
  clock_.set(999 * kMillisecond);
  clock_.start();
  waitFor([this] { return lines_.high(8); });
  clock_.stop();
  EXPECT_EQ(get(0xc) & 0xa0, 0xa0U);
  EXPECT_EQ(get(0), 0x59U);
}

TEST_F(RtcTest, ItsStateMovesToAnother) {
  put(0x40, 0x77);
  put(0xb, 0x22);
  Rtc other(testClass(), clock_, IrqLine(), 0);
  expectRoundTrip(rtc_, other);
  other.write(0x70, 9, 1);
  EXPECT_EQ(other.read(0x71, 1), 0x24U);
}

class Messages final : public MsiSink {
 public:
  void deliverMsi(std::uint64_t address, std::uint32_t data) override {
    address_ = address;
    data_ = data;
  }
  std::atomic<std::uint64_t> address_{0};
  std::atomic<std::uint32_t> data_{0};
};

class HpetTest : public TimersTest {
 protected:
  Messages messages_;
  bool replaced_ = false;
  Hpet hpet_{testClass(), clock_, lines_, messages_, [this](bool on) { replaced_ = on; }};
};

TEST_F(HpetTest, ItsCounterRunsAt100MegahertzWhileEnabled) {
  EXPECT_EQ(hpet_.read(0, 8), 0x009896808086a201U);
  clock_.set(kMillisecond);
  EXPECT_EQ(hpet_.read(0xf0, 8), 0U);
  hpet_.write(0xf0, 0x100000000, 8);
  hpet_.write(0x10, 1, 4);
  clock_.set(2 * kMillisecond);
  EXPECT_EQ(hpet_.read(0xf0, 8), 0x100000000 + 100'000U);
  EXPECT_EQ(hpet_.read(0xf0, 4), 100'000U);
  EXPECT_EQ(hpet_.read(0xf4, 4), 1U);
}

TEST_F(HpetTest, AComparatorInterruptsOnceOnTheLineItIsRoutedTo) {
  hpet_.write(0x10, 1, 8);
  hpet_.write(0x148, 100'000, 8);
  hpet_.write(0x140, 0x4 | 20 << 9, 8);
  clock_.start();
  waitFor([this] { return lines_.edges(20) == 1; });
  EXPECT_GE(hpet_.read(0xf0, 8), 100'000U);
}

TEST_F(HpetTest, InLegacyModeThePeriodicTimerIsIrqZero) {
  hpet_.write(0x10, 3, 8);
  EXPECT_TRUE(replaced_);
  hpet_.write(0x100, 0x4c, 8);  // periodic, enabled, the accumulator is set next
  hpet_.write(0x108, 100'000, 8);
  hpet_.write(0x108, 50'000, 8);
  clock_.start();
  waitFor([this] { return lines_.edges(0) >= 3; });
  EXPECT_GE(hpet_.read(0xf0, 8), 200'000U);
}

TEST_F(HpetTest, AComparatorThatNobodyHearsMovesOnWithoutATimer) {
  hpet_.write(0x10, 1, 8);
  // Periodic, 32 bits wide, reached after 1 ms and each 0.5 ms from then on; another one with 64 bits.
  for (const auto& [at, narrow] : {std::pair<unsigned, unsigned>{0x100, 0x100}, {0x120, 0}}) {
    hpet_.write(at, 0x48 | narrow, 8);
    hpet_.write(at + 8, 100'000, 8);
    hpet_.write(at + 8, 50'000, 8);
  }
  EXPECT_EQ(clock_.next(), object::kNoTime);
  EXPECT_EQ(hpet_.read(0x108, 8), 100'000U);
  clock_.set(kMillisecond);
  EXPECT_EQ(hpet_.read(0x108, 8), 150'000U);
  // 43 s later the low half of the counter has come round.
  clock_.set(43'000 * kMillisecond);
  EXPECT_EQ(hpet_.read(0x128, 8), 4'300'050'000U);
  EXPECT_EQ(hpet_.read(0x108, 8), 4'300'050'000U & 0xffffffff);
  // A write to something else takes nothing twice.
  hpet_.write(0x20, 1, 8);
  hpet_.write(0x20, 1, 8);
  EXPECT_EQ(hpet_.read(0x128, 8), 4'300'050'000U);
  EXPECT_EQ(hpet_.read(0x108, 8), 4'300'050'000U & 0xffffffff);
  // As soon as it is heard there is a timer for its next moment.
  hpet_.write(0x120, 0xc, 8);
  EXPECT_EQ(clock_.next(), 43'000'500'000);
  hpet_.write(0x120, 0x8, 8);
  EXPECT_EQ(clock_.next(), object::kNoTime);
}

TEST_F(HpetTest, ALevelInterruptStaysUntilItsStatusIsCleared) {
  hpet_.write(0x10, 1, 8);
  hpet_.write(0x108, 1000, 8);
  hpet_.write(0x100, 0x6 | 16 << 9, 8);
  clock_.start();
  waitFor([this] { return lines_.high(16); });
  EXPECT_EQ(hpet_.read(0x20, 4), 1U);
  hpet_.write(0x20, 1, 4);
  EXPECT_FALSE(lines_.high(16));
}

TEST_F(HpetTest, AComparatorCanSendAMessageInstead) {
  hpet_.write(0x10, 1, 8);
  hpet_.write(0x130, 0xfee01000'00000045, 8);
  hpet_.write(0x128, 1000, 8);
  hpet_.write(0x120, 0x4004, 8);
  clock_.start();
  waitFor([this] { return messages_.data_ == 0x45; });
  EXPECT_EQ(messages_.address_, 0xfee01000U);
}

TEST_F(HpetTest, ItsStateMovesToAnother) {
  hpet_.write(0x10, 1, 8);
  hpet_.write(0x108, 1000, 8);
  clock_.set(kMillisecond);
  Hpet other(testClass(), clock_, lines_, messages_, [](bool) {});
  expectRoundTrip(hpet_, other);
  EXPECT_EQ(other.read(0xf0, 8), 100'000U);
}

}  // namespace
}  // namespace rhea::hw
