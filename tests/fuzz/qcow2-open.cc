// Damaged qcow2 images in use: opened, told of, read, written to, zeroed, snapshots and bitmaps listed, closed. Nothing
// of it may crash or hang, and what was written and not refused is read again. Inputs are those of test::imageOf().
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

void use(test::MemoryFile& file, const DiskPtr& disk) {
  const std::uint64_t length = disk->length();
  std::vector<std::byte> memory(std::min<std::uint64_t>(length, 65536));
  const auto view = [&](std::size_t bytes) { return IoVector(memory.data(), bytes); };
  if (memory.empty()) return;
  (void)file.run(disk->read(Extent(0, memory.size()), view(memory.size())));
  (void)file.run(disk->read(Extent(length - memory.size(), memory.size()), view(memory.size())));
  auto& image = dynamic_cast<Qcow2Driver&>(disk->root().driver());
  (void)file.run(image.imageInfo());
  (void)file.run(image.snapshots());
  (void)file.run(image.bitmaps());
  const std::uint64_t at = length / 3;
  const std::size_t bytes = std::min<std::size_t>(memory.size(), static_cast<std::size_t>(length - at));
  if (bytes == 0) return;
  std::ranges::fill(memory, std::byte{0x5A});
  const Result<void> written = file.run(disk->write(Extent(at, bytes), view(bytes)));
  std::ranges::fill(memory, std::byte{0});
  if (written.ok() && file.run(disk->read(Extent(at, bytes), view(bytes))).ok()) {
    require(std::all_of(memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(bytes),
                        [](std::byte b) { return b == std::byte{0x5A}; }),
            "what was written is not read");
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
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static test::MemoryFile file(test::MemoryFile::Use::kNode);
  std::vector<std::byte> bytes = test::imageOf({data, size});
  // Whatever files an image names, they are none of ours.
  const auto header = qcow2::Header::parse(bytes, bytes.size(), qcow2::Header::Use::kCheck);
  if (!header.ok() || header->hasExternalData()) return 0;
  file.bytes() = std::move(bytes);
  NodeOptions options("qcow2", DriverOptions::of(qapi::BlockdevOptionsQcow2()));
  options.nodeName = "image";
  options.children.push_back(ChildOptions::reference("file", "file"));
  options.children.push_back(ChildOptions::none("backing"));
  if (!file.run(file.graph().addNode(std::move(options), {})).ok()) return 0;
  DiskOptions disk("disk");
  if (auto attached = file.run(file.graph().addDisk(std::move(disk), "image", {})); attached.ok()) {
    use(file, *attached);
    require(file.run(file.graph().removeDisk(*attached, {})).ok(), "the disk cannot be detached");
  }
  require(file.run(file.graph().removeNode("image", {})).ok(), "the image cannot be closed");
  return 0;
}
