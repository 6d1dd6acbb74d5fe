// A serial port between a guest's driver and a chardev.
#include "hw/char/uart.h"

#include "tests/hw/platform.h"

namespace rhea::hw {
namespace {

constexpr unsigned kData = 0, kIer = 1, kIir = 2, kLcr = 3, kMcr = 4, kLsr = 5, kMsr = 6;

class FakeStream final : public chardev::Stream {
 public:
  FakeStream() : Stream("fake") {}
  void receive(chardev::Receiver* receiver) override { receiver_ = receiver; }
  void write(std::string_view bytes) override { written_.append(bytes); }
  std::size_t pending() const override { return pending_; }
  void pause(bool paused) override { paused_ = paused; }
  void close() override {}
  bool isOpen() const override { return true; }

  chardev::Receiver* receiver_ = nullptr;
  std::string written_;
  std::size_t pending_ = 0;
  bool paused_ = false;
};

class FakeBackend final : public chardev::Backend {
 public:
  explicit FakeBackend(std::shared_ptr<FakeStream> stream) : stream_(std::move(stream)) {}
  std::string filename() const override { return "fake"; }
  void attach(chardev::FrontEnd& frontEnd) override { frontEnd.opened(stream_); }
  void detach(chardev::FrontEnd&) override {}

 private:
  std::shared_ptr<FakeStream> stream_;
};

class UartTest : public test::LoopTest {
 protected:
  UartTest() { EXPECT_TRUE(uart_.attach(chardev_).ok()); }
  void turn() {
    bool done = false;
    loop_->post([&done] { done = true; });
    loop_->waitUntil([&done] { return done; });
  }
  std::uint64_t in(unsigned at) { return uart_.read(at, 1); }
  void out(unsigned at, std::uint64_t value) { uart_.write(at, value, 1); }

  Lines lines_;
  std::shared_ptr<FakeStream> stream_ = std::make_shared<FakeStream>();
  chardev::Chardev chardev_{"c0", "null", std::make_unique<FakeBackend>(stream_)};
  Uart uart_{testClass(), *loop_, lines_.line(4), "serial port 0"};
};

TEST_F(UartTest, WhatTheGuestSendsLeaves) {
  EXPECT_EQ(in(kLsr), 0x60U);
  for (const char c : std::string_view("hello")) out(kData, static_cast<std::uint8_t>(c));
  turn();
  EXPECT_EQ(stream_->written_, "hello");
}

TEST_F(UartTest, TheDivisorLatchHidesDataAndInterruptEnable) {
  out(kLcr, 0x83);
  out(kData, 0x01);
  out(kIer, 0x02);
  EXPECT_EQ(in(kIer), 2U);
  out(kLcr, 3);
  EXPECT_EQ(in(kIer), 0U);
  turn();
  EXPECT_EQ(stream_->written_, "");
}

TEST_F(UartTest, AnEmptyTransmitterInterruptsOnceAndTheIdentificationTakesItBack) {
  out(kIer, 2);
  EXPECT_TRUE(lines_.high(4));
  EXPECT_EQ(in(kIir), 2U);
  EXPECT_FALSE(lines_.high(4));
  out(kData, 'x');
  EXPECT_TRUE(lines_.high(4));
}

TEST_F(UartTest, ReceivedBytesInterruptAndMoreThanTheFifoHoldsWaitsOutside) {
  out(kIir, 0x81);  // FIFO on, trigger at 8
  out(kIer, 1);
  const std::string text = "0123456789abcdefghij";
  stream_->receiver_->received(text.substr(0, 3), {});
  EXPECT_TRUE(lines_.high(4));
  EXPECT_EQ(in(kIir), 0xccU);  // below the level: timed out
  stream_->receiver_->received(text.substr(3), {});
  EXPECT_EQ(in(kIir), 0xc4U);
  EXPECT_TRUE(stream_->paused_);
  std::string read;
  for (int i = 0; i < 16; ++i) read.push_back(static_cast<char>(in(kData)));
  EXPECT_EQ(in(kLsr)&1, 0U);
  turn();
  EXPECT_FALSE(stream_->paused_);
  while ((in(kLsr)&1) != 0) read.push_back(static_cast<char>(in(kData)));
  EXPECT_EQ(read, text);
  EXPECT_FALSE(lines_.high(4));
}

TEST_F(UartTest, WhenTheOutsideDoesNotReadTheTransmitterIsBusyAndTheGuestIsNotHeldUp) {
  stream_->pending_ = Uart::kMostQueued;
  std::size_t sent = 0;
  while ((in(kLsr)&0x20) != 0) {
    out(kData, 'x');
    ++sent;
  }
  EXPECT_EQ(sent, Uart::kMostQueued);
  turn();
  EXPECT_EQ(in(kLsr)&0x60, 0U);
  out(kIer, 2);
  EXPECT_FALSE(lines_.high(4));
  stream_->pending_ = 0;
  stream_->receiver_->drained();
  EXPECT_EQ(in(kLsr)&0x60, 0x60U);
  EXPECT_TRUE(lines_.high(4));
  EXPECT_EQ(stream_->written_.size(), sent);
}

TEST_F(UartTest, ABreakIsAZeroByteWithItsMark) {
  out(kIir, 1);
  out(kIer, 4);
  stream_->receiver_->breakReceived();
  EXPECT_EQ(in(kIir), 0xc6U);
  EXPECT_EQ(in(kLsr)&0x91, 0x91U);
  EXPECT_EQ(in(kData), 0U);
  EXPECT_EQ(in(kLsr)&0x91, 0U);
  EXPECT_FALSE(lines_.high(4));
}

TEST_F(UartTest, InLoopModeBytesAndModemLinesComeBack) {
  out(kMcr, 0x1b);  // loop, DTR, RTS, OUT2
  EXPECT_EQ(in(kMsr)&0xf0, 0xb0U);
  out(kMcr, 0x10);
  EXPECT_EQ(in(kMsr)&0xf0, 0U);
  out(kData, 0x5a);
  EXPECT_EQ(in(kData), 0x5aU);
  turn();
  EXPECT_EQ(stream_->written_, "");
}

TEST_F(UartTest, WithNobodyAtTheOtherEndBytesAreLostAndNothingWaits) {
  stream_->receiver_->closed();
  for (std::size_t i = 0; i < 3 * Uart::kMostQueued; ++i) out(kData, 'x');
  EXPECT_EQ(in(kLsr)&0x20, 0x20U);
}

TEST_F(UartTest, ItsStateMovesToAnother) {
  out(kIir, 0xc1);
  out(kIer, 1);
  stream_->receiver_->received("abc", {});
  Uart other(testClass(), *loop_, IrqLine(), "serial port 1");
  expectRoundTrip(uart_, other);
  EXPECT_EQ(other.read(kData, 1), 'a');
}

}  // namespace
}  // namespace rhea::hw
