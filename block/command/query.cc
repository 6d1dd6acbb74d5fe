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

// A node as both commands show it; `disk` where it is asked about as that disk's medium.
qapi::BlockDeviceInfo describeNode(const Node& node, const Disk* disk, const std::optional<ImageInfo>& image) {
  qapi::BlockDeviceInfo info;
  info.file = node.fileName();
  info.nodeName = node.name();
  info.ro = node.isReadOnly();
  info.drv = node.info().name;
  info.detectZeroes = toSchema(node.detectZeroes());
  info.encrypted = image && image->encrypted;
  info.image.filename = info.file;
  info.image.format = node.info().name;
  info.image.virtualSize = node.length();
  if (image) info.image.actualSize = image->actualSize;
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
  const std::vector<block::DiskPtr> disks = context.get<BlockGraph>().disks();
  std::vector<block::NodePtr> roots;
  for (const block::DiskPtr& disk : disks) {
    if (disk->hasRoot()) roots.push_back(context.get<BlockGraph>().findNode(disk->root().name()));
  }
  const std::vector<std::optional<block::ImageInfo>> images = co_await block::imagesOf(roots, block::kPatience);
  std::vector<qapi::BlockInfo> list;
  std::size_t next = 0;
  for (const block::DiskPtr& disk : disks) {
    qapi::BlockInfo info = block::describeDisk(*disk);
    if (next < roots.size() && disk->hasRoot() && &disk->root() == roots[next].get()) {
      info.inserted = block::describeNode(*roots[next], disk.get(), images[next]);
      ++next;
    }
    list.push_back(std::move(info));
  }
  co_return list;
}

Task<Result<std::vector<qapi::BlockDeviceInfo>>> Command<qapi::QueryNamedBlockNodes>::run(CommandContext context,
                                                                                          qapi::QueryNamedBlockNodes) {
  const BlockGraph& graph = context.get<BlockGraph>();
  const std::vector<block::NodePtr> nodes = graph.nodes();
  const std::vector<std::optional<block::ImageInfo>> images = co_await block::imagesOf(nodes, block::kPatience);
  std::vector<qapi::BlockDeviceInfo> list;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    list.push_back(block::describeNode(*nodes[i], nullptr, images[i]));
  }
  co_return list;
}

}  // namespace rhea
