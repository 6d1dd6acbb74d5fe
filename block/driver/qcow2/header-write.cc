#include "block/driver/qcow2/header-extensions.h"
#include "block/driver/qcow2/header.h"

namespace rhea::block::qcow2 {

namespace {

std::vector<std::byte> fixedFields(const Header& header) {
  const bool three = header.version >= 3;
  // The compression type is always there, with its padding: zero means absent.
  const std::size_t bytes =
      three ? alignUp<std::size_t>(kAtCompression + 1 + header.moreFields.size(), 8) : kHeaderBytesV2;
  std::vector<std::byte> fields(bytes);
  put<std::uint32_t>(fields, 0, kMagic);
  put<std::uint32_t>(fields, 4, header.version);
  put<std::uint32_t>(fields, 20, header.clusterBits);
  put<std::uint64_t>(fields, kAtSize, header.size);
  put<std::uint32_t>(fields, kAtL1Size, header.l1Entries);
  put<std::uint64_t>(fields, kAtL1Offset, header.l1Offset);
  put<std::uint64_t>(fields, kAtRefcountTable, header.refcountTableOffset);
  put<std::uint32_t>(fields, kAtRefcountTableClusters, header.refcountTableClusters);
  put<std::uint32_t>(fields, kAtSnapshotCount, header.snapshotCount);
  put<std::uint64_t>(fields, kAtSnapshotsOffset, header.snapshotsOffset);
  if (!three) return fields;
  put<std::uint64_t>(fields, kAtIncompatible, header.incompatible);
  put<std::uint64_t>(fields, kAtCompatible, header.compatible);
  put<std::uint64_t>(fields, kAtAutoclear, header.autoclear);
  put<std::uint32_t>(fields, 96, header.refcountOrder);
  put<std::uint32_t>(fields, 100, static_cast<std::uint32_t>(bytes));
  put<std::uint8_t>(fields, kAtCompression, static_cast<std::uint8_t>(header.compression));
  std::ranges::copy(header.moreFields, fields.begin() + kAtCompression + 1);
  return fields;
}

}  // namespace

Result<std::vector<std::byte>> Header::serialise() const {
  if (version == 2 && (incompatible != 0 || compatible != 0 || autoclear != 0 || refcountOrder != 4)) {
    bug("qcow2: a version 2 header with what only version 3 has");
  }
  const auto name = std::as_bytes(std::span(backingFile));
  std::vector<std::byte> head = fixedFields(*this);
  const std::size_t fixed = head.size();
  for (const bool withNames : {true, false}) {
    const std::vector<std::byte> extensions = writeExtensions(*this, withNames);
    if (fixed + extensions.size() + name.size() > clusterSize()) continue;
    const std::size_t nameAt = fixed + extensions.size();
    head.resize(alignUp<std::size_t>(nameAt + name.size(), 512));
    std::ranges::copy(extensions, head.begin() + static_cast<std::ptrdiff_t>(fixed));
    if (!name.empty()) {
      std::ranges::copy(name, head.begin() + static_cast<std::ptrdiff_t>(nameAt));
      put<std::uint64_t>(head, 8, nameAt);
      put<std::uint32_t>(head, 16, static_cast<std::uint32_t>(name.size()));
    }
    return head;
  }
  const std::size_t needed = fixed + writeExtensions(*this, false).size() + name.size();
  return Error(fmt::format("the header with its names and extensions needs {} bytes, and a cluster has {}", needed,
                           clusterSize()))
      .hint("use shorter names or larger clusters");
}

std::span<const FeatureName> standardFeatureNames() {
  using Kind = FeatureName::Kind;
  static const std::array kNames = {
      FeatureName{Kind::kIncompatible, 0, "dirty bit"},
      FeatureName{Kind::kIncompatible, 1, "corrupt bit"},
      FeatureName{Kind::kIncompatible, 2, "external data file"},
      FeatureName{Kind::kIncompatible, 3, "compression type"},
      FeatureName{Kind::kIncompatible, 4, "extended L2 entries"},
      FeatureName{Kind::kCompatible, 0, "lazy refcounts"},
      FeatureName{Kind::kAutoclear, 0, "bitmaps"},
      FeatureName{Kind::kAutoclear, 1, "raw external data"},
  };
  return kNames;
}

}  // namespace rhea::block::qcow2
