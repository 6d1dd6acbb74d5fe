#include "block/driver/qcow2/header.h"

#include "block/driver/qcow2/header-extensions.h"

namespace rhea::block::qcow2 {

namespace {

Error notQcow2(std::span<const std::byte> head) {
  if (head.empty()) return Error("the file is empty (0 bytes), so it is no qcow2 image").hint("create an image first");
  return Error("the file is no qcow2 image").expected("a file that begins with \"QFI\\xfb\"");
}

Error truncated(std::string_view what, std::uint64_t needed, std::uint64_t there) {
  return Error(fmt::format("the image is truncated: {} needs the file's first {} bytes, of which there are {}", what,
                           needed, there));
}

// What all of parse() needs to know of the fixed part before anything else can be said.
struct Start {
  std::uint32_t version = 0;
  std::uint32_t clusterBits = 0;
};

Result<Start> readStart(std::span<const std::byte> head) {
  if (head.size() < 4 || get<std::uint32_t>(head, 0) != kMagic) return notQcow2(head);
  if (head.size() < 24) return truncated("the header", kHeaderBytesV2, head.size());
  const Start start{get<std::uint32_t>(head, 4), get<std::uint32_t>(head, 20)};
  if (start.version == 1) {
    return Error("the image is of the old format qcow (version 1), not qcow2").expected("version 2 or 3");
  }
  if (start.version != 2 && start.version != 3) {
    return Error(fmt::format("the image has qcow2 version {}, which this program does not know", start.version))
        .expected("version 2 or 3")
        .hint(start.version > 3 ? "a newer program may read it" : "it is damaged");
  }
  if (start.clusterBits < kLeastClusterBits || start.clusterBits > kMostClusterBits) {
    return Error(fmt::format("clusters of 2^{} bytes cannot be", start.clusterBits))
        .where("cluster_bits, offset 20")
        .expected(fmt::format("2^{} (512 bytes) to 2^{} (2 MiB)", kLeastClusterBits, kMostClusterBits));
  }
  return start;
}

// One table of the image and the room it takes, for finding those that lie on one another.
struct Place {
  std::string_view name;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t end() const { return offset + bytes; }
};

class Parser {
 public:
  Parser(std::span<const std::byte> head, std::uint64_t fileLength, Header::Use use)
      : head_(head), fileLength_(fileLength), use_(use) {}

  Result<Header> run() {
    RHEA_TRY(const Start start, readStart(head_));
    header_.version = start.version;
    header_.clusterBits = start.clusterBits;
    RHEA_CHECK(readFields());
    RHEA_CHECK(readExtensions(head_.first(extensionsEnd_), headerLength_, header_));
    RHEA_CHECK(checkFeatures());
    RHEA_CHECK(readBackingFile());
    RHEA_CHECK(checkSizes());
    RHEA_CHECK(checkPlaces());
    return std::move(header_);
  }

 private:
  Result<void> readFields() {
    const std::size_t least = header_.version == 2 ? kHeaderBytesV2 : kHeaderBytesV3;
    if (head_.size() < least) return truncated("the header", least, head_.size());
    backingOffset_ = get<std::uint64_t>(head_, 8);
    backingBytes_ = get<std::uint32_t>(head_, 16);
    header_.size = get<std::uint64_t>(head_, kAtSize);
    encryption_ = get<std::uint32_t>(head_, 32);
    header_.l1Entries = get<std::uint32_t>(head_, kAtL1Size);
    header_.l1Offset = get<std::uint64_t>(head_, kAtL1Offset);
    header_.refcountTableOffset = get<std::uint64_t>(head_, kAtRefcountTable);
    header_.refcountTableClusters = get<std::uint32_t>(head_, kAtRefcountTableClusters);
    header_.snapshotCount = get<std::uint32_t>(head_, kAtSnapshotCount);
    header_.snapshotsOffset = get<std::uint64_t>(head_, kAtSnapshotsOffset);
    headerLength_ = kHeaderBytesV2;
    if (header_.version >= 3) RHEA_CHECK(readVersion3());
    // Extensions end before the backing file's name, which may stand right behind them.
    const std::uint64_t within = std::min<std::uint64_t>(head_.size(), header_.clusterSize());
    extensionsEnd_ =
        static_cast<std::size_t>(backingOffset_ >= headerLength_ && backingOffset_ < within ? backingOffset_ : within);
    return success();
  }

  Result<void> readVersion3() {
    header_.incompatible = get<std::uint64_t>(head_, kAtIncompatible);
    header_.compatible = get<std::uint64_t>(head_, kAtCompatible);
    header_.autoclear = get<std::uint64_t>(head_, kAtAutoclear);
    header_.refcountOrder = get<std::uint32_t>(head_, 96);
    headerLength_ = get<std::uint32_t>(head_, 100);
    if (headerLength_ < kHeaderBytesV3 || headerLength_ % 8 != 0 || headerLength_ > header_.clusterSize()) {
      return Error(fmt::format("a header of {} bytes cannot be", headerLength_))
          .where("header_length, offset 100")
          .expected(fmt::format("{} to {} (the cluster), a multiple of 8", kHeaderBytesV3, header_.clusterSize()));
    }
    if (headerLength_ > head_.size()) return truncated("the header", headerLength_, head_.size());
    if (header_.refcountOrder > kMostRefcountOrder) {
      return Error(fmt::format("refcounts of 2^{} bits cannot be", header_.refcountOrder))
          .where("refcount_order, offset 96")
          .expected("2^0 to 2^6 (64 bits)");
    }
    if (headerLength_ > kAtCompression) {
      compression_ = get<std::uint8_t>(head_, kAtCompression);
      auto more = head_.subspan(kAtCompression + 1, headerLength_ - kAtCompression - 1);
      // Zero means the same as absent, so padding is not kept as if it were a field.
      while (!more.empty() && more.back() == std::byte{0}) more = more.first(more.size() - 1);
      header_.moreFields.assign(more.begin(), more.end());
    }
    return success();
  }

  Result<void> checkFeatures() {
    if (const std::uint64_t unknown = header_.incompatible & ~kKnownIncompatible; unknown != 0) {
      return unknownFeatures(unknown);
    }
    if (encryption_ != 0) {
      const std::string_view method = encryption_ == 1 ? "AES" : encryption_ == 2 ? "LUKS" : "an unknown method";
      return Error(fmt::format("the image is encrypted ({}), which this program cannot read", method))
          .where("crypt_method, offset 32")
          .hint("decrypt it with the program that made it, by converting it to an image without encryption");
    }
    const bool named = (header_.incompatible & kCompressionType) != 0;
    if (named != (compression_ != 0)) {
      return Error(fmt::format("the compression type is {}, and the feature bit for it is {}", compression_,
                               named ? "set" : "not set"))
          .where("compression_type, offset 104")
          .expected("a type above 0 together with the bit, or neither");
    }
    if (compression_ > static_cast<std::uint8_t>(Compression::kZstd)) {
      return Error(fmt::format("the image's compression type {} is not known", compression_))
          .where("compression_type, offset 104")
          .expected("0 (zlib) or 1 (zstd)");
    }
    header_.compression = static_cast<Compression>(compression_);
    if (header_.hasExtendedL2() && header_.clusterBits < kLeastExtendedClusterBits) {
      return Error(fmt::format("extended L2 entries do not go with clusters of {} bytes", header_.clusterSize()))
          .expected(fmt::format("clusters of {} bytes at least", 1U << kLeastExtendedClusterBits));
    }
    return success();
  }

  // Names them as the image does: whoever made it knew them.
  Error unknownFeatures(std::uint64_t bits) const {
    std::string names;
    for (std::uint32_t bit = 0; bit < 64; ++bit) {
      if ((bits >> bit & 1U) == 0) continue;
      const auto known = std::ranges::find_if(header_.featureNames, [bit](const FeatureName& row) {
        return row.kind == FeatureName::Kind::kIncompatible && row.bit == bit && !row.name.empty();
      });
      if (!names.empty()) names += ", ";
      names += known != header_.featureNames.end() ? fmt::format("'{}'", known->name)
                                                   : fmt::format("bit {} (without a name)", bit);
    }
    return Error(fmt::format("the image uses features that this program does not know: {}", names))
        .where("incompatible_features, offset 72")
        .hint("a newer program may read it");
  }

  Result<void> readBackingFile() {
    if (backingOffset_ == 0) return success();
    if (backingBytes_ == 0) return success();
    if (backingBytes_ > kMostBackingNameBytes) {
      return Error(fmt::format("the backing file's name has {} bytes", backingBytes_))
          .where("backing_file_size, offset 16")
          .expected(fmt::format("{} at most", kMostBackingNameBytes));
    }
    if (backingOffset_ < headerLength_ || backingOffset_ > header_.clusterSize() ||
        backingBytes_ > header_.clusterSize() - backingOffset_) {
      return Error(fmt::format("the backing file's name, {} bytes at {}, is not in the first cluster behind the header",
                               backingBytes_, backingOffset_))
          .where("backing_file_offset, offset 8")
          .expected(fmt::format("{} to {}", headerLength_, header_.clusterSize()));
    }
    if (backingOffset_ + backingBytes_ > head_.size()) {
      return truncated("the backing file's name", backingOffset_ + backingBytes_, head_.size());
    }
    header_.backingFile =
        textOf(head_.subspan(static_cast<std::size_t>(backingOffset_), static_cast<std::size_t>(backingBytes_)));
    if (!header_.backingFile.empty() && header_.hasExternalData() && header_.isRawExternalData()) {
      return Error(fmt::format("the image has a raw data file and the backing file '{}', which contradict one another",
                               header_.backingFile))
          .where("autoclear_features, offset 88");
    }
    return success();
  }

  Result<void> checkSizes() {
    if (header_.size > INT64_MAX) {
      return Error(fmt::format("a disk of {} bytes cannot be", header_.size))
          .where("size, offset 24")
          .expected(fmt::format("{} at most", INT64_MAX));
    }
    if (std::uint64_t{header_.l1Entries} * 8 > kMostL1Bytes) {
      return Error(fmt::format("an L1 table of {} entries is too large", header_.l1Entries))
          .where("l1_size, offset 36")
          .expected(fmt::format("{} at most", kMostL1Bytes / 8));
    }
    if (const std::uint64_t needed = header_.geometry().l1EntriesFor(header_.size); needed > header_.l1Entries) {
      return Error(fmt::format("the L1 table has {} entries, but a disk of {} bytes needs {}", header_.l1Entries,
                               header_.size, needed))
          .where("l1_size, offset 36");
    }
    if (header_.snapshotCount > kMostSnapshots) {
      return Error(fmt::format("{} internal snapshots are too many", header_.snapshotCount))
          .where("nb_snapshots, offset 60")
          .expected(fmt::format("{} at most", kMostSnapshots));
    }
    return success();
  }

  Result<void> checkPlaces() {
    places_.push_back({"the header", 0, header_.clusterSize()});
    const std::uint64_t l1Bytes = std::uint64_t{header_.l1Entries} * 8;
    RHEA_CHECK(place("the L1 table", header_.l1Offset, l1Bytes));
    // Without it nothing of the disk can be found, whatever for: it would seem to be empty.
    if (l1Bytes != 0 && (header_.l1Offset > fileLength_ || l1Bytes > fileLength_ - header_.l1Offset)) {
      return truncated("the L1 table", header_.l1Offset + l1Bytes, fileLength_);
    }
    // The table's own reader finds out how long it is; so long at least.
    RHEA_CHECK(place("the snapshot table", header_.snapshotsOffset, header_.snapshotCount * kSnapshotEntryBytes));
    if (header_.bitmaps && (header_.autoclear & kBitmapsConsistent) != 0) {
      RHEA_CHECK(place("the bitmap directory", header_.bitmaps->directoryOffset, header_.bitmaps->directoryBytes));
    }
    if (auto refcounts = checkRefcountTable(); !refcounts.ok()) {
      if (use_ == Header::Use::kOpen) return refcounts;
      header_.refcountTableOffset = 0;
      header_.refcountTableClusters = 0;
    }
    return success();
  }

  Result<void> checkRefcountTable() {
    const std::uint64_t bytes = std::uint64_t{header_.refcountTableClusters} << header_.clusterBits;
    if (bytes == 0) {
      return Error("the image has no refcount table")
          .where("refcount_table_clusters, offset 56")
          .hint("rhea-img check -r all makes one");
    }
    if (bytes > kMostRefcountTableBytes) {
      return Error(fmt::format("a refcount table of {} clusters ({} bytes) is too large", header_.refcountTableClusters,
                               bytes))
          .where("refcount_table_clusters, offset 56")
          .expected(fmt::format("{} bytes at most", kMostRefcountTableBytes));
    }
    return place("the refcount table", header_.refcountTableOffset, bytes);
  }

  // Takes a table's room; the clusters that it fills belong to it alone.
  Result<void> place(std::string_view name, std::uint64_t offset, std::uint64_t bytes) {
    if (bytes == 0) return success();
    const Geometry geometry = header_.geometry();
    if (!geometry.isAligned(offset)) {
      return Error(fmt::format("{} is at {}, which is not a multiple of the cluster size {}", name, offset,
                               header_.clusterSize()));
    }
    if (offset > kMostHostOffset) return Error(fmt::format("{} is at {}, where no file can reach", name, offset));
    if (use_ == Header::Use::kOpen && (offset > fileLength_ || bytes > fileLength_ - offset)) {
      return truncated(name, offset + bytes, fileLength_);
    }
    const Place taken{name, offset, geometry.clustersFor(bytes) << header_.clusterBits};
    for (const Place& other : places_) {
      if (taken.offset < other.end() && other.offset < taken.end()) {
        return Error(
                   fmt::format("{} (at {}) and {} (at {}) lie on one another", name, offset, other.name, other.offset))
            .hint("the image is damaged; restore it from a copy");
      }
    }
    places_.push_back(taken);
    return success();
  }

  std::span<const std::byte> head_;
  std::uint64_t fileLength_;
  Header::Use use_;
  Header header_;
  std::uint64_t backingOffset_ = 0;
  std::uint32_t backingBytes_ = 0;
  std::uint32_t encryption_ = 0;
  std::uint32_t headerLength_ = 0;
  std::uint8_t compression_ = 0;
  std::size_t extensionsEnd_ = 0;
  std::vector<Place> places_;
};

// Where the last of what the parser reads ends, if the first bytes are enough to tell.
std::optional<std::uint64_t> endOfHeader(std::span<const std::byte> head, Start start) {
  constexpr std::uint64_t kSector = 512;
  const std::uint64_t cluster = std::uint64_t{1} << start.clusterBits;
  if (head.size() < kHeaderBytesV3) return std::nullopt;
  std::uint64_t at = start.version == 2 ? kHeaderBytesV2 : get<std::uint32_t>(head, 100);
  const auto nameAt = get<std::uint64_t>(head, 8);
  const std::uint64_t nameEnd = nameAt == 0 ? 0 : nameAt + get<std::uint32_t>(head, 16);
  if (nameAt > cluster || nameEnd > cluster) return std::nullopt;
  const std::uint64_t limit = nameAt >= at ? nameAt : cluster;
  while (at + 8 <= limit) {
    if (at + 8 > head.size()) return std::nullopt;
    const auto type = get<std::uint32_t>(head, static_cast<std::size_t>(at));
    const auto length = get<std::uint32_t>(head, static_cast<std::size_t>(at) + 4);
    at += 8;
    if (type == kExtensionEnd) break;
    at += alignUp<std::uint64_t>(length, 8);
  }
  return alignUp(std::max(at, nameEnd), kSector);
}

}  // namespace

Result<std::uint64_t> Header::headBytes(std::span<const std::byte> head, std::uint64_t fileLength) {
  head = head.first(std::min<std::size_t>(head.size(), fileLength));
  RHEA_TRY(const Start start, readStart(head));
  const std::uint64_t cluster = std::uint64_t{1} << start.clusterBits;
  return std::min({cluster, fileLength, endOfHeader(head, start).value_or(cluster)});
}

Result<Header> Header::parse(std::span<const std::byte> head, std::uint64_t fileLength, Use use) {
  return Parser(head.first(std::min<std::size_t>(head.size(), fileLength)), fileLength, use).run();
}

int probeHeader(std::span<const std::byte> head) {
  const bool magic = head.size() >= 8 && get<std::uint32_t>(head, 0) == kMagic;
  return magic && get<std::uint32_t>(head, 4) >= 2 ? 100 : 0;
}

}  // namespace rhea::block::qcow2
