#include "block/driver/qcow2/create.h"

#include <fmt/format.h>

#include "block/core/node.h"
#include "block/driver/preallocation.h"
#include "block/driver/qcow2/create-plan.h"
#include "block/driver/qcow2/image.h"
#include "block/driver/qcow2/resize.h"

namespace rhea::block::qcow2 {

namespace {

using Options = qapi::BlockdevCreateOptionsQcow2;

struct Piece {
  std::uint64_t at = 0;
  std::vector<std::byte> bytes;
};

// What of the first clusters is not zero but for the header: refcounts of them all, and the table that names their
// blocks.
std::vector<Piece> firstTables(const CreatePlan& plan) {
  constexpr std::uint64_t kWhole = 4096;  // what files are written in
  const Geometry geometry = plan.header.geometry();
  const std::uint64_t whole = std::min(geometry.clusterSize(), kWhole);
  const auto zeroes = [whole](std::uint64_t bytes) { return std::vector<std::byte>(alignUp(bytes, whole)); };
  const std::uint64_t tableAt = plan.header.refcountTableOffset;
  const std::uint64_t blocksAt = tableAt + (std::uint64_t{plan.header.refcountTableClusters} << geometry.clusterBits);
  std::vector<Piece> pieces;
  pieces.push_back({tableAt, zeroes(plan.refcountBlocks * 8)});
  for (std::uint64_t i = 0; i < plan.refcountBlocks; ++i) {
    const std::uint64_t at = blocksAt + (i << geometry.clusterBits);
    put<std::uint64_t>(pieces.front().bytes, i * 8, at);
    const std::uint64_t counted =
        std::min(geometry.refcountBlockEntries(), plan.clusters - i * geometry.refcountBlockEntries());
    Piece& block = pieces.emplace_back(at, zeroes(((counted << geometry.refcountOrder) + 7) / 8));
    for (std::uint64_t c = 0; c < counted; ++c) putRefcount(block.bytes, c, geometry.refcountOrder, 1);
  }
  return pieces;
}

Settings plainSettings(const Header& header) {
  Settings settings;
  settings.l2CacheBytes = std::uint64_t{8} << 20U;
  settings.refcountCacheBytes = std::uint64_t{1} << 20U;
  constexpr std::uint64_t kSlice = 4096;
  settings.l2SliceBytes = static_cast<std::uint32_t>(std::min(header.clusterSize(), kSlice));
  settings.refcountSliceBytes = settings.l2SliceBytes;
  return settings;
}

Task<Result<void>> preallocateNew(CreateContext context, Header header, Preallocation how) {
  Child& file = context.children.get("file");
  const ImagePlaces places(file, header.hasExternalData() ? context.children.find("data-file") : nullptr, nullptr);
  const std::uint64_t size = header.size;
  const Settings settings = plainSettings(header);
  Image image(places, std::move(header), settings, Reporter());
  RHEA_CO_CHECK(co_await image.mapping.load());
  // In steps, so that it can be cancelled and shows how far it is.
  constexpr std::uint64_t kStep = std::uint64_t{64} << 30U;
  Result<void> outcome = success();
  for (std::uint64_t done = 0; done < size && outcome.ok(); done += kStep) {
    context.progress.set(done, size);
    outcome = context.cancel.check();
    if (outcome.ok()) outcome = co_await preallocate(image, Extent(done, std::min(kStep, size - done)), how);
  }
  const Result<void> ended = co_await image.endWriting();
  co_await image.allocator.settle();
  RHEA_CO_CHECK(outcome);
  co_return ended;
}

}  // namespace

Task<Result<void>> createImage(CreateContext context, DriverOptions options) {
  const Options& given = options.as<Options>();
  RHEA_CO_TRY(CreatePlan plan, CreatePlan::of(given));
  Child& file = context.children.get("file");
  Child* const dataFile = context.children.find("data-file");
  Preallocation how = preallocationOf(given.preallocation);
  if (plan.header.hasExternalData()) {
    if (dataFile == nullptr || !dataFile->isAttached()) co_return Error("the data file is not open").where("data-file");
    plan.header.dataFile = dataFile->node().fileName();
    RHEA_CO_CHECK(co_await dataFile->resize(0, Preallocation::kOff));
    RHEA_CO_CHECK(co_await dataFile->resize(given.size, Preallocation::kOff));
    // Who reads the data file alone must find every cluster in its place.
    if (plan.header.isRawExternalData() && how == Preallocation::kOff) how = Preallocation::kMetadata;
  }
  RHEA_CO_TRY(const std::vector<std::byte> header, plan.header.serialise());
  // Nothing of what was there before may be taken for a part of the image.
  if (file.node().info().growable) {
    RHEA_CO_CHECK(co_await file.resize(0, Preallocation::kOff));
    RHEA_CO_CHECK(co_await file.resize(plan.bytes(), Preallocation::kOff));
  } else {
    RHEA_CO_CHECK(co_await file.writeZeroes(Extent(0, plan.bytes()), WriteFlags()));
  }
  for (const Piece& piece : firstTables(plan)) {
    const IoVector bytes{std::span<const std::byte>(piece.bytes)};
    RHEA_CO_CHECK(co_await file.write(Extent(piece.at, piece.bytes.size()), bytes, WriteFlags()));
  }
  RHEA_CO_CHECK(co_await file.flush(FlushTo::kStable));
  const IoVector head{std::span<const std::byte>(header)};
  RHEA_CO_CHECK(co_await file.write(Extent(0, header.size()), head, WriteFlags()));
  RHEA_CO_CHECK(co_await file.flush(FlushTo::kStable));
  if (how != Preallocation::kOff) RHEA_CO_CHECK(co_await preallocateNew(context, plan.header, how));
  context.progress.set(given.size, given.size);
  co_return success();
}

}  // namespace rhea::block::qcow2
