#include <gtest/gtest.h>

#include "block/driver/qcow2/checker.h"
#include "tests/lib/memory-file.h"
#include "tests/lib/tiny-qcow2.h"

namespace rhea::block::qcow2 {
namespace {

using rhea::test::keepsAll;
using rhea::test::MemoryFile;
using rhea::test::readableClusters;
using rhea::test::TinyOptions;
using rhea::test::TinyQcow2;

class Qcow2Check : public testing::Test {
 protected:
  static constexpr CheckWish kLook{};
  static constexpr CheckWish kLeaks{true, false};
  static constexpr CheckWish kAll{true, true};

  CheckReport check(CheckWish wish) {
    auto header = Header::parse(file_.bytes(), file_.bytes().size(), Header::Use::kCheck);
    EXPECT_TRUE(header.ok());
    Checker checker(file_.edge(), *header, progress_, {});
    auto report = file_.run(checker.run(wish));
    EXPECT_TRUE(report.ok());
    return report.ok() ? *report : CheckReport();
  }
  static std::string told(const CheckReport& report) {
    std::string text = fmt::format("{} corruptions, {} leaks, {} errors; fixed {}, {}", report.corruptions,
                                   report.leaks, report.checkErrors, report.corruptionsFixed, report.leaksFixed);
    for (const std::string& finding : report.findings) text += "\n" + finding;
    return text;
  }
  // Repairs what was damaged; everything that could be read can be read.
  CheckReport repair(const TinyQcow2& damaged, CheckWish wish = kAll) {
    file_.bytes() = damaged.bytes;
    const auto before = readableClusters(damaged.bytes);
    const CheckReport report = check(wish);
    EXPECT_TRUE(keepsAll(before, readableClusters(file_.bytes()))) << told(report);
    return report;
  }
  bool isClean(const CheckReport& report) {
    return report.corruptions == 0 && report.leaks == 0 && report.checkErrors == 0;
  }
  static TinyOptions everything() {
    TinyOptions options;
    options.snapshots = 2;
    options.bitmap = true;
    options.compressed = true;
    return options;
  }

  MemoryFile file_;
  Progress progress_;
};

TEST_F(Qcow2Check, FindsNothingInWholeImages) {
  for (std::uint32_t order = 2; order <= kMostRefcountOrder; ++order) {
    for (const bool extended : {false, true}) {
      TinyOptions options = everything();
      options.refcountOrder = order;
      options.extendedL2 = extended;
      if (extended) options.clusterBits = 14;
      const TinyQcow2 image(options);
      file_.bytes() = image.bytes;
      const CheckReport report = check(kAll);
      EXPECT_TRUE(isClean(report)) << told(report);
      EXPECT_EQ(report.findings.size(), 0U);
      EXPECT_EQ(report.imageEndOffset, image.bytes.size());
      EXPECT_EQ(report.compressedClusters, 2U);
      EXPECT_EQ(file_.bytes(), image.bytes);
    }
  }
}

TEST_F(Qcow2Check, CountsLeaksAndFreesThemWhenAsked) {
  TinyQcow2 image(everything());
  image.bytes.resize(image.bytes.size() + 3 * 512);
  image.setRefcount(image.clusters() - 1, 1);
  image.setRefcount(image.clusters() - 3, 7);
  file_.bytes() = image.bytes;
  EXPECT_EQ(check(kLook).leaks, 2U);
  EXPECT_EQ(file_.bytes(), image.bytes);
  const CheckReport report = repair(image, kLeaks);
  EXPECT_EQ(report.leaksFixed, 2U);
  EXPECT_TRUE(isClean(report)) << told(report);
}

TEST_F(Qcow2Check, RaisesRefcountsThatAreTooLow) {
  TinyQcow2 image(everything());
  const std::uint64_t shared = (image.word(image.entryAt(1)) & kOffsetMask) >> 9U;
  ASSERT_EQ(image.refcount(shared), 3U);
  image.setRefcount(shared, 1);
  image.setRefcount(image.l2Tables[0] >> 9U, 0);
  file_.bytes() = image.bytes;
  EXPECT_EQ(check(kLook).corruptions, 2U);
  EXPECT_EQ(repair(image, kLeaks).corruptions, 2U);
  const CheckReport report = repair(image);
  EXPECT_EQ(report.corruptionsFixed, 2U);
  EXPECT_TRUE(isClean(report)) << told(report);
}

TEST_F(Qcow2Check, MendsFlagsOfSharedAndOwnClusters) {
  TinyQcow2 image(everything());
  image.setWord(image.entryAt(1), image.word(image.entryAt(1)) | kCopied);   // shared with snapshots
  image.setWord(image.entryAt(0), image.word(image.entryAt(0)) & ~kCopied);  // its own
  image.setWord(image.header.l1Offset, image.word(image.header.l1Offset) & ~kCopied);
  file_.bytes() = image.bytes;
  EXPECT_EQ(check(kLook).corruptions, 3U);
  const CheckReport report = repair(image);
  EXPECT_EQ(report.corruptionsFixed, 3U);
  EXPECT_TRUE(isClean(report)) << told(report);
  EXPECT_EQ(get<std::uint64_t>(file_.bytes(), image.entryAt(1)) & kCopied, 0U);
}

TEST_F(Qcow2Check, MakesRefcountsAnewWhereTheyCannotBeTrusted) {
  const std::vector<std::function<void(TinyQcow2&)>> damages = {
      [](TinyQcow2& image) { image.setWord(image.header.refcountTableOffset, 0); },
      [](TinyQcow2& image) { image.setWord(image.header.refcountTableOffset, 0x123456789000); },
      [](TinyQcow2& image) { image.setWord(image.header.refcountTableOffset, image.refcountBlock + 1); },
      [](TinyQcow2& image) { image.setWord(image.header.refcountTableOffset, image.l2Tables[0]); },
      [](TinyQcow2& image) { image.setWord(kAtRefcountTable, 0); },
      [](TinyQcow2& image) { image.setWord(kAtRefcountTable, UINT64_MAX); },
      [](TinyQcow2& image) { image.setWord(kAtRefcountTable, image.header.l1Offset); },
      [](TinyQcow2& image) { image.setWord(image.header.refcountTableOffset + 8, image.refcountBlock); },
  };
  for (std::size_t i = 0; i < damages.size(); ++i) {
    TinyQcow2 image(everything());
    damages[i](image);
    file_.bytes() = image.bytes;
    EXPECT_GT(check(kLook).corruptions, 0U) << i;
    const CheckReport report = repair(image);
    EXPECT_TRUE(isClean(report)) << i << ": " << told(report);
    EXPECT_TRUE(Header::parse(file_.bytes(), file_.bytes().size()).ok());
  }
}

TEST_F(Qcow2Check, NeverWritesIntoWhatIsUsedTwice) {
  TinyQcow2 image(everything());
  // A cluster of the disk that is the refcount block, and one that is the other L2 table.
  image.setWord(image.entryAt(9), image.refcountBlock | kCopied);
  image.setWord(image.entryAt(10), image.l2Tables[1] | kCopied);
  image.setRefcount(image.clusters() - 1, 0);
  const CheckReport report = repair(image);
  EXPECT_GT(report.corruptions, 0U) << told(report);
  EXPECT_GT(report.corruptionsFixed, 0U) << told(report);
}

TEST_F(Qcow2Check, LeavesAloneWhatItCannotFollow) {
  TinyQcow2 image(everything());
  image.setWord(image.header.l1Offset, image.word(image.header.l1Offset) | 0x200100);
  image.setWord(image.header.l1Offset + 8, (image.word(image.header.l1Offset + 8) & ~kOffsetMask) | 0x10000000);
  const CheckReport report = repair(image);
  EXPECT_GT(report.corruptions, 0U);
  EXPECT_GT(report.leaks, 0U);
  EXPECT_EQ(report.leaksFixed, 0U) << told(report);
}

TEST_F(Qcow2Check, TellsReferencesBehindTheEnd) {
  TinyQcow2 image(TinyOptions{});
  image.setWord(image.entryAt(20), kCopied | 0x10000000);
  image.setWord(image.entryAt(21), kCopied | 0x00FFFFFFFFFFFE00);
  image.setWord(image.entryAt(22), kCompressed | 0x0FFFFFFFFFFFFFFF);
  file_.bytes() = image.bytes;
  EXPECT_GE(check(kLook).corruptions, 3U);
  EXPECT_GE(repair(image).corruptions, 3U);
}

TEST_F(Qcow2Check, ClearsDirtyAndCorruptOnceClean) {
  TinyQcow2 image(everything());
  image.setWord(kAtIncompatible, kDirty | kCorrupt);
  image.setRefcount(image.l2Tables[0] >> 9U, 0);
  EXPECT_GT(repair(image, kLeaks).corruptions, 0U);
  EXPECT_EQ(get<std::uint64_t>(file_.bytes(), kAtIncompatible), kDirty | kCorrupt);
  EXPECT_TRUE(isClean(repair(image)));
  EXPECT_EQ(get<std::uint64_t>(file_.bytes(), kAtIncompatible), 0U);
}

TEST_F(Qcow2Check, ForgetsBitmapsThatNobodyMayBelieveBeforeItFreesThem) {
  TinyQcow2 image(everything());
  image.setWord(kAtAutoclear, 0);
  file_.bytes() = image.bytes;
  EXPECT_EQ(check(kLook).leaks, 3U);
  const CheckReport report = repair(image, kLeaks);
  EXPECT_TRUE(isClean(report)) << told(report);
  EXPECT_FALSE(Header::parse(file_.bytes(), file_.bytes().size())->bitmaps.has_value());
}

TEST_F(Qcow2Check, TellsWidthsThatCannotCountAllUsers) {
  TinyOptions options;
  options.refcountOrder = 0;
  TinyQcow2 image(options);
  image.setWord(image.entryAt(30), image.word(image.entryAt(0)) & ~kCopied);
  const CheckReport report = repair(image);
  EXPECT_EQ(report.corruptions, 1U) << told(report);
  // Nobody may write it in place.
  EXPECT_EQ(get<std::uint64_t>(file_.bytes(), image.entryAt(0)) & kCopied, 0U);
}

TEST_F(Qcow2Check, EndsForImagesThatPointInCircles) {
  TinyQcow2 image(everything());
  const std::uint64_t l1 = image.header.l1Offset;
  image.setWord(l1, l1 | kCopied);  // an L2 table that is the L1 table
  image.setWord(l1 + 8, image.l2Tables[0] | kCopied);
  image.setWord(image.entryAt(0), image.l2Tables[0] | kCopied);
  EXPECT_GT(repair(image).corruptions, 0U);
}

}  // namespace
}  // namespace rhea::block::qcow2
