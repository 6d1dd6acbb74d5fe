// Damaged qcow2 images in use: opened, told of, read, written to, zeroed, snapshots and bitmaps listed, closed. Nothing
// of it may crash or hang, and of an image that its check calls sound what was written and not refused is read again
// (two clusters of a damaged one may lie in the same place, and nobody sees that who looks at either). Inputs are those
// of test::imageOf().
#include "block/driver/qcow2/qcow2.h"
#include "qapi/types-block-options.h"
#include "tests/lib/memory-file.h"
#include "tests/lib/tiny-qcow2.h"

namespace {

using namespace rhea;
using namespace rhea::block;

void require(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "{}\n", what);
  __builtin_trap();
}

// False: what was written is not read.
bool use(test::MemoryFile& file, const DiskPtr& disk) {
  bool holds = true;
  const std::uint64_t length = disk->length();
  std::vector<std::byte> memory(std::min<std::uint64_t>(length, 65536));
  const auto view = [&](std::size_t bytes) { return IoVector(memory.data(), bytes); };
  if (memory.empty()) return true;
  (void)file.run(disk->read(Extent(0, memory.size()), view(memory.size())));
  (void)file.run(disk->read(Extent(length - memory.size(), memory.size()), view(memory.size())));
  auto& image = dynamic_cast<Qcow2Driver&>(disk->root().driver());
  (void)file.run(image.imageInfo());
  (void)file.run(image.snapshots());
  (void)file.run(image.bitmaps());
  const std::uint64_t at = length / 3;
  const std::size_t bytes = std::min<std::size_t>(memory.size(), static_cast<std::size_t>(length - at));
  if (bytes == 0) return true;
  view(bytes).fill(std::byte{0x5A});
  const Result<void> written = file.run(disk->write(Extent(at, bytes), view(bytes)));
  const std::vector<std::byte> put(memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(bytes));
  view(bytes).fill(std::byte{0});
  if (written.ok() && file.run(disk->read(Extent(at, bytes), view(bytes))).ok()) {
    holds = std::memcmp(memory.data(), put.data(), bytes) == 0;
  }
  const std::uint64_t cluster = image.image().geometry.clusterSize();
  (void)file.run(disk->writeZeroes(Extent(0, std::min(length, 3 * cluster)), WriteFlags::mayUnmap()));
  (void)file.run(disk->discard(Extent(0, std::min(length, cluster))));
  (void)file.run(disk->flush());
  SnapshotInfo info;
  info.name = "f";
  (void)file.run(image.createSnapshot(info));
  (void)file.run(image.revertToSnapshot("1"));
  (void)file.run(image.deleteSnapshot("f"));
  return holds;
}

NodeOptions imageNode() {
  NodeOptions options("qcow2", DriverOptions::of(qapi::BlockdevOptionsQcow2()));
  options.nodeName = "image";
  options.children.push_back(ChildOptions::reference("file", "file"));
  options.children.push_back(ChildOptions::none("backing"));
  return options;
}

// Whether the check finds nothing but leaks.
bool isSound(test::MemoryFile& file) {
  const Result<NodePtr> node = file.run(file.graph().addNode(imageNode(), {}));
  if (!node.ok()) return false;
  Progress progress;
  const auto report = file.run((*node)->ability<ImageChecker>()->check(CheckWish(), progress, CancelToken()));
  const bool sound = report.ok() && report->corruptions + report->checkErrors == 0;
  require(file.run(file.graph().removeNode("image", {})).ok(), "the image cannot be closed");
  return sound;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static test::MemoryFile file(test::MemoryFile::Use::kNode);
  std::vector<std::byte> bytes = test::imageOf({data, size});
  // Whatever files an image names, they are none of ours.
  const auto header = qcow2::Header::parse(bytes, bytes.size(), qcow2::Header::Use::kCheck);
  if (!header.ok() || header->hasExternalData()) return 0;
  file.bytes() = std::move(bytes);
  const std::vector<std::byte> before = file.bytes();
  if (!file.run(file.graph().addNode(imageNode(), {})).ok()) return 0;
  bool holds = true;
  DiskOptions disk("disk");
  if (auto attached = file.run(file.graph().addDisk(std::move(disk), "image", {})); attached.ok()) {
    holds = use(file, *attached);
    require(file.run(file.graph().removeDisk(*attached, {})).ok(), "the disk cannot be detached");
  }
  require(file.run(file.graph().removeNode("image", {})).ok(), "the image cannot be closed");
  if (!holds) {
    file.bytes() = before;
    require(!isSound(file), "what was written is not read");
  }
  return 0;
}
