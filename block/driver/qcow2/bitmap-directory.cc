#include "block/driver/qcow2/bitmap-directory.h"

namespace rhea::block::qcow2 {

namespace {

Result<BitmapEntry> parseEntry(std::span<const std::byte> from, std::size_t index, std::size_t& used) {
  const auto cutShort = [index] { return Error(fmt::format("the bitmap directory ends in its entry {}", index)); };
  if (from.size() < kBitmapEntryBytes) return cutShort();
  BitmapEntry entry;
  entry.tableOffset = get<std::uint64_t>(from, 0);
  entry.tableEntries = get<std::uint32_t>(from, 8);
  entry.flags = get<std::uint32_t>(from, 12);
  const auto type = get<std::uint8_t>(from, 16);
  entry.granularityBits = get<std::uint8_t>(from, 17);
  const std::size_t nameBytes = get<std::uint16_t>(from, 18);
  const std::size_t extraBytes = get<std::uint32_t>(from, 20);
  if (nameBytes == 0 || nameBytes > kMostBitmapNameBytes) {
    return Error(fmt::format("the name of bitmap {} has {} bytes", index, nameBytes))
        .expected(fmt::format("1 to {}", kMostBitmapNameBytes));
  }
  if (extraBytes > from.size() - kBitmapEntryBytes || nameBytes > from.size() - kBitmapEntryBytes - extraBytes) {
    return cutShort();
  }
  used = std::min(alignUp<std::size_t>(kBitmapEntryBytes + extraBytes + nameBytes, 8), from.size());
  const auto extra = from.subspan(kBitmapEntryBytes, extraBytes);
  entry.extra.assign(extra.begin(), extra.end());
  entry.name.assign(reinterpret_cast<const char*>(from.data()) + kBitmapEntryBytes + extraBytes, nameBytes);
  if (type != kBitmapDirtyTracking) {
    return Error(fmt::format("bitmap '{}' is of type {}, which this program does not know", entry.name, type))
        .expected("1 (dirty tracking)");
  }
  if ((entry.flags & ~kBitmapKnownFlags) != 0) {
    return Error(fmt::format("bitmap '{}' has flags {:#x} that this program does not know", entry.name,
                             entry.flags & ~kBitmapKnownFlags));
  }
  if (!entry.extra.empty() && (entry.flags & kBitmapExtraCompatible) == 0) {
    return Error(fmt::format("bitmap '{}' has extra data that one must understand to use it", entry.name));
  }
  if (entry.granularityBits < kLeastGranularityBits || entry.granularityBits > kMostGranularityBits) {
    return Error(fmt::format("bitmap '{}' has a granularity of 2^{} bytes", entry.name, entry.granularityBits))
        .expected("2^9 (512 bytes) to 2^31 (2 GiB)");
  }
  return entry;
}

Result<void> checkTable(const BitmapEntry& entry, const Header& header, std::uint64_t fileLength) {
  if (entry.tableEntries > kMostBitmapTableEntries) {
    return Error(fmt::format("bitmap '{}' has a table of {} entries", entry.name, entry.tableEntries))
        .expected(fmt::format("{} at most", kMostBitmapTableEntries));
  }
  const std::uint64_t bytes = std::uint64_t{entry.tableEntries} * 8;
  if (bytes == 0) return success();
  if (!header.geometry().isAligned(entry.tableOffset) || entry.tableOffset < header.clusterSize() ||
      entry.tableOffset > fileLength || bytes > fileLength - entry.tableOffset) {
    return Error(
        fmt::format("bitmap '{}' has its table at {}, {} bytes, which is no place for it in a file of {} bytes",
                    entry.name, entry.tableOffset, bytes, fileLength));
  }
  // One in use may have been left in the middle of a resize.
  if (!entry.isInUse() &&
      entry.tableEntries != bitmapTableEntries(header.size, entry.granularityBits, header.geometry())) {
    return Error(fmt::format("bitmap '{}' has a table of {} entries, but a disk of {} bytes needs {}", entry.name,
                             entry.tableEntries, header.size,
                             bitmapTableEntries(header.size, entry.granularityBits, header.geometry())));
  }
  return success();
}

}  // namespace

std::uint64_t bitmapBytes(std::uint64_t size, std::uint32_t granularityBits) {
  const std::uint64_t bits = (size >> granularityBits) + ((size & ((std::uint64_t{1} << granularityBits) - 1)) != 0);
  return bits / 8 + (bits % 8 != 0);
}

std::uint64_t bitmapTableEntries(std::uint64_t size, std::uint32_t granularityBits, const Geometry& geometry) {
  return geometry.clustersFor(bitmapBytes(size, granularityBits));
}

Result<std::vector<BitmapEntry>> parseBitmapDirectory(std::span<const std::byte> directory, const Header& header,
                                                      std::uint64_t fileLength) {
  const std::uint32_t count = header.bitmaps ? header.bitmaps->count : 0;
  std::vector<BitmapEntry> entries;
  std::map<std::string_view, std::size_t> names;
  entries.reserve(std::min<std::size_t>(count, directory.size() / kBitmapEntryBytes + 1));
  for (std::size_t index = 0; index < count; ++index) {
    std::size_t used = 0;
    RHEA_TRY(BitmapEntry entry, parseEntry(directory, index, used));
    RHEA_CHECK(checkTable(entry, header, fileLength));
    entries.push_back(std::move(entry));
    if (!names.emplace(entries.back().name, index).second) {
      return Error(fmt::format("there are two bitmaps called '{}'", entries.back().name));
    }
    directory = directory.subspan(used);
  }
  if (!directory.empty()) {
    return Error(fmt::format("the bitmap directory has {} bytes behind its {} entries", directory.size(), count));
  }
  return entries;
}

std::vector<std::byte> serialiseBitmapDirectory(std::span<const BitmapEntry> entries) {
  std::vector<std::byte> directory;
  for (const BitmapEntry& entry : entries) {
    const std::size_t at = directory.size();
    directory.resize(at + alignUp<std::size_t>(kBitmapEntryBytes + entry.extra.size() + entry.name.size(), 8));
    const auto to = std::span(directory).subspan(at);
    put<std::uint64_t>(to, 0, entry.tableOffset);
    put<std::uint32_t>(to, 8, entry.tableEntries);
    put<std::uint32_t>(to, 12, entry.flags);
    put<std::uint8_t>(to, 16, kBitmapDirtyTracking);
    put<std::uint8_t>(to, 17, static_cast<std::uint8_t>(entry.granularityBits));
    put<std::uint16_t>(to, 18, static_cast<std::uint16_t>(entry.name.size()));
    put<std::uint32_t>(to, 20, static_cast<std::uint32_t>(entry.extra.size()));
    const auto next = std::ranges::copy(entry.extra, to.begin() + kBitmapEntryBytes).out;
    std::ranges::copy(std::as_bytes(std::span(entry.name)), next);
  }
  return directory;
}

Task<Result<std::vector<BitmapEntry>>> readBitmapDirectory(Child& file, Header header) {
  if (!header.bitmaps) co_return std::vector<BitmapEntry>();
  const BitmapsExtension place = *header.bitmaps;
  const std::uint64_t length = file.length();
  if (place.directoryBytes > kMostBitmapDirectoryBytes || place.directoryOffset > length ||
      place.directoryBytes > length - place.directoryOffset) {
    co_return Error(fmt::format("the bitmap directory, {} bytes at {}, is not in the file of {} bytes",
                                place.directoryBytes, place.directoryOffset, length));
  }
  std::vector<std::byte> directory(static_cast<std::size_t>(place.directoryBytes));
  RHEA_CO_CHECK(co_await file.read(Extent(place.directoryOffset, directory.size()), IoVector(std::span(directory))));
  co_return parseBitmapDirectory(directory, header, length);
}

Task<Result<std::vector<std::uint64_t>>> readBitmapTable(Child& file, Header header, BitmapEntry entry) {
  std::vector<std::byte> bytes(std::size_t{entry.tableEntries} * 8);
  RHEA_CO_CHECK(co_await file.read(Extent(entry.tableOffset, bytes.size()), IoVector(std::span(bytes))));
  const std::uint64_t length = file.length();
  std::vector<std::uint64_t> table(entry.tableEntries);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto word = get<std::uint64_t>(bytes, i * 8);
    const std::uint64_t offset = word & kOffsetMask;
    if ((word & kBitmapReserved) != 0 || (offset != 0 && (word & kBitmapAllOnes) != 0) ||
        !header.geometry().isAligned(offset) || offset >= length) {
      co_return Error(
          fmt::format("entry {} of the table of bitmap '{}' is {:#x}, which cannot be", i, entry.name, word));
    }
    table[i] = word;
  }
  co_return table;
}

}  // namespace rhea::block::qcow2
