// Guest addresses lead where the regions say: the one with the higher priority hides, gaps answer ones.
#include "emu/mem/address-space.h"

#include <gtest/gtest.h>

#include "emu/mem/dma.h"
#include "emu/mem/known-registers.h"

namespace rhea::mem {
namespace {

// Keeps what was written, answers offset + 0x10 in every byte.
class Registers final : public IoHandler {
 public:
  explicit Registers(AccessSizes sizes) : sizes_(sizes) {}
  std::uint64_t read(std::uint64_t offset, unsigned size) override {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= (offset + i + 0x10) << (8 * i);
    return value;
  }
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override {
    writes.push_back(fmt::format("{:x}/{}={:x}", offset, size, value));
  }
  AccessSizes accessSizes() const override { return sizes_; }
  std::vector<std::string> writes;

 private:
  AccessSizes sizes_;
};

std::string shape(const FlatView& view) {
  std::string text;
  for (const FlatRange& range : view.ranges()) {
    text += fmt::format("{:x}-{:x} {}+{:x}\n", range.first, range.last, *range.name, range.target.offset);
  }
  return text;
}

RamBlockPtr ram(std::uint64_t size) { return *RamBlock::anonymous("ram", size); }

TEST(AddressSpace, AHigherRegionHidesTheMiddleOfALowerOne) {
  AddressSpace space("memory", 0);
  Registers registers({1, 4});
  const RamBlockPtr block = ram(0x10000);
  const auto low = space.map({"ram", 0, 0x10000, Target::ram(block)});
  auto hole = space.map({"regs", 0x4000, 0x1000, Target::io(registers), 1});
  EXPECT_EQ(shape(*space.view()), "0-3fff ram+0\n4000-4fff regs+0\n5000-ffff ram+5000\n");
  hole.reset();
  EXPECT_EQ(shape(*space.view()), "0-ffff ram+0\n");
}

TEST(AddressSpace, OfEqualPrioritiesTheLaterOneHidesAndTheTopOfTheSpaceFits) {
  AddressSpace space("memory", 0);
  Registers a({1, 4}), b({1, 4});
  const auto first = space.map({"a", ~std::uint64_t{0} - 0xfff, 0x1000, Target::io(a)});
  const auto second = space.map({"b", ~std::uint64_t{0} - 0x7ff, 0x1000, Target::io(b)});
  EXPECT_EQ(shape(*space.view()), "fffffffffffff000-fffffffffffff7ff a+0\nfffffffffffff800-ffffffffffffffff b+0\n");
  EXPECT_EQ(space.view()->find(~std::uint64_t{0})->offsetOf(~std::uint64_t{0}), 0x7ffU);
}

TEST(AddressSpace, ARegionBelowSeveralOthersKeepsWhatTheyLeave) {
  AddressSpace space("memory", 0x10000);
  Registers a({1, 4});
  const auto one = space.map({"one", 0x1000, 0x1000, Target::io(a), 2});
  const auto two = space.map({"two", 0x3000, 0x1000, Target::io(a), 2});
  const auto below = space.map({"below", 0, 0x100000, Target::io(a), 1});
  EXPECT_EQ(shape(*space.view()),
            "0-fff below+0\n1000-1fff one+0\n2000-2fff below+2000\n3000-3fff two+0\n4000-ffff below+4000\n");
}

TEST(AddressSpace, SeveralChangesAreSeenAtOnce) {
  struct Counter final : AddressSpace::Listener {
    void mapChanged(const FlatViewPtr&) override { ++told; }
    int told = 0;
  } counter;
  AddressSpace space("memory", 0);
  Registers a({1, 4});
  space.listen(counter);
  EXPECT_EQ(counter.told, 1);
  AddressSpace::Mapping one, two;
  {
    const AddressSpace::Change change(space);
    one = space.map({"one", 0, 16, Target::io(a)});
    two = space.map({"two", 32, 16, Target::io(a)});
    EXPECT_TRUE(space.view()->ranges().empty());
  }
  EXPECT_EQ(counter.told, 2);
  EXPECT_EQ(space.view()->ranges().size(), 2U);
  space.forget(counter);
}

TEST(AddressSpace, NothingAnswersOnesAndSwallowsWrites) {
  AddressSpace space("memory", 0);
  const auto map = space.map({"ram", 0, 0x1000, Target::ram(ram(0x1000))});
  std::array<std::byte, 4> bytes{};
  EXPECT_EQ(space.read(0xffe, bytes), Access::kPartly);
  EXPECT_EQ(bytes, (std::array{std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}}));
  EXPECT_EQ(space.readValue(0x5000, 4), 0xffffffffU);
  EXPECT_EQ(space.write(0x5000, bytes), Access::kPartly);
}

TEST(AddressSpace, RomReadsAndDropsWrites) {
  AddressSpace space("memory", 0);
  const RamBlockPtr block = ram(0x1000);
  block->host()[5] = std::byte{0x42};
  const auto map = space.map({"rom", 0, 0x1000, Target::rom(block)});
  space.writeValue(5, 0x99, 1);
  EXPECT_EQ(space.readValue(5, 1), 0x42U);
}

TEST(AddressSpace, RegistersAreReadInTheSizesThatTheyTake) {
  AddressSpace space("memory", 0);
  Registers words({4, 4});
  const auto map = space.map({"words", 0x100, 0x100, Target::io(words)});
  EXPECT_EQ(space.readValue(0x101, 1), 0x11U);
  EXPECT_EQ(space.readValue(0x102, 2), 0x1312U);
  EXPECT_EQ(space.readValue(0x100, 8), 0x1716151413121110U);
  space.writeValue(0x104, 0x8877665544332211, 8);
  EXPECT_EQ(words.writes, (std::vector<std::string>{"4/4=44332211", "8/4=88776655"}));
}

TEST(AddressSpace, ALongCopyMeetsRegistersInNaturalPieces) {
  AddressSpace space("memory", 0);
  Registers bytes({1, 8});
  const auto map = space.map({"regs", 0, 0x100, Target::io(bytes)});
  const std::array<std::byte, 7> data{};
  EXPECT_EQ(space.write(1, data), Access::kDone);
  EXPECT_EQ(bytes.writes, (std::vector<std::string>{"1/1=0", "2/2=0", "4/4=0"}));
}

TEST(RamBlock, AWriteToDecodedCodeRaisesItsPagesVersionAndNoOther) {
  const RamBlockPtr block = ram(0x3000);
  RamBlock::Code seen;
  ASSERT_TRUE(block->markCode(1, seen, RamBlock::codeBits(0x80, 0x100)));
  block->written(0x1000, 0x80);  // the chunk before
  block->written(0x0fff, 1);     // the page before
  EXPECT_EQ(block->codeVersion(1).load(), 0U);
  block->written(0x107f, 2);
  EXPECT_EQ(block->codeVersion(1).load(), 1U);
  EXPECT_EQ(block->code(1).mask, 0U) << "it is data until somebody decodes from it again";
  block->written(0x1080, 2);
  EXPECT_EQ(block->codeVersion(1).load(), 1U);
  seen = block->code(1);
  ASSERT_TRUE(block->markCode(1, seen, RamBlock::codeBits(0x80, 0x100)));
  block->written(0x0800, 0x2000);  // across three pages
  EXPECT_EQ(block->codeVersion(0).load(), 0U);
  EXPECT_EQ(block->codeVersion(1).load(), 2U);
  EXPECT_EQ(block->codeVersion(2).load(), 0U);
}

TEST(RamBlock, MarksThatWentAndCameAgainAreOfAnotherVersion) {
  const RamBlockPtr block = ram(0x1000);
  RamBlock::Code seen;
  ASSERT_TRUE(block->markCode(0, seen, 3));
  EXPECT_FALSE(block->markCode(0, seen, 7)) << "the page had no marks before";
  EXPECT_EQ(seen, (RamBlock::Code{3, 0}));
  block->forgetCode(0);
  EXPECT_EQ(block->code(0), (RamBlock::Code{0, 1}));
  EXPECT_FALSE(block->markCode(0, seen, 7));
  ASSERT_TRUE(block->markCode(0, seen, 3));
  EXPECT_EQ(block->code(0), (RamBlock::Code{3, 1}));
  EXPECT_EQ(block->codeVersion(0).load(), 1U);
}

TEST(RamBlock, EachClientOfTheDirtyLogHasItsOwnBits) {
  const RamBlockPtr block = ram(0x3000);
  block->written(0, 1);
  block->startLog(DirtyClient::kDisplay);
  EXPECT_TRUE(block->needsLog(1));
  block->written(0x1000, 1);
  EXPECT_FALSE(block->needsLog(1));
  block->startLog(DirtyClient::kMigration);
  EXPECT_TRUE(block->needsLog(1));
  block->written(0x1000, 1);
  EXPECT_TRUE(block->takeDirty(1, DirtyClient::kDisplay));
  EXPECT_FALSE(block->takeDirty(1, DirtyClient::kDisplay));
  EXPECT_TRUE(block->isDirty(1, DirtyClient::kMigration));
  EXPECT_FALSE(block->isDirty(0, DirtyClient::kDisplay));
}

TEST(RamBlock, AnOddSizeIsRefused) {
  const auto odd = RamBlock::anonymous("ram", 4097);
  ASSERT_FALSE(odd.ok());
  EXPECT_NE(odd.error().message().find("4097"), std::string::npos);
}

TEST(DmaMapping, EndsWhereTheRangeEndsAndTellsOfItsWrites) {
  AddressSpace space("memory", 0);
  const RamBlockPtr block = ram(0x2000);
  Registers registers({1, 4});
  const auto map = space.map({"ram", 0x1000, 0x2000, Target::ram(block)});
  const auto rom = space.map({"rom", 0x8000, 0x1000, Target::rom(ram(0x1000))});
  const auto regs = space.map({"regs", 0x9000, 0x1000, Target::io(registers)});
  block->startLog(DirtyClient::kMigration);
  {
    auto dma = DmaMapping::map(space, 0x2ff0, 0x100, DmaDirection::kToGuest);
    ASSERT_TRUE(dma.has_value());
    EXPECT_EQ(dma->data().size(), 0x10U);
    EXPECT_EQ(dma->data().data(), block->host() + 0x1ff0);
    EXPECT_FALSE(block->isDirty(1, DirtyClient::kMigration));
  }
  EXPECT_TRUE(block->isDirty(1, DirtyClient::kMigration));
  EXPECT_FALSE(DmaMapping::map(space, 0x9000, 4, DmaDirection::kFromGuest).has_value());
  EXPECT_FALSE(DmaMapping::map(space, 0x8000, 4, DmaDirection::kToGuest).has_value());
  EXPECT_TRUE(DmaMapping::map(space, 0x8000, 4, DmaDirection::kFromGuest).has_value());
  EXPECT_FALSE(DmaMapping::map(space, 0x100000, 4, DmaDirection::kFromGuest).has_value());
}

TEST(DmaMapping, KeepsTheMemoryThatIsUnmappedMeanwhile) {
  AddressSpace space("memory", 0);
  RamBlockPtr block = ram(0x1000);
  const std::weak_ptr<RamBlock> watch = block;
  auto map = space.map({"ram", 0, 0x1000, Target::ram(std::exchange(block, nullptr))});
  auto dma = DmaMapping::map(space, 0, 16, DmaDirection::kToGuest);
  map.reset();
  EXPECT_FALSE(watch.expired());
  dma->data()[0] = std::byte{1};
  dma.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(KnownRegisters, AnswerAsTheSpaceDoesAndFollowEachChangeAtOnce) {
  AddressSpace space("io", 0x10000);
  Registers a({1, 1}), b({2, 4});
  auto first = space.map({"a", 0x60, 4, Target::io(a)});
  KnownRegisters known(space);
  const auto agree = [&] {
    for (GuestAddress address = 0x58; address < 0x70; ++address) {
      for (const unsigned size : {1U, 2U, 4U}) {
        EXPECT_EQ(known.readValue(address, size), space.readValue(address, size)) << address << " " << size;
        EXPECT_EQ(known.readValue(address, size), space.readValue(address, size)) << "again";
      }
    }
  };
  agree();
  EXPECT_EQ(known.readValue(0x61, 1), 0x11U);
  const auto hides = space.map({"b", 0x61, 6, Target::io(b), 1});
  EXPECT_EQ(known.readValue(0x62, 2), 0x1211U);
  agree();
  known.writeValue(0x62, 7, 2);
  known.writeValue(0x60, 8, 1);
  known.writeValue(0x6a, 9, 1);
  known.writeValue(0x66, 0x1234, 2);  // beyond its end
  first.reset();
  known.writeValue(0x60, 10, 1);
  EXPECT_EQ(known.readValue(0x60, 1), 0xffU);
  agree();
  EXPECT_EQ(a.writes, (std::vector<std::string>{"0/1=8"}));
  EXPECT_EQ(b.writes, (std::vector<std::string>{"1/2=7", "4/2=3400"}));
}

TEST(KnownRegisters, KnowTheOffsetsWithinARegionThatIsPartlyHidden) {
  AddressSpace space("memory", 0);
  Registers a({1, 8}), b({1, 8});
  const RamBlockPtr block = ram(0x1000);
  const auto low = space.map({"a", 0x10, 0x40, Target::io(a)});
  const auto hole = space.map({"b", 0x20, 0x10, Target::io(b), 1});
  const auto memory = space.map({"ram", 0x1000, 0x1000, Target::ram(block)});
  KnownRegisters known(space);
  for (int time = 0; time < 2; ++time) {
    EXPECT_EQ(known.readValue(0x18, 1), 0x18U);
    EXPECT_EQ(known.readValue(0x21, 1), 0x11U);
    EXPECT_EQ(known.readValue(0x38, 1), 0x38U);
    known.writeValue(0x1008, 0x5566 + static_cast<unsigned>(time), 4);
    EXPECT_EQ(known.readValue(0x1008, 8), 0x5566U + static_cast<unsigned>(time));
  }
}

}  // namespace
}  // namespace rhea::mem
