// How numbers are shown where the classic tool's layout is kept.
#pragma once

#include "block/core/image.h"
#include "emu/base/base.h"
#include "emu/base/json-writer.h"

namespace rhea::block {

// "10 MiB", "1.5 GiB", "196 KiB", "0 B": three significant digits, the unit below 1000.
std::string sizeForPeople(std::uint64_t bytes);

enum class OutputForm : std::uint8_t { kHuman, kJson };
// Of --output. Error: names the two.
Result<OutputForm> outputForm(std::optional<std::string> asked);

// "ID        TAG  ..." and a row for each.
std::string snapshotTable(std::span<const SnapshotInfo> snapshots);

// A JSON value as indented "key: value" lines, dashes in keys shown as spaces.
std::string indentedLines(json::View value, unsigned indent);

}  // namespace rhea::block
