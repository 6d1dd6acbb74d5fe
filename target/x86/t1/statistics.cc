// What `info jit` shows.
#include "target/x86/t1/engine.h"

namespace rhea::x86::t1 {

namespace {

// Rows that T0 executed most often, at the end of the text.
constexpr std::size_t kMostRows = 20;

}  // namespace

Statistics& Statistics::operator+=(const Statistics& other) {
  for (std::uint64_t Statistics::*sum :
       {&Statistics::cacheUsed, &Statistics::cacheSize, &Statistics::blocks, &Statistics::guestBytes,
        &Statistics::hostBytes, &Statistics::instructions, &Statistics::flushes, &Statistics::dropped,
        &Statistics::droppedBlocks, &Statistics::unlinked, &Statistics::misses, &Statistics::entries,
        &Statistics::links, &Statistics::singles, &Statistics::variants}) {
    this->*sum += other.*sum;
  }
  for (std::size_t n = 0; n < leftToT0.size(); ++n) leftToT0[n] += other.leftToT0[n];
  for (std::size_t n = 0; n < fallbacks.size(); ++n) fallbacks[n] += other.fallbacks[n];
  byRow.resize(std::max(byRow.size(), other.byRow.size()));
  for (std::size_t n = 0; n < other.byRow.size(); ++n) byRow[n] += other.byRow[n];
  return *this;
}

std::string Statistics::describe() const {
  const auto left = [this](Reason reason) { return leftToT0[static_cast<std::size_t>(reason)]; };
  const auto fell = [this](Fallback why) { return fallbacks[static_cast<std::size_t>(why)]; };
  std::string text = fmt::format(
      "code cache          {} of {} KiB\n"
      "blocks translated   {} ({} guest bytes, {} host bytes, {} instructions)\n"
      "flushes             {}\n"
      "generations dropped {} ({} blocks, {} links undone)\n"
      "entered from C++    {}\n"
      "links patched       {}\n"
      "for flags elsewhere {}\n"
      "fast path missed    {}\n"
      "left to T0          control {}, system {}, other {}\n"
      "blocks run by T0    cold {}, mode {}, segments {}, exceptions unmasked {}, alone {}\n"
      "instructions alone  {}\n",
      cacheUsed >> 10, cacheSize >> 10, blocks, guestBytes, hostBytes, instructions, flushes, dropped, droppedBlocks,
      unlinked, entries, links, variants, misses, left(Reason::kControl), left(Reason::kSystem), left(Reason::kOther),
      fell(Fallback::kCold), fell(Fallback::kMode), fell(Fallback::kSegments), fell(Fallback::kMasks),
      fell(Fallback::kAlone), singles);
  std::vector<std::pair<std::uint64_t, std::size_t>> most;
  for (std::size_t n = 0; n < byRow.size(); ++n) {
    if (byRow[n] != 0) most.emplace_back(byRow[n], n);
  }
  std::ranges::sort(most, std::greater<>());
  if (most.size() > kMostRows) most.resize(kMostRows);
  if (!most.empty()) text += "executed by T0 most often\n";
  for (const auto& [count, row] : most) text += fmt::format("  {:<18}{}\n", rows()[row].name, count);
  return text;
}

}  // namespace rhea::x86::t1
