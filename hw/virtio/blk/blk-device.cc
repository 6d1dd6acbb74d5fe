// BlkDevice: made from its properties, attached to a disk, and detached.
#include "hw/virtio/blk/blk-device.h"

#include "emu/base/names.h"
#include "emu/object/tree.h"
#include "hw/core/board.h"
#include "hw/virtio/blk/blk-layout.h"

namespace rhea::virtio {

namespace {

constexpr unsigned kMostQueues = 256;
constexpr std::uint32_t kLargestBlock = std::uint32_t{2} << 20;

bool isBlockSize(std::uint32_t bytes) {
  return bytes >= blk::kSector && bytes <= kLargestBlock && (bytes & (bytes - 1)) == 0;
}

}  // namespace

void BlkDevice::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "virtio-blk-device";
  type.parent = "virtio-device";
  type.doc = "a virtio disk without its transport";
  classes.add(std::move(type));
}

BlkDevice::BlkDevice(const object::Class& type, const Services& services, BlkOptions options)
    : VirtioDevice(type, 2), services_(services), options_(std::move(options)) {
  if (options_.queues == UINT16_MAX) options_.queues = 1;
}

BlkDevice::~BlkDevice() = default;

Result<void> BlkDevice::checkOptions() const {
  const auto refuse = [](std::string_view property, auto value, std::string_view expected) {
    return Error(fmt::format("{} cannot be {}", property, value))
        .where(std::string(property))
        .expected(std::string(expected));
  };
  if (options_.queues == 0 || options_.queues > kMostQueues) {
    return refuse("num-queues", options_.queues, fmt::format("1 to {}", kMostQueues));
  }
  const unsigned size = options_.queueSize;
  if (size < 4 || size > kMostQueueSize || (size & (size - 1)) != 0) {
    return refuse("queue-size", size, fmt::format("a power of two, 4 to {}", kMostQueueSize));
  }
  if (!isBlockSize(options_.logicalBlock)) {
    return refuse("logical_block_size", options_.logicalBlock, "a power of two, 512 to 2097152");
  }
  if (!isBlockSize(options_.physicalBlock) || options_.physicalBlock < options_.logicalBlock) {
    return refuse("physical_block_size", options_.physicalBlock,
                  fmt::format("a power of two, {} (logical_block_size) to 2097152", options_.logicalBlock));
  }
  if (options_.minIo % options_.logicalBlock != 0 || options_.minIo / options_.logicalBlock > UINT16_MAX) {
    return refuse("min_io_size", options_.minIo, "a multiple of logical_block_size, up to 65535 times as large");
  }
  if (options_.optIo % options_.logicalBlock != 0) {
    return refuse("opt_io_size", options_.optIo, "a multiple of logical_block_size");
  }
  if (options_.serial.size() > blk::kIdSize) {
    return refuse("serial", fmt::format("'{}'", options_.serial), "20 bytes at most");
  }
  if (options_.scsi) return refuse("scsi", "on", "off: SCSI commands went from virtio with version 1.0");
  return success();
}

Task<Result<void>> BlkDevice::complete() {
  RHEA_CO_CHECK(checkOptions());
  graph_ = &services_.get<block::BlockGraph>();
  if (auto* board = services_.find<hw::Board>(); board != nullptr) inOrder_ = board->clock().follows();
  main_ = &graph_->loop();
  if (!options_.iothread.empty()) {
    RHEA_CO_TRY(thread_, services_.get<object::ObjectTree>().made<object::IoThread>(options_.iothread, "iothread"));
    threadUse_ = thread_->use(label());
  }
  RHEA_CO_CHECK(co_await attach());
  Result<void> ready = applyPolicies();
  // The disk's driver code runs where its requests come from: no hop for each of them.
  if (ready.ok() && thread_ != nullptr) ready = co_await moveDisk(thread_->loop());
  if (!ready.ok()) {
    disk_->setDevice({}, {}, nullptr);
    if (disk_->id().empty()) (void)co_await graph_->removeDisk(disk_, block::ChangeContext());
    co_return ready;
  }
  hostWriteback_.store(disk_->hostWriteback(), std::memory_order_release);
  co_return success();
}

Task<Result<void>> BlkDevice::moveDisk(Loop& home) {
  const block::NodePtr root = graph_->findNode(disk_->root().name());
  co_return co_await graph_->moveHome(root, home, block::ChangeContext(label(), CancelToken()));
}

Task<Result<void>> BlkDevice::attach() {
  if (options_.drive.empty()) {
    co_return Error("'drive' is missing: a disk needs something to be a disk of")
        .where("drive")
        .expected("the id of a drive or the name of a block node");
  }
  block::DiskPtr disk;
  for (const block::DiskPtr& each : graph_->disks()) {
    if (each->id() == options_.drive) disk = each;
  }
  if (disk != nullptr) co_return co_await attachDrive(disk);
  if (graph_->findNode(options_.drive) != nullptr) co_return co_await attachNode();
  std::vector<std::string> names;
  for (const block::DiskPtr& each : graph_->disks()) {
    if (!each->id().empty()) names.push_back(each->id());
  }
  for (const block::NodePtr& node : graph_->nodes()) names.push_back(node->name());
  co_return Error(fmt::format("there is no drive or block node '{}'", options_.drive))
      .where("drive")
      .candidates(nearestNames(options_.drive, std::span<const std::string>(names)))
      .hint("-drive if=none,id=... or drive_add makes a drive, -blockdev or blockdev-add a node");
}

Task<Result<void>> BlkDevice::attachDrive(block::DiskPtr disk) {
  if (disk->hasDevice()) {
    co_return Error(fmt::format("drive '{}' is in use by device '{}'", disk->id(),
                                disk->deviceId().empty() ? disk->qomPath() : disk->deviceId()))
        .where("drive");
  }
  if (!disk->hasRoot()) co_return Error(fmt::format("drive '{}' has no medium", disk->id())).where("drive");
  if (options_.shareRw) {
    co_return Error("share-rw is a matter of the drive, which is there already")
        .where("share-rw")
        .hint("give the device a block node (-blockdev) instead of a drive");
  }
  disk_ = std::move(disk);
  disk_->setDevice(id(), devicePath(), this);
  const bool wanted = options_.writeCache == qapi::OnOffAuto::on;
  if (options_.writeCache == qapi::OnOffAuto::auto_ || wanted == disk_->hostWriteback()) co_return success();
  block::CacheRequest request;
  request.writeback = wanted;
  request.force = true;  // no driver has been told anything yet
  block::ChangeContext context(label(), CancelToken());
  Result<block::CacheChange> changed = co_await graph_->setCache(disk_->id(), std::move(request), std::move(context));
  if (changed.ok()) co_return success();
  disk_->setDevice({}, {}, nullptr);
  co_return changed.takeError().context("write-cache");
}

Task<Result<void>> BlkDevice::attachNode() {
  block::DiskOptions options;
  options.writeback = options_.writeCache != qapi::OnOffAuto::off;
  options.readOnly = graph_->findNode(options_.drive)->isReadOnly();
  if (options_.shareRw) options.shared = options.shared | block::Permissions::write();
  block::ChangeContext context(label(), CancelToken());
  RHEA_CO_TRY(disk_, co_await graph_->addDisk(std::move(options), options_.drive, std::move(context)));
  disk_->setDevice(id(), devicePath(), this);
  co_return success();
}

Result<void> BlkDevice::applyPolicies() {
  block::OnError write = disk_->writeError();
  block::OnError read = disk_->readError();
  if (options_.writeError != "auto") {
    Result<block::OnError> policy = block::onErrorOf(options_.writeError);
    if (!policy.ok()) return policy.takeError().where("werror");
    write = *policy;
  }
  if (options_.readError != "auto") {
    Result<block::OnError> policy = block::onErrorOf(options_.readError);
    if (!policy.ok()) return policy.takeError().where("rerror");
    read = *policy;
  }
  if (read == block::OnError::kNoSpace) {
    return Error("rerror cannot be enospc: a read needs no space").where("rerror").expected("report, ignore or stop");
  }
  disk_->setErrorPolicies(write, read);
  return success();
}

Task<void> BlkDevice::retire() {
  co_await changes_.join();
  // Back before the thread may end. A removed medium took its nodes along.
  if (thread_ != nullptr && disk_->hasRoot()) (void)co_await moveDisk(*main_);
  disk_->setDevice({}, {}, nullptr);
  // A drive goes with its device, a node stays: what was made with drive_add has nobody else who would take it away.
  (void)co_await graph_->removeDisk(disk_, block::ChangeContext(label(), CancelToken()));
  threadUse_ = object::Object::Use();
}

std::vector<QueueShape> BlkDevice::queues() const {
  QueueShape shape;
  shape.size = options_.queueSize;
  shape.loop = thread_ == nullptr ? main_ : &thread_->loop();
  return std::vector<QueueShape>(options_.queues, shape);
}

}  // namespace rhea::virtio
