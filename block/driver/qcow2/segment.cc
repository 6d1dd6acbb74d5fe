#include "block/driver/qcow2/segment.h"

#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

namespace {

// Of the subcluster with `bit`.
Segment::Kind kindOf(const ClusterView& view, std::uint32_t bit) {
  if (view.problem != nullptr) return Segment::Kind::kDamaged;
  if (view.compressed) return Segment::Kind::kPacked;
  if ((view.data & bit) != 0) return Segment::Kind::kData;
  return (view.zero & bit) != 0 ? Segment::Kind::kZero : Segment::Kind::kUnallocated;
}

}  // namespace

Segment segmentAt(const Image& image, const TableCache::Hold& slice, Extent at) {
  const Geometry& geometry = image.geometry;
  Segment segment;
  if (!slice) {
    segment.length = std::min(at.length, geometry.l2Reach() - (at.offset & (geometry.l2Reach() - 1)));
    return segment;
  }
  const std::uint64_t reach = image.mapping.sliceReach();
  const std::uint64_t end = std::min(at.end(), alignDown(at.offset, reach) + reach);
  for (std::uint64_t guest = at.offset; guest < end;) {
    const ClusterEntry entry = image.mapping.entry(slice, guest);
    const ClusterView view(entry, geometry, image.isExternal());
    const std::uint64_t clusterEnd = std::min(geometry.clusterStart(guest) + geometry.clusterSize(), end);
    for (; guest < clusterEnd;) {
      const std::uint64_t sub = geometry.inCluster(guest) / geometry.subclusterSize();
      const Segment::Kind kind = kindOf(view, 1U << sub);
      const bool hasHost = view.hasHost && kind != Segment::Kind::kDamaged;
      const std::uint64_t host = hasHost ? view.host + geometry.inCluster(guest) : 0;
      if (segment.length == 0) {
        segment.kind = kind;
        segment.hasHost = hasHost;
        segment.host = host;
        segment.copied = view.copied;
        segment.entry = entry;
        segment.problem = view.problem;
      } else if (kind != segment.kind || kind == Segment::Kind::kPacked || kind == Segment::Kind::kDamaged ||
                 hasHost != segment.hasHost || (hasHost && host != segment.host + segment.length) ||
                 (kind == Segment::Kind::kData && view.copied != segment.copied)) {
        return segment;
      }
      // The whole cluster is of one kind unless it has subclusters.
      const bool whole = !geometry.extendedL2 || view.compressed;
      const std::uint64_t partEnd =
          whole ? clusterEnd
                : std::min(geometry.clusterStart(guest) + (sub + 1) * geometry.subclusterSize(), clusterEnd);
      segment.length += partEnd - guest;
      guest = partEnd;
    }
  }
  return segment;
}

}  // namespace rhea::block::qcow2
