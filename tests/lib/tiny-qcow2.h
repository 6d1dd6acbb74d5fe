// Small qcow2 images made in memory word by word, to be damaged on purpose, and a plain reader that tells what of an
// image can be read: what a repair must leave as it is. Neither uses anything of the driver but the format's constants.
#pragma once

#include "block/driver/qcow2/header.h"

namespace rhea::test {

struct TinyOptions {
  std::uint32_t clusterBits = 9;
  std::uint32_t refcountOrder = 4;
  std::uint32_t version = 3;
  bool extendedL2 = false;
  std::uint32_t dataClusters = 5;  // data, zero, preallocated zero by turns
  std::uint32_t snapshots = 0;     // each shares what is there when it is taken; then the first cluster changes
  bool bitmap = false;
  bool compressed = false;  // two clusters that lie in one cluster of the file; their content is noise
};

class TinyQcow2 {
 public:
  explicit TinyQcow2(TinyOptions options);

  std::vector<std::byte> bytes;
  block::qcow2::Header header;  // as in `bytes`
  std::vector<std::uint64_t> l2Tables;
  std::uint64_t refcountBlock = 0;

  std::uint64_t word(std::uint64_t at) const;
  void setWord(std::uint64_t at, std::uint64_t value);
  std::uint64_t refcount(std::uint64_t cluster) const;
  void setRefcount(std::uint64_t cluster, std::uint64_t value);
  // Where the word of a cluster of the disk is.
  std::uint64_t entryAt(std::uint64_t cluster) const;
  // Clusters that the file had before they were damaged.
  std::uint64_t clusters() const { return bytes.size() >> header.clusterBits; }

 private:
  std::uint64_t take(std::uint64_t times = 1);
  void addSnapshots(std::uint32_t count);
  void addBitmap();
  void write(std::uint64_t at, std::span<const std::byte> from);
};

// For fuzzers. An input that begins like an image is one. Any other says how a small image is made (two bytes), and
// then where it is damaged, four bytes each: a place (in words, 16 bits), how, with what.
std::vector<std::byte> imageOf(std::span<const std::uint8_t> input);

// What a reader finds in a cluster of the disk or of a snapshot: the place of its L2 entry, the words that say what it
// is, and the bytes where all of them are in the file and not in its header. These are a part of the image that was
// read, which has to be there as long.
struct ReadableCluster {
  std::uint64_t at = 0;
  std::array<std::uint64_t, 2> words = {};
  std::span<const std::byte> bytes;
};
using Readable = std::vector<ReadableCluster>;  // each place once, by place
Readable readableClusters(std::span<const std::byte> image);
// Whether all that could be read before still can, and is the same.
bool keepsAll(const Readable& before, const Readable& after);

}  // namespace rhea::test
