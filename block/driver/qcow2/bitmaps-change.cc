// Bitmaps: what commands ask for: making, removing, clearing, marking, and the disk's length.
#include <cerrno>

#include "block/driver/qcow2/bitmaps.h"
#include "block/driver/qcow2/reach.h"
#include "emu/base/names.h"

namespace rhea::block::qcow2 {

Result<Bitmap*> Bitmaps::find(std::string_view name) const {
  if (unusable_) return Error(*unusable_).context("the image's bitmaps cannot be used");
  std::vector<std::string> names;
  for (const Row& bitmap : bitmaps_) {
    if (bitmap->entry.name == name) return bitmap.get();
    names.push_back(bitmap->entry.name);
  }
  return Error::fromErrno(ENOENT, fmt::format("the image has no bitmap '{}'", name))
      .candidates(nearestNames(name, std::span<const std::string>(names)));
}

Result<Bitmap*> Bitmaps::findUsable(std::string_view name) const {
  RHEA_TRY(Bitmap * bitmap, find(name));
  if (bitmap->trusted) return bitmap;
  return Error(fmt::format("bitmap '{}' is inconsistent: it was in use when the image was written to by somebody else",
                           name))
      .hint("remove it and add it anew");
}

Task<Result<void>> Bitmaps::ready() {
  if (unusable_) co_return Error(*unusable_).context("the image's bitmaps cannot be used");
  if (image_.header.version < 3) {
    co_return Error::fromErrno(ENOTSUP, "an image of version 2 (compat=0.10) cannot keep bitmaps")
        .hint("amend it to compat=1.1");
  }
  co_return co_await image_.beginWriting();
}

Result<std::vector<BitmapInfo>> Bitmaps::list() const {
  if (unusable_) return Error(*unusable_);
  std::vector<BitmapInfo> infos;
  for (const Row& bitmap : bitmaps_) {
    BitmapInfo& info = infos.emplace_back();
    info.name = bitmap->entry.name;
    info.granularity = static_cast<std::uint32_t>(bitmap->entry.granularity());
    info.recording = bitmap->entry.isAuto();
    info.inconsistent = !bitmap->trusted;
    info.dirtyBytes = std::min(bitmap->bits.count() << bitmap->entry.granularityBits, image_.length());
  }
  return infos;
}

Task<Result<void>> Bitmaps::add(BitmapInfo info) {
  RHEA_CO_CHECK(co_await ready());
  const Mutex::Lock lock = co_await turn_.lock();
  if (find(info.name).ok()) {
    co_return Error::fromErrno(EEXIST, fmt::format("the image has a bitmap '{}' already", info.name));
  }
  if (info.name.empty() || info.name.size() > kMostBitmapNameBytes) {
    co_return Error("a bitmap's name cannot be so long").expected(fmt::format("1 to {} bytes", kMostBitmapNameBytes));
  }
  if (bitmaps_.size() >= kMostBitmaps) co_return Error("there can be no more bitmaps in an image");
  const std::uint64_t granularity = info.granularity == 0 ? 65536 : info.granularity;
  if (!std::has_single_bit(granularity) || granularity < 512 || granularity > (std::uint64_t{1} << 31U)) {
    co_return Error(fmt::format("a granularity of {} bytes cannot be", granularity))
        .expected("a power of two from 512 to 2147483648");
  }
  Row bitmap = std::make_unique<Bitmap>();
  bitmap->entry.name = info.name;
  bitmap->entry.granularityBits = static_cast<std::uint32_t>(std::countr_zero(granularity));
  bitmap->entry.flags = info.recording ? kBitmapAuto : 0;
  const std::uint64_t bits = Bitmap::bitsFor(image_.length(), bitmap->entry.granularityBits);
  if (bits / 8 > kMostBitmapBytes) {
    co_return Error(fmt::format("a bitmap of {} bytes is too large", bits / 8)).hint("choose a larger granularity");
  }
  bitmap->bits.resize(bits);
  bitmap->stored.resize(bits);
  bitmap->table.resize(
      static_cast<std::size_t>(bitmapTableEntries(image_.length(), bitmap->entry.granularityBits, image_.geometry)));
  RHEA_CO_CHECK(co_await writeTable(*bitmap));
  const Extent table = tableExtent(*bitmap);
  bitmaps_.push_back(std::move(bitmap));
  const Result<void> replaced = co_await replaceDirectory();
  if (!replaced.ok()) {
    bitmaps_.pop_back();
    if (!table.empty()) image_.allocator.giveBack(FreedSpace(table, FreeReason::kOther));
    co_return replaced;
  }
  armed_ = armed_ && !info.recording;  // the new one is not marked yet
  co_return success();
}

Task<Result<void>> Bitmaps::remove(std::string name) {
  RHEA_CO_CHECK(co_await ready());
  const Mutex::Lock lock = co_await turn_.lock();
  RHEA_CO_TRY(Bitmap* const bitmap, find(name));
  const std::vector<Extent> clusters = clustersOf(*bitmap);
  const auto place = std::ranges::find(bitmaps_, bitmap, &Row::get);
  const auto index = place - bitmaps_.begin();
  Row gone = std::move(*place);
  bitmaps_.erase(place);
  const Result<void> replaced = co_await replaceDirectory();
  if (!replaced.ok()) {
    bitmaps_.insert(bitmaps_.begin() + index, std::move(gone));
    co_return replaced;
  }
  co_return co_await freeClusters(clusters);
}

Task<Result<void>> Bitmaps::clear(std::string name) {
  RHEA_CO_CHECK(co_await ready());
  const Mutex::Lock lock = co_await turn_.lock();
  RHEA_CO_TRY(Bitmap* const bitmap, findUsable(name));
  bitmap->bits.clear();
  co_return co_await storeBits(*bitmap);
}

Task<Result<void>> Bitmaps::setRecording(std::string name, bool recording) {
  RHEA_CO_CHECK(co_await ready());
  const Mutex::Lock lock = co_await turn_.lock();
  RHEA_CO_TRY(Bitmap* const bitmap, findUsable(name));
  if (recording == bitmap->entry.isAuto()) co_return success();
  if (recording) {
    armed_ = false;  // this one is not marked yet
    RHEA_CO_CHECK(co_await writeFlags(*bitmap, bitmap->entry.flags | kBitmapAuto));
  } else {
    if (bitmap->entry.isInUse()) RHEA_CO_CHECK(co_await storeBits(*bitmap));
    RHEA_CO_CHECK(co_await writeFlags(*bitmap, bitmap->entry.flags & ~(kBitmapAuto | kBitmapInUse)));
  }
  co_return co_await image_.file.flush(FlushTo::kStable);
}

Result<std::vector<Extent>> Bitmaps::dirtyRanges(std::string_view name, std::uint64_t from) const {
  constexpr std::size_t kMostRanges = 4096;
  RHEA_TRY(const Bitmap* const bitmap, findUsable(name));
  const std::uint32_t shift = bitmap->entry.granularityBits;
  std::vector<Extent> ranges;
  std::uint64_t bit = bitmap->bits.next(from >> shift, true);
  while (bit < bitmap->bits.size() && ranges.size() < kMostRanges) {
    const std::uint64_t end = bitmap->bits.next(bit, false);
    const std::uint64_t begin = std::max(bit << shift, from);
    ranges.emplace_back(begin, std::min(end << shift, image_.length()) - begin);
    bit = bitmap->bits.next(end, true);
  }
  return ranges;
}

Task<Result<void>> Bitmaps::markDirty(std::string name, std::vector<Extent> ranges) {
  RHEA_CO_CHECK(co_await ready());
  const Mutex::Lock lock = co_await turn_.lock();
  RHEA_CO_TRY(Bitmap* const bitmap, findUsable(name));
  for (const Extent& at : ranges) {
    if (at.empty()) continue;
    if (!at.representable() || at.end() > image_.length()) {
      co_return Error::fromErrno(EINVAL, fmt::format("{} bytes at {} are not within the disk", at.length, at.offset));
    }
    bitmap->bits.set(bitmap->firstBit(at), bitmap->endBit(at));
  }
  co_return co_await storeBits(*bitmap);
}

// Tables of the new length take the place of all, marked as in use: they fit the header only when the length has
// changed.
Task<Result<void>> Bitmaps::resizing(std::uint64_t length) {
  const Mutex::Lock lock = co_await turn_.lock();
  if (bitmaps_.empty()) co_return success();
  RHEA_CO_CHECK(co_await patchAutoclear(image_.header.autoclear | kBitmapsConsistent | kBitmapsCovered));
  std::vector<Extent> freed;
  for (const Row& bitmap : bitmaps_) {
    if (!bitmap->trusted) continue;
    const std::uint64_t bits = Bitmap::bitsFor(length, bitmap->entry.granularityBits);
    if (bits / 8 > kMostBitmapBytes) {
      co_return Error(fmt::format("bitmap '{}' would be too large for a disk of {} bytes", bitmap->entry.name, length))
          .hint("remove it first");
    }
  }
  for (const Row& bitmap : bitmaps_) {
    if (!bitmap->trusted) continue;
    if (!tableExtent(*bitmap).empty()) freed.push_back(tableExtent(*bitmap));
    const auto entries =
        static_cast<std::size_t>(bitmapTableEntries(length, bitmap->entry.granularityBits, image_.geometry));
    for (std::size_t i = entries; i < bitmap->table.size(); ++i) {
      const std::uint64_t offset = bitmap->table[i] & kOffsetMask;
      if (offset != 0) freed.emplace_back(offset, image_.geometry.clusterSize());
    }
    bitmap->table.resize(entries);
    const std::uint64_t bits = Bitmap::bitsFor(length, bitmap->entry.granularityBits);
    bitmap->bits.resize(bits);
    bitmap->stored.resize(bits);
    bitmap->entry.flags |= kBitmapInUse;
    RHEA_CO_CHECK(co_await writeTable(*bitmap));
  }
  armed_ = true;
  RHEA_CO_CHECK(co_await replaceDirectory());
  co_return co_await freeClusters(std::move(freed));
}

Task<Result<void>> Bitmaps::writeTable(Bitmap& bitmap) {
  std::vector<std::byte> bytes(bitmap.table.size() * 8);
  for (std::size_t i = 0; i < bitmap.table.size(); ++i) put<std::uint64_t>(bytes, i * 8, bitmap.table[i]);
  bitmap.entry.tableEntries = static_cast<std::uint32_t>(bitmap.table.size());
  bitmap.entry.tableOffset = 0;
  if (!bytes.empty()) {
    RHEA_CO_TRY(bitmap.entry.tableOffset, co_await storeNew(image_, std::move(bytes)));
  }
  co_return success();
}

Task<Result<void>> Bitmaps::replaceDirectory() {
  Header before = image_.header;
  std::vector<BitmapEntry> entries;
  for (const Row& bitmap : bitmaps_) entries.push_back(bitmap->entry);
  Extent place;
  if (entries.empty()) {
    image_.header.bitmaps.reset();
    image_.header.autoclear &= ~(kBitmapsConsistent | kBitmapsCovered);
    armed_ = false;
  } else {
    const std::vector<std::byte> bytes = serialiseBitmapDirectory(entries);
    if (bytes.size() > kMostBitmapDirectoryBytes) co_return Error("the directory of bitmaps would be too large");
    RHEA_CO_TRY(const std::uint64_t offset, co_await storeNew(image_, bytes));
    place = Extent(offset, image_.geometry.clustersFor(bytes.size()) << image_.geometry.clusterBits);
    image_.header.bitmaps = BitmapsExtension{static_cast<std::uint32_t>(entries.size()), bytes.size(), offset};
    image_.header.autoclear |= kBitmapsConsistent;
  }
  Result<void> written = co_await image_.writeBack.commitAll();
  if (written.ok()) written = co_await image_.writeHeader();
  if (!written.ok()) {
    image_.header.bitmaps = before.bitmaps;
    image_.header.autoclear = before.autoclear;
    if (!place.empty()) image_.allocator.giveBack(FreedSpace(place, FreeReason::kOther));
    co_return written;
  }
  // Of bitmaps that nobody could believe, nothing is freed: their clusters may be anybody's.
  if (before.hasConsistentBitmaps()) {
    const std::uint64_t length = image_.geometry.clustersFor(before.bitmaps->directoryBytes)
                                 << image_.geometry.clusterBits;
    std::vector<Extent> old;
    old.emplace_back(before.bitmaps->directoryOffset, length);
    co_return co_await freeClusters(std::move(old));
  }
  co_return success();
}

Task<Result<void>> Bitmaps::freeClusters(std::vector<Extent> clusters) {
  for (const Extent& at : clusters) image_.allocator.giveBack(FreedSpace(at, FreeReason::kOther));
  co_return co_await image_.writeBack.commitAll();
}

Extent Bitmaps::tableExtent(const Bitmap& bitmap) const {
  const std::uint64_t bytes = std::uint64_t{bitmap.entry.tableEntries} * 8;
  return {bitmap.entry.tableOffset, image_.geometry.clustersFor(bytes) << image_.geometry.clusterBits};
}

std::vector<Extent> Bitmaps::clustersOf(const Bitmap& bitmap) const {
  std::vector<Extent> clusters;
  for (const std::uint64_t word : bitmap.table) {
    if ((word & kOffsetMask) != 0) clusters.emplace_back(word & kOffsetMask, image_.geometry.clusterSize());
  }
  if (!tableExtent(bitmap).empty()) clusters.push_back(tableExtent(bitmap));
  return clusters;
}

}  // namespace rhea::block::qcow2
