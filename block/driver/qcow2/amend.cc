#include "block/driver/qcow2/amend.h"

#include <cerrno>

#include "block/driver/qcow2/checker.h"
#include "block/driver/qcow2/codec.h"
#include "block/driver/qcow2/resize.h"
#include "config.h"
#include "qapi/types-block-options.h"

namespace rhea::block::qcow2 {

namespace {

using Options = qapi::BlockdevCreateOptionsQcow2;

Error cannotChange(std::string_view option, std::string_view now) {
  return Error(fmt::format("{} of an image that exists cannot change; it is {}", option, now))
      .where(std::string(option))
      .hint("convert the image to a new one");
}

// What is asked for, as far as it differs from what is.
struct Wanted {
  std::uint32_t version = 3;
  std::uint32_t refcountOrder = 4;
  bool lazy = false;
  bool raw = false;
};

Result<void> checkFixed(const Options& options, const Image& image) {
  const Header& header = image.header;
  if (options.clusterSize && *options.clusterSize != header.clusterSize()) {
    return cannotChange("cluster-size", std::to_string(header.clusterSize()));
  }
  if (options.extendedL2 && *options.extendedL2 != header.hasExtendedL2()) {
    return cannotChange("extended-l2", header.hasExtendedL2() ? "on" : "off");
  }
  if (options.compressionType) {
    const std::string_view now = header.compression == Compression::kZstd ? "zstd" : "zlib";
#if RHEA_HAVE_ZSTD
    const bool zstd = *options.compressionType == qapi::Qcow2CompressionType::zstd;
#else
    const bool zstd = false;
#endif
    if (zstd != (header.compression == Compression::kZstd)) return cannotChange("compression-type", now);
  }
  if (options.preallocation && *options.preallocation != qapi::PreallocMode::off) {
    return Error("preallocation is for new images and for resizing").where("preallocation");
  }
  if (options.dataFile) {
    return Error("the data file of an image that exists cannot change").where("data-file");
  }
  if (options.size != 0 && options.size % 512 != 0) {
    return Error(fmt::format("a disk of {} bytes is no multiple of 512", options.size)).where("size");
  }
  return success();
}

// Everything that version 2 cannot say, by its option.
Result<void> checkDowngrade(const Wanted& wanted, const Header& header) {
  const auto refuse = [](std::string_view what, std::string_view where) {
    return Error(fmt::format("version 2 of the format (compat=0.10) does not know {}", what)).where(std::string(where));
  };
  if (wanted.refcountOrder != 4) return refuse("refcounts of other than 16 bits", "refcount-bits");
  if (wanted.lazy) return refuse("lazy refcounts", "lazy-refcounts");
  if (header.hasExternalData()) return refuse("external data files", "version");
  if (header.hasExtendedL2()) return refuse("extended L2 entries", "version");
  if (header.compression != Compression::kZlib) return refuse("compression other than zlib", "version");
  if (header.hasConsistentBitmaps()) return refuse("persistent bitmaps; remove them first", "version");
  return success();
}

Result<Wanted> want(const Options& options, const Image& image) {
  const Header& header = image.header;
  Wanted wanted;
  wanted.version = header.version;
  wanted.refcountOrder = header.refcountOrder;
  wanted.lazy = header.hasLazyRefcounts();
  wanted.raw = header.isRawExternalData();
  if (options.version) wanted.version = *options.version == qapi::BlockdevQcow2Version::v2 ? 2 : 3;
  if (options.refcountBits) {
    const auto bits = static_cast<std::uint64_t>(*options.refcountBits);
    if (!std::has_single_bit(bits) || bits > 64) {
      return Error(fmt::format("a refcount of {} bits cannot be", *options.refcountBits))
          .where("refcount-bits")
          .expected("1, 2, 4, 8, 16, 32 or 64");
    }
    wanted.refcountOrder = static_cast<std::uint32_t>(std::countr_zero(bits));
  }
  if (options.lazyRefcounts) wanted.lazy = *options.lazyRefcounts;
  // Going back to version 2 takes along what only version 3 has and nobody asked to keep.
  if (wanted.version == 2 && !options.lazyRefcounts) wanted.lazy = false;
  if (options.dataFileRaw && *options.dataFileRaw != wanted.raw) {
    if (*options.dataFileRaw) {
      return Error(
                 "data-file-raw can be set only when an image is made: what is in the data file is not a raw image yet")
          .where("data-file-raw");
    }
    wanted.raw = false;
  }
  if (wanted.version == 2) RHEA_CHECK(checkDowngrade(wanted, header));
  return wanted;
}

// Version 2 has no zero clusters. Where nothing is behind the image they may as well be unallocated.
Task<Result<void>> dropZeroClusters(Image& image) {
  const auto refuse = [](std::string_view what) {
    return Error(fmt::format("the image has zero clusters {}, which version 2 of the format (compat=0.10) cannot say",
                             what))
        .where("version")
        .hint("convert the image to a new one");
  };
  if (image.header.snapshotCount != 0) {
    co_return Error("an image with snapshots stays at its version, since they may have zero clusters")
        .where("version")
        .hint("delete the snapshots first");
  }
  const std::uint64_t size = image.geometry.clusterSize();
  // First whether it can be done at all.
  for (int pass = 0; pass < 2; ++pass) {
    const bool change = pass == 1;
    for (std::uint64_t at = 0; at < image.mapping.l1().size() * image.geometry.l2Reach(); at += size) {
      RHEA_CO_TRY(const TableCache::Hold slice, co_await image.mapping.find(at));
      if (!slice) {
        at = alignDown<std::uint64_t>(at, image.geometry.l2Reach()) + image.geometry.l2Reach() - size;
        continue;
      }
      const ClusterEntry entry = image.mapping.entry(slice, at);
      if ((entry.word & kCompressed) != 0 || (entry.word & kZeroFlag) == 0) continue;
      if (image.hasBacking() || !image.header.backingFile.empty()) co_return refuse("before its backing file");
      if (!change) continue;
      const std::uint64_t host = entry.word & kOffsetMask;
      RHEA_CO_TRY(const TableCache::Hold own, co_await image.mapping.own(at));
      image.mapping.setEntry(own, at, ClusterEntry());
      if (host != 0) image.allocator.giveBack(FreedSpace(Extent(host, size), FreeReason::kOther));
    }
  }
  co_return co_await image.writeBack.commitAll();
}

Task<Result<void>> changeVersion(Image& image, std::uint32_t version) {
  if (version == image.header.version) co_return success();
  if (version == 2) RHEA_CO_CHECK(co_await dropZeroClusters(image));
  Header before = image.header;
  image.header.version = version;
  if (version == 2) {
    image.header.incompatible = 0;
    image.header.compatible = 0;
    image.header.autoclear = 0;
    image.header.moreFields.clear();
    image.header.bitmaps.reset();
  } else if (image.header.featureNames.empty()) {
    image.header.featureNames.assign(standardFeatureNames().begin(), standardFeatureNames().end());
  }
  Result<void> written = co_await image.writeHeader();
  if (!written.ok()) image.header = std::move(before);
  co_return written;
}

Task<Result<void>> changeRefcountWidth(Image& image, std::uint32_t order, Progress& progress, CancelToken cancel) {
  if (order == image.header.refcountOrder) co_return success();
  // In the file everything is as in memory; what is in memory of refcounts is of no use afterwards.
  RHEA_CO_CHECK(co_await image.endWriting());
  Checker checker(image.file, image.header, progress, cancel);
  RHEA_CO_CHECK(co_await checker.remakeRefcounts(order));
  image.header = checker.header();
  co_return co_await image.reload();
}

}  // namespace

Task<Result<void>> amendImage(Image& image, DriverOptions given, Progress& progress, CancelToken cancel) {
  const auto* const options = given.find<Options>();
  if (options == nullptr) co_return Error("these are not the options of a qcow2 image");
  RHEA_CO_CHECK(checkFixed(*options, image));
  RHEA_CO_TRY(const Wanted wanted, want(*options, image));
  RHEA_CO_CHECK(co_await image.beginWriting());

  // To version 3 before what needs it, to version 2 after what it cannot have is gone.
  if (wanted.version > image.header.version) RHEA_CO_CHECK(co_await changeVersion(image, wanted.version));
  RHEA_CO_CHECK(co_await changeRefcountWidth(image, wanted.refcountOrder, progress, cancel));
  RHEA_CO_CHECK(co_await image.beginWriting());
  if (wanted.lazy != image.header.hasLazyRefcounts()) {
    RHEA_CO_CHECK(co_await image.endWriting());  // and with it the dirty mark goes
    const std::uint64_t bits = image.header.compatible ^ kLazyRefcounts;
    std::vector<std::byte> field(8);
    put<std::uint64_t>(field, 0, bits);
    RHEA_CO_CHECK(co_await image.patchHeader(kAtCompatible, std::move(field)));
    image.header.compatible = bits;
    if (!wanted.lazy) image.settings.lazyRefcounts = false;
    RHEA_CO_CHECK(co_await image.beginWriting());
  }
  if (wanted.raw != image.header.isRawExternalData()) {
    std::vector<std::byte> field(8);
    put<std::uint64_t>(field, 0, image.header.autoclear & ~kRawExternalData);
    RHEA_CO_CHECK(co_await image.patchHeader(kAtAutoclear, std::move(field)));
    image.header.autoclear &= ~kRawExternalData;
  }
  if (wanted.version < image.header.version) RHEA_CO_CHECK(co_await changeVersion(image, wanted.version));
  if (options->backingFile || options->backingFmt) {
    Header before = image.header;
    if (options->backingFile) image.header.backingFile = *options->backingFile;
    if (options->backingFmt) image.header.backingFormat = toString(*options->backingFmt);
    if (image.header.backingFile.empty()) image.header.backingFormat.clear();
    const Result<void> written = co_await image.writeHeader();
    if (!written.ok()) {
      image.header = std::move(before);
      co_return written;
    }
  }
  if (options->size != 0 && options->size != image.length()) {
    RHEA_CO_CHECK(co_await resizeImage(image, options->size, Preallocation::kOff));
  }
  progress.set(1, 1);
  co_return co_await image.writeBack.commitAll();
}

}  // namespace rhea::block::qcow2
