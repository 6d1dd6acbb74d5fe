#include "block/tool/prove/report.h"

#include "emu/base/json-writer.h"

namespace rhea::block::prove {

namespace {

constexpr std::array<std::string_view, kCuts> kCutNames = {"emulator killed", "power lost"};
constexpr std::array<std::string_view, kCuts> kCutKeys = {"killed", "power-lost"};

std::string modesText(const ModeProof& mode) {
  std::string text = describe(mode.mode);
  for (const CacheSwitches& next : mode.changes) text += fmt::format(" -> {}", describe(next));
  return text;
}

// Whether the promise covers the cell.
bool isPromised(const ModeProof& mode, Cut cut, bool flushed) {
  const Kept kept = mode.promise.keptAfter(cut);
  return flushed ? kept != Kept::kNothing : kept == Kept::kWritten;
}

std::string cellText(const ModeProof& mode, Cut cut, bool flushed) {
  const CellCount& count = (flushed ? mode.flushed : mode.completed)[static_cast<std::size_t>(cut)];
  if (isPromised(mode, cut, flushed)) {
    return count.lost == 0 ? fmt::format("kept in all {}", count.states)
                           : fmt::format("LOST in {} of {}", count.lost, count.states);
  }
  return fmt::format("may be lost; was in {} of {}", count.lost, count.states);
}

}  // namespace

std::string humanReport(const Proof& proof, const ModeProof& mode) {
  std::string text = fmt::format("{}, cache={}: {}\n", proof.format, modesText(mode),
                                 mode.holds() ? "the promise was kept" : "THE PROMISE WAS BROKEN");
  text +=
      fmt::format("  {} changes, {} flushes, {} log entries; {} states at {} moments, {}; {:.1f} s\n", mode.changesMade,
                  mode.flushes, mode.entries, mode.states[0] + mode.states[1], mode.positions,
                  mode.sampled ? "sampled" : "all that are possible", std::chrono::duration<double>(mode.took).count());
  if (mode.changes.empty()) {
    text += fmt::format("  {:16} {:32} {}\n", "", kCutNames[0], kCutNames[1]);
    for (const bool flushed : {false, true}) {
      text += fmt::format("  {:16} {:32} {}\n", flushed ? "flush completed" : "write completed",
                          cellText(mode, Cut::kKill, flushed), cellText(mode, Cut::kPower, flushed));
    }
  }
  for (std::size_t cut = 0; cut < kCuts; ++cut) {
    if (mode.unusable[cut] > 0) {
      text += fmt::format("  {}: the image was not usable in {} of {} states\n", kCutNames[cut], mode.unusable[cut],
                          mode.states[cut]);
    }
  }
  if (mode.leaking > 0) text += fmt::format("  {} states had clusters that nobody used, nothing worse\n", mode.leaking);
  for (const std::string& sentence : mode.broken) text += fmt::format("  broken: {}\n", sentence);
  if (mode.brokenStates > mode.broken.size()) text += fmt::format("  {} states in all\n", mode.brokenStates);
  return text;
}

std::string conclusion(const Proof& proof) {
  std::uint64_t states = 0;
  std::uint64_t broken = 0;
  for (const ModeProof& mode : proof.modes) {
    states += mode.states[0] + mode.states[1];
    broken += mode.brokenStates;
  }
  if (broken > 0) return fmt::format("{}: the promise was broken in {} of {} states\n", proof.format, broken, states);
  return fmt::format("{}: the promise was kept in {} states of {} recordings{}\n", proof.format, states,
                     proof.modes.size(), proof.sampled() ? ", sampled: not every possible state was built" : "");
}

namespace {

void writeSwitches(json::Writer& out, std::string_view name, const std::vector<CacheSwitches>& modes) {
  out.key(name);
  out.beginArray();
  for (const CacheSwitches& mode : modes) out.string(describe(mode));
  out.endArray();
}

void writeCell(json::Writer& out, std::string_view name, const ModeProof& mode, Cut cut, bool flushed) {
  const CellCount& count = (flushed ? mode.flushed : mode.completed)[static_cast<std::size_t>(cut)];
  out.key(name);
  out.beginObject();
  out.member("promised", isPromised(mode, cut, flushed));
  out.member("states", count.states);
  out.member("lost", count.lost);
  out.endObject();
}

void writeMode(json::Writer& out, const ModeProof& mode) {
  out.beginObject();
  out.member("cache", describe(mode.mode));
  writeSwitches(out, "changed-to", mode.changes);
  out.member("holds", mode.holds());
  out.member("sampled", mode.sampled);
  out.member("requests", mode.requests);
  out.member("changes", mode.changesMade);
  out.member("flushes", mode.flushes);
  out.member("log-entries", mode.entries);
  out.member("moments", mode.positions);
  for (const Cut cut : {Cut::kKill, Cut::kPower}) {
    const auto index = static_cast<std::size_t>(cut);
    out.key(kCutKeys[index]);
    out.beginObject();
    out.member("states", mode.states[index]);
    out.member("unusable", mode.unusable[index]);
    out.member("must-be-usable", mode.promise.usableAfter(cut));
    // The cells speak of one mode.
    if (mode.changes.empty()) {
      writeCell(out, "write-completed", mode, cut, false);
      writeCell(out, "flush-completed", mode, cut, true);
    }
    out.endObject();
  }
  out.member("leaking-states", mode.leaking);
  out.member("broken-states", mode.brokenStates);
  out.key("broken");
  out.beginArray();
  for (const std::string& sentence : mode.broken) out.string(sentence);
  out.endArray();
  out.member("milliseconds", std::chrono::duration_cast<std::chrono::milliseconds>(mode.took).count());
  out.endObject();
}

}  // namespace

std::string jsonReport(const Proof& proof) {
  json::Writer out(json::Writer::Style::kPretty);
  out.beginObject();
  out.member("format", proof.format);
  out.member("options", proof.options);
  out.member("holds", proof.holds());
  out.member("sampled", proof.sampled());
  out.key("runs");
  out.beginArray();
  for (const ModeProof& mode : proof.modes) writeMode(out, mode);
  out.endArray();
  out.endObject();
  return out.take() + "\n";
}

std::string contractTable(std::span<const Proof> proofs) {
  std::string text =
      "| format | mode | write completed, emulator killed | flush completed, emulator killed | write completed, power "
      "lost | flush completed, power lost | usable after a power cut |\n|---|---|---|---|---|---|---|\n";
  for (const Proof& proof : proofs) {
    for (const ModeProof& mode : proof.modes) {
      if (!mode.changes.empty()) continue;
      text += fmt::format("| {} | {} |", proof.format, describe(mode.mode));
      for (const Cut cut : {Cut::kKill, Cut::kPower}) {
        for (const bool flushed : {false, true}) {
          const auto& counts = flushed ? mode.flushed : mode.completed;
          const bool lost = counts[static_cast<std::size_t>(cut)].lost > 0;
          const bool promised = isPromised(mode, cut, flushed);
          text += fmt::format(" {} |", promised ? (lost ? "**LOST**" : "kept") : "may be lost");
        }
      }
      const bool broke = mode.unusable[static_cast<std::size_t>(Cut::kPower)] > 0;
      const bool must = mode.promise.usableAfter(Cut::kPower);
      text += fmt::format(" {} |\n", must ? (broke ? "**NO**" : "yes") : "not promised");
    }
  }
  return text;
}

}  // namespace rhea::block::prove
