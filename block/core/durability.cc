#include "block/core/durability.h"

namespace rhea::block {

void Unflushed::add(std::uint64_t length, TimePoint now) {
  ++changes;
  bytes += length;
  if (!oldest) oldest = now;
}

void Unflushed::add(const Unflushed& other) {
  changes += other.changes;
  bytes += other.bytes;
  if (other.oldest && (!oldest || *other.oldest < *oldest)) oldest = other.oldest;
}

std::string_view toString(GuestView view) {
  static constexpr std::array<std::string_view, 4> kNames = {"none", "write-back", "write-through", "cannot-flush"};
  return kNames[static_cast<std::size_t>(view)];
}

std::string humanBytes(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 7> kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} {}", bytes, bytes == 1 ? "byte" : "bytes");
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;  // 1023.95 would print as 1024.0
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string humanDuration(Duration duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  if (seconds < 0.0001) return fmt::format("{:.0f} us", seconds * 1e6);
  if (seconds < 0.1) return fmt::format("{:.1f} ms", seconds * 1e3);
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

namespace {

std::string loss(const Unflushed& unflushed, TimePoint now) {
  const std::string writes =
      unflushed.changes == 1 ? std::string("1 write") : fmt::format("{} writes", unflushed.changes);
  const Duration age = unflushed.oldest ? std::max(now - *unflushed.oldest, Duration::zero()) : Duration::zero();
  return fmt::format("the last {} ({}, {} {} ago)", humanBytes(unflushed.bytes), writes,
                     unflushed.changes == 1 ? "made" : "the oldest", humanDuration(age));
}

}  // namespace

std::string verdictOf(const DiskDurability& disk, TimePoint now) {
  const std::string name = !disk.disk.empty() ? disk.disk : !disk.deviceId.empty() ? disk.deviceId : disk.rootNode;
  if (disk.temporary) {
    return fmt::format("What is written to {} lies in a temporary overlay and is gone when it is removed or rhea ends",
                       name);
  }
  std::string text;
  const NodeDurability* latched = nullptr;
  for (const NodeDurability& node : disk.nodes) {
    if (!node.latched.empty()) latched = &node;
  }
  if (latched != nullptr) {
    text = fmt::format("Data of {} may be lost already: on node '{}' {}; flushes fail until it is reopened", name,
                       latched->nodeName, latched->latched);
  } else if (disk.unflushed.any()) {
    text = fmt::format("A power cut now may lose {} of {}", loss(disk.unflushed, now), name);
  } else {
    text = fmt::format("A power cut now loses nothing that was completed to {}", name);
  }
  if (disk.mode.noFlush) {
    text += disk.effectiveWriteback ? "; a flush does not help: no-flush is on"
                                    : "; the promise of write-through is void: no-flush is on";
  }
  if (disk.forced) text += "; write-back was forced on a guest that believes in write-through";
  if (disk.pendingGuest) text += "; write-back waits for the guest's next reset or its own change";
  if (disk.guest == GuestView::kCannotFlush) text += "; the guest cannot flush and is served write-through";
  return text;
}

}  // namespace rhea::block
