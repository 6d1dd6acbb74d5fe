// Bodies: query-block and query-named-block-nodes.
#include "block/command/images.h"
#include "block/command/support.h"
#include "qapi/commands-block-core.h"

namespace rhea {

namespace block {

namespace {

constexpr Duration kPatience = std::chrono::milliseconds(100);

qapi::BlockdevDetectZeroesOptions toSchema(DetectZeroes policy) {
  return static_cast<qapi::BlockdevDetectZeroesOptions>(policy);
}

using Images = std::map<const Node*, std::optional<ImageInfo>>;

// The next image down the chain: the backing file's, through filters and raw windows.
const Node* imageBehind(const Node& node) {
  if (const Child* backing = node.child("backing")) return backing->isAttached() ? &backing->node() : nullptr;
  const Child* below = node.info().kind == DriverKind::kFilter ? node.passThroughChild() : nullptr;
  return below == nullptr ? nullptr : imageBehind(below->node());
}

qapi::SnapshotInfo toSchema(const SnapshotInfo& snapshot) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  qapi::SnapshotInfo info;
  info.id = snapshot.id;
  info.name = snapshot.name;
  info.vmStateSize = static_cast<std::int64_t>(snapshot.vmStateBytes);
  info.dateSec = snapshot.dateSeconds;
  info.dateNsec = snapshot.dateNanoseconds;
  info.vmClockSec = static_cast<std::int64_t>(snapshot.vmClock / kSecond);
  info.vmClockNsec = static_cast<std::int64_t>(snapshot.vmClock % kSecond);
  if (snapshot.instructions) info.icount = static_cast<std::int64_t>(*snapshot.instructions);
  return info;
}

// `depth`: how many images behind this one are described with it.
qapi::ImageInfo describeImage(const Node& node, const Images& images, int depth) {
  qapi::ImageInfo info;
  info.filename = node.fileName();
  info.format = node.info().name;
  info.virtualSize = node.length();
  const auto found = images.find(&node);
  if (found == images.end() || !found->second) return info;
  const ImageInfo& image = *found->second;
  info.actualSize = image.actualSize;
  info.dirtyFlag = image.dirty;
  if (image.clusterSize) info.clusterSize = static_cast<std::int64_t>(*image.clusterSize);
  if (image.encrypted) info.encrypted = true;
  if (image.compressed) info.compressed = true;
  if (!image.backingFile.empty()) info.backingFilename = image.backingFile;
  if (!image.fullBackingFile.empty()) info.fullBackingFilename = image.fullBackingFile;
  if (!image.backingFormat.empty()) info.backingFilenameFormat = image.backingFormat;
  if (!image.snapshots.empty()) {
    info.snapshots.emplace();
    for (const SnapshotInfo& snapshot : image.snapshots) info.snapshots->push_back(toSchema(snapshot));
  }
  if (const auto* specific = image.specific.find<qapi::ImageInfoSpecific>()) info.formatSpecific = *specific;
  if (const Node* behind = imageBehind(node); behind != nullptr && depth > 0) {
    info.backingImage = json::Box<qapi::ImageInfo>(describeImage(*behind, images, depth - 1));
  }
  return info;
}

// A node as both commands show it; `disk` where it is asked about as that disk's medium.
qapi::BlockDeviceInfo describeNode(const Node& node, const Disk* disk, const Images& images, bool flat = false) {
  qapi::BlockDeviceInfo info;
  info.file = node.fileName();
  info.nodeName = node.name();
  info.ro = node.isReadOnly();
  info.drv = node.info().name;
  info.detectZeroes = toSchema(node.detectZeroes());
  // The reply is as deep as JSON readers of the usual kind go.
  constexpr int kDeepest = 100;
  info.image = describeImage(node, images, flat ? 0 : kDeepest);
  info.encrypted = info.image.encrypted.value_or(false);
  if (const Node* behind = imageBehind(node); behind != nullptr) info.backingFile = behind->fileName();
  for (const Node* behind = imageBehind(node); behind != nullptr; behind = imageBehind(*behind)) {
    ++info.backingFileDepth;
  }
  info.cache.writeback = disk == nullptr || disk->hostWriteback();
  info.cache.direct = node.isDirect();
  info.cache.noFlush = node.isNoFlush();
  info.writeThreshold = static_cast<std::int64_t>(node.writeThreshold());
  if (disk != nullptr) {
    if (const std::shared_ptr<ThrottleGroup> group = disk->throttleGroup()) {
      fillLimits(info, group->limits());
      info.group = group->name();
    }
  }
  return info;
}

Task<Images> allImages(std::vector<NodePtr> nodes) {
  const std::vector<std::optional<ImageInfo>> answers = co_await imagesOf(nodes, kPatience);
  Images images;
  for (std::size_t i = 0; i < nodes.size(); ++i) images.emplace(nodes[i].get(), answers[i]);
  co_return images;
}

qapi::BlockInfo describeDisk(const Disk& disk) {
  qapi::BlockInfo info;
  info.device = disk.id();
  if (disk.hasDevice()) info.qdev = disk.qomPath();
  info.type = "unknown";
  info.removable = disk.options().removable || !disk.hasDevice();
  if (disk.hasDevice()) info.ioStatus = static_cast<qapi::BlockDeviceIoStatus>(disk.ioStatus());
  return info;
}

}  // namespace

}  // namespace block

using block::BlockGraph;

Task<Result<std::vector<qapi::BlockInfo>>> Command<qapi::QueryBlock>::run(CommandContext context, qapi::QueryBlock) {
  const block::Images images = co_await block::allImages(context.get<BlockGraph>().nodes());
  std::vector<qapi::BlockInfo> list;
  for (const block::DiskPtr& disk : context.get<BlockGraph>().disks()) {
    qapi::BlockInfo info = block::describeDisk(*disk);
    if (disk->hasRoot()) info.inserted = block::describeNode(disk->root(), disk.get(), images);
    list.push_back(std::move(info));
  }
  co_return list;
}

Task<Result<std::vector<qapi::BlockDeviceInfo>>> Command<qapi::QueryNamedBlockNodes>::run(
    CommandContext context, qapi::QueryNamedBlockNodes args) {
  const block::Images images = co_await block::allImages(context.get<BlockGraph>().nodes());
  std::vector<qapi::BlockDeviceInfo> list;
  for (const block::NodePtr& node : context.get<BlockGraph>().nodes()) {
    list.push_back(block::describeNode(*node, nullptr, images, args.flat.value_or(false)));
  }
  co_return list;
}

}  // namespace rhea
