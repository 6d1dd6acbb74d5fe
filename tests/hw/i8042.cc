// The keyboard controller and its keyboard, as a driver meets them.
#include "hw/input/i8042.h"

#include "tests/hw/platform.h"

namespace rhea::hw {
namespace {

class WishBoard final : public Board {
 public:
  Loop& mainLoop() override { std::terminate(); }
  mem::AddressSpace& memory() override { std::terminate(); }
  mem::AddressSpace& ports() override { std::terminate(); }
  object::VirtualClock& clock() override { std::terminate(); }
  MsiSink& msi() override { std::terminate(); }
  void wish(Wish what, std::string_view) override { wishes_.push_back(what); }
  Task<void> forgetLookups() override { co_return; }

  std::vector<Wish> wishes_;
};

class I8042Test : public testing::Test {
 protected:
  std::string bytes() {
    std::string text;
    while ((dev_.read(0x64, 1) & 1) != 0) text += fmt::format("{:02x} ", dev_.read(0x60, 1));
    return text;
  }
  void press(std::string_view name, bool down) {
    const Key* key = findKey(name);
    ASSERT_NE(key, nullptr) << name;
    EXPECT_TRUE(dev_.press(*key, down));
  }
  WishBoard board_;
  Lines lines_;
  I8042 dev_{testClass(), board_, lines_.line(1), lines_.line(12)};
};

TEST_F(I8042Test, PassesItsSelfTestAndTellsThatKeyboardAndMouseAreThere) {
  dev_.write(0x64, 0xaa, 1);
  EXPECT_EQ(bytes(), "55 ");
  dev_.write(0x64, 0xa9, 1);
  EXPECT_EQ(bytes(), "00 ");
  dev_.write(0x64, 0xab, 1);
  EXPECT_EQ(bytes(), "00 ");
}

TEST_F(I8042Test, TheKeyboardAnswersItsCommands) {
  dev_.write(0x60, 0xff, 1);
  EXPECT_EQ(bytes(), "fa aa ");
  dev_.write(0x60, 0xf2, 1);
  EXPECT_EQ(bytes(), "fa ab 41 ");  // 83, translated
  writePorts(dev_, {{0x60, 0xed}, {0x60, 2}});
  EXPECT_EQ(bytes(), "fa fa ");
}

TEST_F(I8042Test, KeysInterruptAndComeTranslatedOrNot) {
  press("a", true);
  EXPECT_TRUE(lines_.high(1));
  press("a", false);
  press("up", true);
  press("up", false);
  EXPECT_EQ(bytes(), "1e 9e e0 48 e0 c8 ");
  EXPECT_FALSE(lines_.high(1));
  EXPECT_EQ(lines_.edges(1), 6);
  writePorts(dev_, {{0x64, 0x60}, {0x60, 0x05}});
  press("a", true);
  press("a", false);
  EXPECT_EQ(bytes(), "1c f0 1c ");
}

TEST_F(I8042Test, EveryKeysNameFindsItAndTheyAreSorted) {
  for (const Key& key : keys()) EXPECT_EQ(findKey(key.name), &key) << key.name;
  EXPECT_EQ(findKey("no-such-key"), nullptr);
}

TEST_F(I8042Test, AFullQueueRefusesKeys) {
  const Key& key = *findKey("b");
  bool taken = true;
  for (int i = 0; i < 100 && taken; ++i) taken = dev_.press(key, true);
  EXPECT_FALSE(taken);
}

TEST_F(I8042Test, ResetsTheMachineByEachOfItsWays) {
  dev_.write(0x64, 0xfe, 1);
  dev_.write(0x92, 3, 1);
  writePorts(dev_, {{0x64, 0xd1}, {0x60, 0x02}});
  EXPECT_EQ(board_.wishes_.size(), 3U);
  writePorts(dev_, {{0x64, 0xd1}, {0x60, 0x03}, {0x92, 2}, {0x64, 0xff}});
  EXPECT_EQ(board_.wishes_.size(), 3U);
}

TEST_F(I8042Test, TheMouseAnswersItsCommandsAtTheAuxiliaryPort) {
  writePorts(dev_, {{0x64, 0xd3}, {0x60, 0x5a}});
  EXPECT_EQ(dev_.read(0x64, 1) & 0x21, 0x21U) << "as if the mouse had sent it";
  EXPECT_EQ(bytes(), "5a ");
  const auto ask = [this](std::uint64_t command) {
    writePorts(dev_, {{0x64, 0xd4}, {0x60, command}});
    return bytes();
  };
  EXPECT_EQ(ask(0xff), "fa aa 00 ");
  EXPECT_EQ(ask(0xf2), "fa 00 ");
  for (const std::uint64_t rate : {200, 100, 80}) {
    EXPECT_EQ(ask(0xf3), "fa ");
    EXPECT_EQ(ask(rate), "fa ");
  }
  EXPECT_EQ(ask(0xf2), "fa 03 ") << "a wheel";
  EXPECT_EQ(ask(0xe9), "fa 00 02 50 ");
  EXPECT_EQ(ask(0x17), "fe ");
}

TEST_F(I8042Test, TheMouseTellsOfMovesAndButtonsByInterrupt12) {
  dev_.moveMouse(1, 1, 0);
  EXPECT_EQ(bytes(), "") << "nobody asked for it yet";
  writePorts(dev_, {{0x64, 0xd4}, {0x60, 0xf6}, {0x64, 0x60}, {0x60, 0x47}});
  EXPECT_EQ(bytes(), "fa ");
  writePorts(dev_, {{0x64, 0xd4}, {0x60, 0xf4}});
  EXPECT_EQ(bytes(), "fa ");
  const int before = lines_.edges(12);
  dev_.moveMouse(10, 3, 0);
  EXPECT_TRUE(lines_.high(12));
  EXPECT_FALSE(lines_.high(1));
  EXPECT_EQ(bytes(), "28 0a fd ") << "down is negative on the wire";
  EXPECT_EQ(lines_.edges(12) - before, 3);
  dev_.pressMouse(Mouse::kLeft | Mouse::kMiddle);
  EXPECT_EQ(bytes(), "0d 00 00 ");
  dev_.pressMouse(0);
  dev_.moveMouse(-300, 0, 5);
  EXPECT_EQ(bytes(), "08 00 00 18 01 00 18 d3 00 ") << "far ways come in several packets";
}

TEST_F(I8042Test, TheA20GateIsSwitchedFromEachOfItsPlaces) {
  std::vector<bool> told;
  dev_.onA20([&told](bool open) {
    if (told.empty() || told.back() != open) told.push_back(open);
  });
  dev_.write(0x92, 0, 1);
  EXPECT_EQ(dev_.read(0x92, 1), 0U);
  writePorts(dev_, {{0x64, 0xd1}, {0x60, 0x03}});
  EXPECT_EQ(dev_.read(0x92, 1), 2U);
  dev_.write(0x64, 0xdd, 1);
  dev_.write(0x64, 0xd0, 1);
  EXPECT_EQ(bytes(), "01 ");
  dev_.write(0x64, 0xdf, 1);
  EXPECT_EQ(told, (std::vector<bool>{false, true, false, true}));
}

TEST_F(I8042Test, ItsStateMovesToAnother) {
  press("x", true);
  press("y", true);
  I8042 other(testClass(), board_, IrqLine(), IrqLine());
  expectRoundTrip(dev_, other);
  EXPECT_EQ(other.read(0x60, 1), 0x2dU);
}

}  // namespace
}  // namespace rhea::hw
