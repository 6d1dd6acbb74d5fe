#include "block/driver/qcow2/snapshot-table.h"

#include <cerrno>

namespace rhea::block::qcow2 {

namespace {

constexpr std::uint64_t kNoInstructions = UINT64_MAX;  // how the classic implementation says that it has no count

std::string stringOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Error cutShort(std::size_t index) {
  return Error::fromErrno(ENODATA, fmt::format("the snapshot table ends in its entry {}", index));
}

// One entry at the start of `from`; how many bytes it fills goes to `used`.
Result<SnapshotEntry> parseEntry(std::span<const std::byte> from, std::size_t index, const Header& header,
                                 std::size_t& used) {
  if (from.size() < kSnapshotEntryBytes) return cutShort(index);
  SnapshotEntry entry;
  entry.l1Offset = get<std::uint64_t>(from, 0);
  entry.l1Entries = get<std::uint32_t>(from, 8);
  const std::size_t idBytes = get<std::uint16_t>(from, 12);
  const std::size_t nameBytes = get<std::uint16_t>(from, 14);
  entry.dateSeconds = get<std::uint32_t>(from, 16);
  entry.dateNanoseconds = get<std::uint32_t>(from, 20);
  entry.vmClock = get<std::uint64_t>(from, 24);
  entry.vmStateBytes = get<std::uint32_t>(from, 32);
  entry.diskBytes = header.size;
  const std::size_t extraBytes = get<std::uint32_t>(from, 36);
  if (extraBytes > kMostSnapshotExtraBytes) {
    return Error(fmt::format("entry {} of the snapshot table has {} bytes of extra data", index, extraBytes))
        .expected(fmt::format("{} at most", kMostSnapshotExtraBytes));
  }
  used = kSnapshotEntryBytes + extraBytes + idBytes + nameBytes;
  if (used > from.size()) return cutShort(index);
  // The last one may end the file, without its padding.
  used = std::min(alignUp<std::size_t>(used, 8), from.size());
  const auto extra = from.subspan(kSnapshotEntryBytes, extraBytes);
  if (extraBytes >= 8) entry.vmStateBytes = get<std::uint64_t>(extra, 0);
  if (extraBytes >= kSnapshotExtraBytesV3) entry.diskBytes = get<std::uint64_t>(extra, 8);
  if (extraBytes >= kSnapshotExtraInstructions) {
    const auto count = get<std::uint64_t>(extra, 16);
    if (count != kNoInstructions) entry.instructions = count;
    const auto more = extra.subspan(kSnapshotExtraInstructions);
    entry.moreExtra.assign(more.begin(), more.end());
  }
  entry.id = stringOf(from.subspan(kSnapshotEntryBytes + extraBytes, idBytes));
  entry.name = stringOf(from.subspan(kSnapshotEntryBytes + extraBytes + idBytes, nameBytes));
  return entry;
}

}  // namespace

Result<SnapshotTable> parseSnapshotTable(std::span<const std::byte> table, const Header& header) {
  SnapshotTable result;
  for (std::size_t index = 0; index < header.snapshotCount; ++index) {
    std::size_t used = 0;
    RHEA_TRY(SnapshotEntry entry, parseEntry(table.subspan(result.bytes), index, header, used));
    result.entries.push_back(std::move(entry));
    result.bytes += used;
    if (result.bytes > kMostSnapshotTableBytes) {
      return Error("the snapshot table is too large")
          .expected(fmt::format("{} bytes at most", kMostSnapshotTableBytes));
    }
  }
  return result;
}

std::vector<std::byte> serialiseSnapshotTable(std::span<const SnapshotEntry> entries) {
  std::vector<std::byte> table;
  for (const SnapshotEntry& entry : entries) {
    const std::size_t extra = kSnapshotExtraInstructions + entry.moreExtra.size();
    const std::size_t at = table.size();
    table.resize(at + alignUp<std::size_t>(kSnapshotEntryBytes + extra + entry.id.size() + entry.name.size(), 8));
    const auto to = std::span(table).subspan(at);
    put<std::uint64_t>(to, 0, entry.l1Offset);
    put<std::uint32_t>(to, 8, entry.l1Entries);
    put<std::uint16_t>(to, 12, static_cast<std::uint16_t>(entry.id.size()));
    put<std::uint16_t>(to, 14, static_cast<std::uint16_t>(entry.name.size()));
    put<std::uint32_t>(to, 16, entry.dateSeconds);
    put<std::uint32_t>(to, 20, entry.dateNanoseconds);
    put<std::uint64_t>(to, 24, entry.vmClock);
    // Readers that know the extra data ignore this one; the others cannot be told more than fits.
    put<std::uint32_t>(to, 32, static_cast<std::uint32_t>(entry.vmStateBytes > UINT32_MAX ? 0 : entry.vmStateBytes));
    put<std::uint32_t>(to, 36, static_cast<std::uint32_t>(extra));
    put<std::uint64_t>(to, kSnapshotEntryBytes, entry.vmStateBytes);
    put<std::uint64_t>(to, kSnapshotEntryBytes + 8, entry.diskBytes);
    put<std::uint64_t>(to, kSnapshotEntryBytes + 16, entry.instructions.value_or(kNoInstructions));
    auto next = to.begin() + static_cast<std::ptrdiff_t>(kSnapshotEntryBytes + kSnapshotExtraInstructions);
    next = std::ranges::copy(entry.moreExtra, next).out;
    next = std::ranges::copy(std::as_bytes(std::span(entry.id)), next).out;
    std::ranges::copy(std::as_bytes(std::span(entry.name)), next);
  }
  return table;
}

Result<void> checkSnapshot(const SnapshotEntry& entry, const Header& header, std::uint64_t fileLength) {
  const std::uint64_t bytes = std::uint64_t{entry.l1Entries} * 8;
  const std::string who = fmt::format("snapshot '{}' ({})", entry.id, entry.name);
  if (bytes > kMostL1Bytes) {
    return Error(fmt::format("{} has an L1 table of {} entries", who, entry.l1Entries))
        .expected(fmt::format("{} at most", kMostL1Bytes / 8));
  }
  if (entry.diskBytes > INT64_MAX || header.geometry().l1EntriesFor(entry.diskBytes) > entry.l1Entries) {
    return Error(fmt::format("{} has a disk of {} bytes, for which its L1 table of {} entries is too small", who,
                             entry.diskBytes, entry.l1Entries));
  }
  if (bytes == 0) return success();
  if (!header.geometry().isAligned(entry.l1Offset) || entry.l1Offset < header.clusterSize()) {
    return Error(fmt::format("{} has its L1 table at {}, which is no place for it", who, entry.l1Offset))
        .expected(fmt::format("a multiple of {}", header.clusterSize()));
  }
  if (entry.l1Offset > fileLength || bytes > fileLength - entry.l1Offset) {
    return Error(fmt::format("{} has its L1 table at {}, {} bytes, but the file ends at {}", who, entry.l1Offset, bytes,
                             fileLength));
  }
  return success();
}

Task<Result<std::vector<SnapshotL1>>> findSnapshotL1s(Child& file, Header header) {
  constexpr std::uint64_t kMost = 1U << 20U;
  const std::uint64_t length = file.length();
  const std::uint64_t there = length > header.snapshotsOffset ? length - header.snapshotsOffset : 0;
  std::vector<std::byte> table(static_cast<std::size_t>(std::min(there, kMost)));
  RHEA_CO_CHECK(co_await file.read(Extent(header.snapshotsOffset, table.size()), IoVector(std::span(table))));
  std::vector<SnapshotL1> found;
  const std::span<const std::byte> bytes(table);
  std::uint64_t at = 0;
  while (found.size() < header.snapshotCount && at + kSnapshotEntryBytes <= bytes.size()) {
    const auto entry = bytes.subspan(static_cast<std::size_t>(at));
    found.push_back({get<std::uint64_t>(entry, 0), get<std::uint32_t>(entry, 8)});
    at += alignUp<std::uint64_t>(std::uint64_t{kSnapshotEntryBytes} + get<std::uint32_t>(entry, 36) +
                                     get<std::uint16_t>(entry, 12) + get<std::uint16_t>(entry, 14),
                                 8);
  }
  co_return found;
}

Task<Result<SnapshotTable>> readSnapshotTable(Child& file, Header header) {
  if (header.snapshotCount == 0) co_return SnapshotTable();
  const std::uint64_t length = file.length();
  const std::uint64_t there = length > header.snapshotsOffset ? length - header.snapshotsOffset : 0;
  const std::uint64_t most = std::min(there, kMostSnapshotTableBytes);
  std::vector<std::byte> table;
  // Its length is known only once it has been read; most are far shorter than they may be.
  for (std::uint64_t wanted = std::uint64_t{4096} + header.snapshotCount * std::uint64_t{128};; wanted *= 4) {
    table.resize(static_cast<std::size_t>(std::min(wanted, most)));
    RHEA_CO_CHECK(co_await file.read(Extent(header.snapshotsOffset, table.size()), IoVector(std::span(table))));
    auto parsed = parseSnapshotTable(table, header);
    if (parsed.ok() || parsed.error().code() != ENODATA || wanted >= most) co_return parsed;
  }
}

}  // namespace rhea::block::qcow2
