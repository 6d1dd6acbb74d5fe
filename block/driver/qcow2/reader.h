// Reader: the disk's content, wherever it is: in the image, in the data file, behind it, or nowhere.
#pragma once

#include "block/core/io-vector.h"
#include "block/driver/qcow2/expanded-clusters.h"
#include "block/driver/qcow2/segment.h"

namespace rhea::block::qcow2 {

class Reader {
 public:
  explicit Reader(Image& image) : image_(image) {}

  // Also behind the disk's end, where the L1 table goes on (a machine's state).
  Task<Result<void>> read(Extent at, IoVector to);
  // What is at the start of `at`.
  Task<Result<Segment>> segment(Extent at);
  void forgetExpanded() { expanded_.clear(); }
  // Whether what is behind the image can only be zeroes there.
  bool isZeroBehind(Extent at) const;

 private:
  Task<Result<void>> readSegment(Segment segment, Extent at, IoVector to);
  Task<Result<void>> readCompressed(Segment segment, Extent at, IoVector to);
  Task<Result<ExpandedClusters::Content>> expandCluster(std::uint64_t word);
  Task<Result<void>> damaged(Segment segment, std::uint64_t guest);

  Image& image_;
  ExpandedClusters expanded_;
};

}  // namespace rhea::block::qcow2
