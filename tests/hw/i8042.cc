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
  I8042 dev_{testClass(), board_, lines_.line(1)};
};

TEST_F(I8042Test, PassesItsSelfTestAndTellsThatNoMouseIsThere) {
  dev_.write(0x64, 0xaa, 1);
  EXPECT_EQ(bytes(), "55 ");
  dev_.write(0x64, 0xa9, 1);
  EXPECT_EQ(bytes(), "02 ");
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

TEST_F(I8042Test, ItsStateMovesToAnother) {
  press("x", true);
  press("y", true);
  I8042 other(testClass(), board_, IrqLine());
  expectRoundTrip(dev_, other);
  EXPECT_EQ(other.read(0x60, 1), 0x2dU);
}

}  // namespace
}  // namespace rhea::hw
