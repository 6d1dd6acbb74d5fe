#include "block/tool/img/print.h"

#include <cmath>
#include <ctime>

#include "emu/base/size.h"

namespace rhea::block {

std::string sizeForPeople(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 7> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  // The unit changes at 1000 of the smaller one, so that no number has four digits.
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.3g} {}", value, kUnits[unit]);
}

Result<OutputForm> outputForm(std::optional<std::string> asked) {
  if (!asked || *asked == "human") return OutputForm::kHuman;
  if (*asked == "json") return OutputForm::kJson;
  return Error(fmt::format("--output={} is not known", *asked)).candidates({"human", "json"});
}

std::string snapshotTable(std::span<const SnapshotInfo> snapshots) {
  std::string text =
      fmt::format("{:<10}{:<17}{:>8}{:>20}{:>13}{:>11}\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
  for (const SnapshotInfo& snapshot : snapshots) {
    const std::time_t seconds = snapshot.dateSeconds;
    std::tm local{};
    ::localtime_r(&seconds, &local);
    std::array<char, 32> date{};
    std::strftime(date.data(), date.size(), "%Y-%m-%d %H:%M:%S", &local);
    const std::uint64_t clock = snapshot.vmClock / 1000000000;
    const std::string vmClock = fmt::format("{:02}:{:02}:{:02}.{:03}", clock / 3600, clock / 60 % 60, clock % 60,
                                            snapshot.vmClock / 1000000 % 1000);
    const std::string instructions = snapshot.instructions ? fmt::format("{}", *snapshot.instructions) : "";
    text += fmt::format("{:<9} {:<16} {:>8}{:>20}{:>13}{:>11}\n", snapshot.id, snapshot.name,
                        sizeForPeople(snapshot.vmStateBytes), date.data(), vmClock, instructions);
  }
  return text;
}

std::string indentedLines(json::View value, unsigned indent) {
  std::string text;
  const std::string margin(indent * 4, ' ');
  const auto line = [&](std::string_view key, json::View each) {
    if (each.isObject() || each.isArray()) {
      text += fmt::format("{}{}:\n{}", margin, key, indentedLines(each, indent + 1));
    } else {
      text += fmt::format("{}{}: {}\n", margin, key, each.isString() ? std::string(each.asString()) : each.text());
    }
  };
  if (value.isArray()) {
    std::size_t index = 0;
    for (const json::View item : value.items()) line(fmt::format("[{}]", index++), item);
    return text;
  }
  for (const json::Member& member : value.members()) {
    std::string key(member.key);
    std::replace(key.begin(), key.end(), '-', ' ');
    line(key, member.value);
  }
  return text;
}

}  // namespace rhea::block
