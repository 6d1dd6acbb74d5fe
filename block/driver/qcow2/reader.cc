#include "block/driver/qcow2/reader.h"

#include <fmt/format.h>

#include <cerrno>

#include "block/driver/qcow2/codec.h"
#include "block/driver/qcow2/gather.h"
#include "block/driver/qcow2/image.h"
#include "emu/io/offload.h"

namespace rhea::block::qcow2 {

bool Reader::isZeroBehind(Extent at) const { return !image_.hasBacking() || at.offset >= image_.backing->length(); }

Task<Result<Segment>> Reader::segment(Extent at) {
  std::optional<TableCache::Hold> now = image_.mapping.findNow(at.offset);
  if (!now) {
    RHEA_CO_TRY(now, co_await image_.mapping.find(at.offset));
  }
  co_return segmentAt(image_, *now, at);
}

Task<Result<void>> Reader::read(Extent at, IoVector to) {
  RHEA_CO_TRY(Segment segment, co_await this->segment(at));
  // The usual case needs no other tasks.
  if (segment.length == at.length) co_return co_await readSegment(segment, at, to);
  Gather parts;
  Result<void> outcome = success();
  for (std::uint64_t done = 0;;) {
    parts.start(readSegment(segment, at.slice(done, segment.length), to.slice(done, segment.length)));
    done += segment.length;
    if (done == at.length || parts.failed()) break;
    Result<Segment> next = co_await this->segment(at.slice(done, at.length - done));
    if (!next.ok()) {
      outcome = next.takeError();
      break;
    }
    segment = *next;
  }
  Result<void> all = co_await parts.all();
  RHEA_CO_CHECK(outcome);
  co_return all;
}

Task<Result<void>> Reader::readSegment(Segment segment, Extent at, IoVector to) {
  switch (segment.kind) {
    case Segment::Kind::kZero:
      to.fill(std::byte{0});
      co_return success();
    case Segment::Kind::kUnallocated:
      if (image_.hasBacking()) co_return co_await image_.backing->read(at, to);
      to.fill(std::byte{0});
      co_return success();
    case Segment::Kind::kData:
      co_return co_await image_.data.read(Extent(segment.host, at.length), to);
    case Segment::Kind::kPacked:
      co_return co_await readCompressed(segment, at, to);
    case Segment::Kind::kDamaged:
      break;
  }
  co_return co_await damaged(segment, at.offset);
}

Task<Result<void>> Reader::damaged(Segment segment, std::uint64_t guest) {
  std::string message = fmt::format("the L2 entry of the disk's offset {:#x} ({:#x}) {}", guest, segment.entry.word,
                                    segment.problem != nullptr ? segment.problem : "cannot be");
  Error error = co_await image_.damage.found(std::move(message), segment.entry.word & kOffsetMask);
  co_return error;
}

Task<Result<void>> Reader::readCompressed(Segment segment, Extent at, IoVector to) {
  ExpandedClusters::Content content = expanded_.find(segment.entry.word);
  if (content == nullptr) {
    RHEA_CO_TRY(content, co_await expandCluster(segment.entry.word));
  }
  to.copyFrom(content->data() + image_.geometry.inCluster(at.offset), static_cast<std::size_t>(at.length));
  co_return success();
}

Task<Result<ExpandedClusters::Content>> Reader::expandCluster(std::uint64_t word) {
  const std::uint64_t era = expanded_.era();
  const CompressedPlace place = compressedPlace(word, image_.geometry);
  std::vector<std::byte> packed(place.bytes);
  const IoVector into{std::span<std::byte>(packed)};
  RHEA_CO_CHECK(co_await image_.file.read(Extent(place.offset, place.bytes), into));
  const auto cluster = std::make_shared<std::vector<std::byte>>(image_.geometry.clusterSize());
  const Compression type = image_.header.compression;
  const auto work = [&packed, cluster, type] { return expand(type, packed, *cluster); };
  Result<void> outcome = co_await offload(work);
  if (!outcome.ok()) {
    co_return outcome.takeError().context(fmt::format("at {:#x} of the image", place.offset));
  }
  if (expanded_.era() == era && expanded_.find(word) == nullptr) expanded_.keep(word, cluster);
  co_return ExpandedClusters::Content(cluster);
}

}  // namespace rhea::block::qcow2
