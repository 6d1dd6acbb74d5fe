// Recording: what happens between a write and the image.
#include "block/driver/qcow2/bitmaps.h"

namespace rhea::block::qcow2 {

namespace {

constexpr std::uint64_t kFewBits = 64;     // covered with the one that is written to
constexpr std::uint64_t kManyBits = 4096;  // once there were many such writes
constexpr std::uint64_t kManyCovers = 64;
constexpr std::uint64_t kSector = 512;

}  // namespace

Task<void> Bitmaps::load() {
  const Result<void> loaded = co_await loadAll();
  if (!loaded.ok()) {
    unusable_ = loaded.error();
    bitmaps_.clear();
    image_.damage.note("the persistent bitmaps cannot be used: " + loaded.error().message());
    co_return;
  }
  image_.watcher = this;
}

Task<Result<void>> Bitmaps::loadAll() {
  // Somebody wrote to the image who knows nothing of bitmaps: there are none any more.
  if (!image_.header.hasConsistentBitmaps()) co_return success();
  RHEA_CO_TRY(std::vector<BitmapEntry> entries, co_await readBitmapDirectory(image_.file, image_.header));
  // Ours, and nobody wrote to the image since who does not know it: others clear bits that they do not know.
  const bool covered = (image_.header.autoclear & kBitmapsCovered) != 0;
  for (BitmapEntry& entry : entries) {
    Row bitmap = std::make_unique<Bitmap>();
    bitmap->entry = std::move(entry);
    bitmap->trusted = !bitmap->entry.isInUse() || covered;
    RHEA_CO_TRY(bitmap->table, co_await readBitmapTable(image_.file, image_.header, bitmap->entry));
    if (bitmap->trusted) RHEA_CO_CHECK(co_await loadBits(*bitmap));
    armed_ = armed_ || (bitmap->entry.isInUse() && covered);
    bitmaps_.push_back(std::move(bitmap));
  }
  co_return success();
}

Task<Result<void>> Bitmaps::loadBits(Bitmap& bitmap) {
  const std::uint64_t size = image_.geometry.clusterSize();
  bitmap.stored.resize(Bitmap::bitsFor(image_.header.size, bitmap.entry.granularityBits));
  std::span<std::byte> left = bitmap.stored.bytes();
  for (std::size_t i = 0; !left.empty(); ++i) {
    const auto part = left.first(std::min<std::size_t>(left.size(), size));
    left = left.subspan(part.size());
    // One that was left in the middle of a resize may be short of what the disk has now.
    const std::uint64_t word = i < bitmap.table.size() ? bitmap.table[i] : kBitmapAllOnes;
    if ((word & kOffsetMask) != 0) {
      RHEA_CO_CHECK(co_await image_.file.read(Extent(word & kOffsetMask, part.size()), IoVector(part)));
    } else {
      std::ranges::fill(part, word == kBitmapAllOnes ? std::byte{0xFF} : std::byte{0});
    }
  }
  bitmap.stored.clearTail();
  bitmap.bits = bitmap.stored;
  co_return success();
}

bool Bitmaps::knows(Extent at) const {
  return at.empty() ||
         std::ranges::all_of(bitmaps_, [at](const Row& bitmap) { return !bitmap->isRecording() || bitmap->knows(at); });
}

Task<Result<void>> Bitmaps::note(Extent at) {
  const Mutex::Lock lock = co_await turn_.lock();
  if (knows(at)) co_return success();
  RHEA_CO_CHECK(co_await arm());
  for (const Row& bitmap : bitmaps_) {
    if (!bitmap->isRecording() || bitmap->knows(at)) continue;
    const std::uint64_t first = bitmap->firstBit(at);
    const std::uint64_t end = bitmap->endBit(at);
    bitmap->bits.set(first, end);
    if (!bitmap->stored.isSet(first, end)) RHEA_CO_CHECK(co_await cover(*bitmap, first, end));
  }
  co_return success();
}

// Our mark first: in use without it would mean lost.
Task<Result<void>> Bitmaps::arm() {
  if (armed_) co_return success();
  RHEA_CO_CHECK(co_await patchAutoclear(image_.header.autoclear | kBitmapsConsistent | kBitmapsCovered));
  for (const Row& bitmap : bitmaps_) {
    if (bitmap->isRecording()) RHEA_CO_CHECK(co_await writeFlags(*bitmap, bitmap->entry.flags | kBitmapInUse));
  }
  RHEA_CO_CHECK(co_await image_.file.flush(FlushTo::kStable));
  armed_ = true;
  covers_ = 0;
  co_return success();
}

Task<Result<void>> Bitmaps::cover(Bitmap& bitmap, std::uint64_t first, std::uint64_t end) {
  const std::uint64_t unit = ++covers_ > kManyCovers ? kManyBits : kFewBits;
  first = alignDown(first, unit);
  end = std::min(alignUp(end, unit), bitmap.stored.size());
  // Whole bytes, but for the last.
  const auto part = bitmap.stored.bytes().subspan(static_cast<std::size_t>(first / 8),
                                                  static_cast<std::size_t>((end + 7) / 8 - first / 8));
  const std::vector<std::byte> before(part.begin(), part.end());
  bitmap.stored.set(first, end);
  Result<void> written = co_await writePart(bitmap, first / 8, (end + 7) / 8);
  if (written.ok()) written = co_await image_.file.flush(FlushTo::kStable);
  if (!written.ok()) std::ranges::copy(before, part.begin());
  co_return written;
}

Task<Result<void>> Bitmaps::writePart(Bitmap& bitmap, std::uint64_t firstByte, std::uint64_t endByte) {
  const std::uint64_t size = image_.geometry.clusterSize();
  firstByte = alignDown(firstByte, kSector);
  while (firstByte < endByte) {
    const std::uint64_t index = firstByte / size;
    const std::uint64_t end = std::min(endByte, (index + 1) * size);
    if ((bitmap.table[index] & kOffsetMask) == 0) {
      RHEA_CO_CHECK(co_await giveCluster(bitmap, index));
    } else {
      const auto bytes = std::span<const std::byte>(bitmap.stored.bytes())
                             .subspan(static_cast<std::size_t>(firstByte), static_cast<std::size_t>(end - firstByte));
      const Extent place((bitmap.table[index] & kOffsetMask) + firstByte % size, bytes.size());
      RHEA_CO_CHECK(co_await image_.file.write(place, IoVector(bytes), WriteFlags()));
    }
    firstByte = end;
  }
  co_return success();
}

// The whole cluster, which is complete and counted before the table leads to it.
Task<Result<void>> Bitmaps::giveCluster(Bitmap& bitmap, std::uint64_t index) {
  const std::uint64_t size = image_.geometry.clusterSize();
  const std::uint64_t first = index * size;
  std::vector<std::byte> content(static_cast<std::size_t>(size));
  const auto all = std::span<const std::byte>(bitmap.stored.bytes());
  std::ranges::copy(
      all.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(std::min(size, all.size() - first))),
      content.begin());
  RHEA_CO_TRY(const Allocation place, co_await image_.allocator.take(1));
  const Extent cluster(place.offset, size);
  Result<void> done = co_await image_.file.write(cluster, IoVector(std::span<const std::byte>(content)), WriteFlags());
  if (done.ok()) done = co_await image_.writeBack.commit(FlushTo::kStable);
  if (done.ok()) {
    std::array<std::byte, 8> word{};
    put<std::uint64_t>(word, 0, place.offset);
    const Extent entry(bitmap.entry.tableOffset + index * 8, 8);
    done = co_await image_.file.write(entry, IoVector(std::span<const std::byte>(word)), WriteFlags());
  }
  if (!done.ok()) {
    image_.allocator.giveBack(FreedSpace(cluster, FreeReason::kOther));
    co_return done;
  }
  bitmap.table[static_cast<std::size_t>(index)] = place.offset;
  co_return success();
}

// At any moment of it the image says too much or what is right.
Task<Result<void>> Bitmaps::storeBits(Bitmap& bitmap) {
  const std::uint64_t size = image_.geometry.clusterSize();
  bitmap.stored = bitmap.bits;
  const auto all = std::span<const std::byte>(bitmap.stored.bytes());
  for (std::uint64_t first = 0; first < all.size(); first += size) {
    const std::uint64_t end = std::min<std::uint64_t>(first + size, all.size());
    const std::uint64_t word = bitmap.table[static_cast<std::size_t>(first / size)];
    const auto part = all.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first));
    const bool isZero = IoVector(part).isZero();
    if (word == 0 && isZero) continue;
    RHEA_CO_CHECK(co_await writePart(bitmap, first, end));
  }
  co_return co_await image_.file.flush(FlushTo::kStable);
}

Task<Result<void>> Bitmaps::store() {
  const Mutex::Lock lock = co_await turn_.lock();
  const auto isOurs = [](const Row& bitmap) { return bitmap->trusted && bitmap->entry.isInUse(); };
  if (std::ranges::none_of(bitmaps_, isOurs)) co_return success();
  for (const Row& bitmap : bitmaps_) {
    if (!bitmap->trusted || !bitmap->entry.isInUse()) continue;
    RHEA_CO_CHECK(co_await storeBits(*bitmap));
    RHEA_CO_CHECK(co_await writeFlags(*bitmap, bitmap->entry.flags & ~kBitmapInUse));
  }
  RHEA_CO_CHECK(co_await image_.file.flush(FlushTo::kStable));
  armed_ = false;
  co_return co_await patchAutoclear(image_.header.autoclear & ~kBitmapsCovered);
}

Task<Result<void>> Bitmaps::patchAutoclear(std::uint64_t bits) {
  if (bits == image_.header.autoclear) co_return success();
  std::vector<std::byte> field(8);
  put<std::uint64_t>(field, 0, bits);
  RHEA_CO_CHECK(co_await image_.patchHeader(kAtAutoclear, std::move(field)));
  image_.header.autoclear = bits;
  co_return success();
}

std::uint64_t Bitmaps::placeOf(const Bitmap& bitmap) const {
  std::uint64_t at = image_.header.bitmaps->directoryOffset;
  for (const Row& row : bitmaps_) {
    if (row.get() == &bitmap) break;
    at += alignUp<std::uint64_t>(kBitmapEntryBytes + row->entry.extra.size() + row->entry.name.size(), 8);
  }
  return at;
}

Task<Result<void>> Bitmaps::writeFlags(Bitmap& bitmap, std::uint32_t flags) {
  if (flags == bitmap.entry.flags) co_return success();
  std::array<std::byte, 4> word{};
  put<std::uint32_t>(word, 0, flags);
  const Extent place(placeOf(bitmap) + 12, word.size());
  RHEA_CO_CHECK(co_await image_.file.write(place, IoVector(std::span<const std::byte>(word)), WriteFlags()));
  bitmap.entry.flags = flags;
  co_return success();
}

}  // namespace rhea::block::qcow2
