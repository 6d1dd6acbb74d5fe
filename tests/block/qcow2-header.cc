#include <gtest/gtest.h>

#include "block/driver/qcow2/header.h"

namespace rhea::block::qcow2 {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kFile = 1U << 20U;

// A disk of 1 GiB: refcount table, a refcount block, the L1 table.
Header plain() {
  Header header;
  header.size = 1U << 30U;
  header.refcountTableOffset = 0x10000;
  header.refcountTableClusters = 1;
  header.l1Offset = 0x30000;
  header.l1Entries = 2;
  return header;
}

Bytes written(const Header& header) {
  Bytes bytes = header.serialise().value();
  bytes.resize(header.clusterSize());
  return bytes;
}

Result<Header> reread(const Bytes& bytes, Header::Use use = Header::Use::kOpen) {
  return Header::parse(bytes, kFile, use);
}

std::string refusal(const Bytes& bytes, Header::Use use = Header::Use::kOpen) {
  const Result<Header> header = reread(bytes, use);
  return header.ok() ? "accepted" : header.error().message();
}

template <class Integer>
std::string refusalWith(std::size_t at, Integer value) {
  Bytes bytes = written(plain());
  put<Integer>(bytes, at, value);
  return refusal(bytes);
}

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(Qcow2Header, ReadsWhatItWrites) {
  Header header = plain();
  header.backingFile = "base.img";
  header.backingFormat = "raw";
  header.featureNames.assign(standardFeatureNames().begin(), standardFeatureNames().end());
  header.compatible = kLazyRefcounts | 0x8000;
  header.unknownExtensions.push_back({0x12345678, Bytes(13, std::byte{7})});
  header.incompatible = kDirty | kCompressionType | kExtendedL2;
  header.l1Entries = 4;
  header.compression = Compression::kZstd;
  header.moreFields = {std::byte{0}, std::byte{9}};
  header.refcountOrder = 0;
  header.bitmaps = BitmapsExtension{3, 128, 0x50000};
  header.autoclear = kBitmapsConsistent;
  const auto again = reread(written(header));
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(*again, header);
}

TEST(Qcow2Header, KeepsVersion2) {
  Header header = plain();
  header.version = 2;
  header.backingFile = "b";
  header.backingFormat = "qcow2";
  const auto again = reread(written(header));
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(*again, header);
  EXPECT_EQ(again->geometry().refcountBits(), 16U);
}

TEST(Qcow2Header, KeepsTheDataFilesName) {
  Header header = plain();
  header.incompatible = kExternalData;
  header.autoclear = kRawExternalData;
  header.dataFile = "disk.raw";
  const auto again = reread(written(header));
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(*again, header);
  header.backingFile = "base";
  EXPECT_SAYS(refusal(written(header)), "contradict");
}

TEST(Qcow2Header, SaysWhatAForeignFileIs) {
  EXPECT_SAYS(Header::parse({}, 0).error().message(), "empty (0 bytes)");
  EXPECT_SAYS(refusalWith<std::uint32_t>(0, 0x4B444D56), "no qcow2 image");
  EXPECT_SAYS(refusalWith<std::uint32_t>(4, 1), "old format qcow");
  EXPECT_SAYS(refusalWith<std::uint32_t>(4, 4), "version 4");
  const Bytes head = written(plain());
  EXPECT_SAYS(Header::parse(std::span(head).first(10), 10).error().message(), "truncated");
  EXPECT_SAYS(Header::parse(std::span(head).first(80), 80).error().message(), "truncated");
  EXPECT_EQ(probeHeader(head), 100);
  EXPECT_EQ(probeHeader(std::span(head).subspan(1)), 0);
  EXPECT_EQ(Header::headBytes(std::span(head).first(32), kFile).value(), 65536U);
  EXPECT_EQ(Header::headBytes(std::span(head).first(32), 700).value(), 700U);
}

TEST(Qcow2Header, WantsNoMoreThanIsThere) {
  Header header = plain();
  EXPECT_EQ(Header::headBytes(written(header), kFile).value(), 512U);
  header.backingFile = std::string(900, 'b');
  EXPECT_EQ(Header::headBytes(written(header), kFile).value(), 1024U);
  header.unknownExtensions.push_back({0x12345678, Bytes(5000)});
  const Bytes head = written(header);
  EXPECT_EQ(Header::headBytes(head, kFile).value(), 6144U);
  // The end is not in what was seen of it.
  EXPECT_EQ(Header::headBytes(std::span(head).first(4096), kFile).value(), 65536U);
  EXPECT_EQ(Header::parse(head, kFile).value(), header);
}

TEST(Qcow2Header, NamesUnknownFeaturesAsTheImageDoes) {
  Header header = plain();
  header.featureNames.push_back({FeatureName::Kind::kIncompatible, 7, "quantum clusters"});
  Bytes bytes = written(header);
  put<std::uint64_t>(bytes, kAtIncompatible, (1U << 7U) | (1U << 9U));
  const std::string text = refusal(bytes);
  EXPECT_SAYS(text, "'quantum clusters'");
  EXPECT_SAYS(text, "bit 9");
}

TEST(Qcow2Header, IgnoresUnknownCompatibleAndAutoclearBits) {
  Header header = plain();
  header.compatible = 0xF000;
  header.autoclear = 0xF000;
  const auto again = reread(written(header));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->autoclear & ~kKnownAutoclear, 0xF000U);
}

TEST(Qcow2Header, RefusesEncryptionByName) {
  EXPECT_SAYS(refusalWith<std::uint32_t>(32, 1), "encrypted (AES)");
  EXPECT_SAYS(refusalWith<std::uint32_t>(32, 2), "encrypted (LUKS)");
}

TEST(Qcow2Header, RefusesAbsurdValues) {
  EXPECT_SAYS(refusalWith<std::uint32_t>(20, 8), "2^8");
  EXPECT_SAYS(refusalWith<std::uint32_t>(20, 22), "2^22");
  EXPECT_SAYS(refusalWith<std::uint32_t>(20, 0xFFFFFFFF), "cannot be");
  EXPECT_SAYS(refusalWith<std::uint64_t>(kAtSize, UINT64_MAX), "cannot be");
  EXPECT_SAYS(refusalWith<std::uint64_t>(kAtSize, 1ULL << 40U), "needs 2048");
  EXPECT_SAYS(refusalWith<std::uint32_t>(kAtL1Size, 0xFFFFFFFF), "too large");
  EXPECT_SAYS(refusalWith<std::uint64_t>(kAtL1Offset, 0x30001), "not a multiple");
  EXPECT_SAYS(refusalWith<std::uint64_t>(kAtL1Offset, 0xFFFFFFFFFFFF0000), "no file can reach");
  EXPECT_SAYS(refusalWith<std::uint64_t>(kAtL1Offset, kFile), "truncated: the L1 table");
  EXPECT_SAYS(refusalWith<std::uint32_t>(kAtSnapshotCount, 65537), "too many");
  EXPECT_SAYS(refusalWith<std::uint32_t>(96, 7), "2^7");
  EXPECT_SAYS(refusalWith<std::uint32_t>(100, 96), "header of 96");
  EXPECT_SAYS(refusalWith<std::uint32_t>(100, 0x20000), "header of 131072");
  EXPECT_SAYS(refusalWith<std::uint8_t>(kAtCompression, 1), "compression type");
  EXPECT_SAYS(refusalWith<std::uint64_t>(kAtIncompatible, kCompressionType), "compression type");
}

TEST(Qcow2Header, RefusesTablesThatLieOnOneAnother) {
  EXPECT_SAYS(refusalWith<std::uint64_t>(kAtL1Offset, 0), "the header (at 0)");
  EXPECT_SAYS(refusalWith<std::uint64_t>(kAtL1Offset, 0x10000), "the refcount table");
  Header header = plain();
  header.snapshotCount = 1;
  header.snapshotsOffset = header.l1Offset;
  EXPECT_SAYS(refusal(written(header)), "lie on one another");
  header = plain();
  header.bitmaps = BitmapsExtension{1, 32, header.l1Offset};
  header.autoclear = kBitmapsConsistent;
  EXPECT_SAYS(refusal(written(header)), "the bitmap directory");
  // Nobody believes it, so it does no harm.
  header.autoclear = 0;
  EXPECT_EQ(refusal(written(header)), "accepted");
}

TEST(Qcow2Header, LetsACheckMakeTheRefcountTableAnew) {
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{0x30000}, kFile * 2, UINT64_MAX}) {
    Bytes bytes = written(plain());
    put<std::uint64_t>(bytes, kAtRefcountTable, offset);
    EXPECT_NE(refusal(bytes), "accepted") << offset;
    if (offset == kFile * 2) continue;  // a check reads zeroes there
    const auto header = reread(bytes, Header::Use::kCheck);
    ASSERT_TRUE(header.ok()) << header.error().message();
    EXPECT_EQ(header->refcountTableClusters, 0U);
  }
}

TEST(Qcow2Header, RefusesExtensionsAndNamesBeyondTheirRoom) {
  Header header = plain();
  header.backingFile = "base.img";
  header.backingFormat = "raw";
  Bytes bytes = written(header);
  put<std::uint32_t>(bytes, 116, 70000);
  EXPECT_SAYS(refusal(bytes), "are left for it");
  bytes = written(header);
  put<std::uint32_t>(bytes, 16, 1024);
  EXPECT_SAYS(refusal(bytes), "1024 bytes");
  put<std::uint32_t>(bytes, 16, 1023);
  put<std::uint64_t>(bytes, 8, 65536 - 1022);
  EXPECT_SAYS(refusal(bytes), "not in the first cluster");
  put<std::uint64_t>(bytes, 8, UINT64_MAX);
  EXPECT_SAYS(refusal(bytes), "not in the first cluster");
}

TEST(Qcow2Header, GivesUpFeatureNamesBeforeTheBackingName) {
  Header header = plain();
  header.clusterBits = 9;
  header.l1Entries = 1U << 15U;
  header.featureNames.assign(standardFeatureNames().begin(), standardFeatureNames().end());
  header.backingFile = std::string(300, 'x');
  const Bytes bytes = header.serialise().value();
  EXPECT_EQ(bytes.size(), 512U);
  const auto again = Header::parse(bytes, kFile);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(again->backingFile, header.backingFile);
  EXPECT_TRUE(again->featureNames.empty());
  header.backingFile = std::string(500, 'x');
  EXPECT_SAYS(header.serialise().error().message(), "a cluster has 512");
}

TEST(Qcow2Format, RefcountsOfAnyWidthKeepTheirNeighbours) {
  for (std::uint32_t order = 0; order <= kMostRefcountOrder; ++order) {
    const Geometry geometry(9, order, false);
    Bytes block(512, std::byte{0xFF});
    const std::uint64_t last = geometry.refcountBlockEntries() - 1;
    for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{3}, last}) {
      putRefcount(block, index, order, 0);
      EXPECT_EQ(refcountAt(block, index, order), 0U);
      EXPECT_EQ(refcountAt(block, 1, order), geometry.mostRefcount());
      putRefcount(block, index, order, geometry.mostRefcount());
      EXPECT_EQ(refcountAt(block, index, order), geometry.mostRefcount());
    }
  }
  // The least significant bits come first.
  Bytes block(512);
  putRefcount(block, 1, 2, 0xA);
  EXPECT_EQ(block[0], std::byte{0xA0});
}

TEST(Qcow2Format, CompressedWordsGiveBackTheirPlace) {
  for (std::uint32_t bits = kLeastClusterBits; bits <= kMostClusterBits; ++bits) {
    const Geometry geometry(bits, 4, false);
    for (const std::uint64_t offset : {std::uint64_t{512}, std::uint64_t{70001}, (std::uint64_t{1} << 40U) + 511}) {
      for (const std::uint64_t bytes : {std::uint64_t{1}, std::uint64_t{511}, geometry.clusterSize()}) {
        const CompressedPlace place = compressedPlace(compressedWord(offset, bytes, geometry), geometry);
        EXPECT_EQ(place.offset, offset);
        EXPECT_GE(place.bytes, bytes);
        EXPECT_LT(place.bytes, bytes + 512);
      }
    }
  }
}

}  // namespace
}  // namespace rhea::block::qcow2
