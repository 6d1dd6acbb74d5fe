#include "block/driver/qcow2/header-extensions.h"

namespace rhea::block::qcow2 {

namespace {

constexpr std::size_t kNameRow = 48;  // kind, bit, 46 bytes of text
constexpr std::size_t kNameText = 46;
constexpr std::size_t kBitmapsBytes = 24;

void readFeatureNames(std::span<const std::byte> data, Header& header) {
  // Rows that make no sense are left out: the table is there for messages only.
  for (; data.size() >= kNameRow; data = data.subspan(kNameRow)) {
    const auto kind = get<std::uint8_t>(data, 0);
    const auto bit = get<std::uint8_t>(data, 1);
    if (kind > 2 || bit > 63) continue;
    header.featureNames.push_back({static_cast<FeatureName::Kind>(kind), bit, textOf(data.subspan(2, kNameText))});
  }
}

Result<void> readBitmaps(std::span<const std::byte> data, Header& header) {
  if (data.size() != kBitmapsBytes) {
    return Error(fmt::format("the bitmaps extension has {} bytes", data.size())).expected("24");
  }
  BitmapsExtension bitmaps;
  bitmaps.count = get<std::uint32_t>(data, 0);
  bitmaps.directoryBytes = get<std::uint64_t>(data, 8);
  bitmaps.directoryOffset = get<std::uint64_t>(data, 16);
  header.bitmaps = bitmaps;
  // Without the bit somebody wrote to the image who knows nothing of bitmaps: what is there may be anything.
  if ((header.autoclear & kBitmapsConsistent) == 0) return success();
  if (get<std::uint32_t>(data, 4) != 0) {
    return Error("the bitmaps extension's reserved field is not zero").where("bitmaps extension, byte 4");
  }
  if (bitmaps.count == 0 || bitmaps.count > kMostBitmaps) {
    return Error(fmt::format("the bitmaps extension counts {} bitmaps", bitmaps.count))
        .expected(fmt::format("1 to {}", kMostBitmaps));
  }
  if (bitmaps.directoryBytes < bitmaps.count * kBitmapEntryBytes ||
      bitmaps.directoryBytes > kMostBitmapDirectoryBytes) {
    return Error(fmt::format("a bitmap directory of {} bytes for {} bitmaps cannot be", bitmaps.directoryBytes,
                             bitmaps.count))
        .expected(fmt::format("{} to {}", bitmaps.count * kBitmapEntryBytes, kMostBitmapDirectoryBytes));
  }
  return success();
}

void append(std::vector<std::byte>& to, std::uint32_t type, std::span<const std::byte> data) {
  const std::size_t at = to.size();
  to.resize(at + 8 + alignUp<std::size_t>(data.size(), 8));
  put<std::uint32_t>(to, at, type);
  put<std::uint32_t>(to, at + 4, static_cast<std::uint32_t>(data.size()));
  std::ranges::copy(data, to.begin() + static_cast<std::ptrdiff_t>(at + 8));
}

void append(std::vector<std::byte>& to, std::uint32_t type, std::string_view text) {
  append(to, type, std::as_bytes(std::span(text)));
}

std::vector<std::byte> nameRows(std::span<const FeatureName> names) {
  std::vector<std::byte> rows(names.size() * kNameRow);
  std::span<std::byte> left(rows);
  for (const FeatureName& name : names) {
    left[0] = static_cast<std::byte>(name.kind);
    left[1] = static_cast<std::byte>(name.bit);
    const auto text = std::as_bytes(std::span(name.name));
    std::ranges::copy(text.first(std::min(text.size(), kNameText)), left.begin() + 2);
    left = left.subspan(kNameRow);
  }
  return rows;
}

}  // namespace

std::string textOf(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return std::string(text.substr(0, text.find('\0')));
}

Result<void> readExtensions(std::span<const std::byte> head, std::size_t start, Header& header) {
  std::size_t at = start;
  std::vector<std::uint32_t> seen;
  while (at < head.size() && head.size() - at >= 8) {
    const auto type = get<std::uint32_t>(head, at);
    const auto length = get<std::uint32_t>(head, at + 4);
    if (type == kExtensionEnd) return success();
    if (length > head.size() - at - 8) {
      return Error(fmt::format("the header extension {:#010x} at {} has {} bytes, but only {} are left for it", type,
                               at, length, head.size() - at - 8))
          .where(fmt::format("header extension, offset {}", at));
    }
    const auto data = head.subspan(at + 8, length);
    at += 8 + alignUp<std::size_t>(length, 8);
    if (std::ranges::find(seen, type) != seen.end()) continue;  // the first one counts
    seen.push_back(type);
    if (type == kExtensionBackingFormat) {
      header.backingFormat = textOf(data);
    } else if (type == kExtensionDataFile) {
      header.dataFile = textOf(data);
    } else if (type == kExtensionFeatureNames) {
      readFeatureNames(data, header);
    } else if (type == kExtensionBitmaps) {
      RHEA_CHECK(readBitmaps(data, header));
    } else {
      header.unknownExtensions.push_back({type, {data.begin(), data.end()}});
    }
  }
  return success();
}

std::vector<std::byte> writeExtensions(const Header& header, bool withNames) {
  std::vector<std::byte> all;
  if (!header.backingFormat.empty()) append(all, kExtensionBackingFormat, header.backingFormat);
  if (!header.dataFile.empty()) append(all, kExtensionDataFile, header.dataFile);
  if (withNames && !header.featureNames.empty()) append(all, kExtensionFeatureNames, nameRows(header.featureNames));
  if (header.bitmaps) {
    std::array<std::byte, kBitmapsBytes> data{};
    put<std::uint32_t>(data, 0, header.bitmaps->count);
    put<std::uint64_t>(data, 8, header.bitmaps->directoryBytes);
    put<std::uint64_t>(data, 16, header.bitmaps->directoryOffset);
    append(all, kExtensionBitmaps, std::span<const std::byte>(data));
  }
  for (const UnknownExtension& extension : header.unknownExtensions) append(all, extension.type, extension.data);
  append(all, kExtensionEnd, std::string_view());
  return all;
}

}  // namespace rhea::block::qcow2
