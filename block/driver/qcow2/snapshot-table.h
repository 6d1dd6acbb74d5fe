// The snapshot table of a qcow2 image, in memory and on disk.
#pragma once

#include "block/core/child.h"
#include "block/driver/qcow2/header.h"

namespace rhea::block::qcow2 {

struct SnapshotEntry {
  std::uint64_t l1Offset = 0;
  std::uint32_t l1Entries = 0;
  std::string id;
  std::string name;
  std::uint32_t dateSeconds = 0;
  std::uint32_t dateNanoseconds = 0;
  std::uint64_t vmClock = 0;  // ns
  std::uint64_t vmStateBytes = 0;
  std::uint64_t diskBytes = 0;
  std::optional<std::uint64_t> instructions;
  std::vector<std::byte> moreExtra;  // extra data behind what is known, as it was
  friend bool operator==(const SnapshotEntry&, const SnapshotEntry&) = default;
};

struct SnapshotTable {
  std::vector<SnapshotEntry> entries;
  std::uint64_t bytes = 0;  // that the table fills
};

// As many entries as the header counts. `table`: from the table's start on, more than it fills does no harm. Errors: an
// entry that ends behind `table` (code ENODATA), more extra data or a larger table than can be. Whether the L1 tables
// can be used is checkSnapshot()'s business, so that one bad entry does not hide the others.
Result<SnapshotTable> parseSnapshotTable(std::span<const std::byte> table, const Header& header);
std::vector<std::byte> serialiseSnapshotTable(std::span<const SnapshotEntry> entries);

// Whether a snapshot's L1 table lies in the file, is aligned and not larger than can be.
Result<void> checkSnapshot(const SnapshotEntry& entry, const Header& header, std::uint64_t fileLength);

// Of a table that cannot be parsed: L1 tables as its entries name them, as far as those can be followed.
struct SnapshotL1 {
  std::uint64_t offset = 0;
  std::uint32_t entries = 0;
};
Task<Result<std::vector<SnapshotL1>>> findSnapshotL1s(Child& file, Header header);

// From the file. Errors: those of reading, and of parseSnapshotTable().
Task<Result<SnapshotTable>> readSnapshotTable(Child& file, Header header);

}  // namespace rhea::block::qcow2
