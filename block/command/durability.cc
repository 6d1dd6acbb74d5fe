// Body: query-durability.
#include "block/command/chain.h"
#include "block/command/support.h"
#include "qapi/commands-block-cache.h"

namespace rhea {

namespace block {

namespace {

// Facts of the host are asked for at once and for all nodes; a file system that hangs leaves its own out.
constexpr Duration kPatience = std::chrono::milliseconds(200);

qapi::GuestCacheBelief beliefOf(GuestView view) { return static_cast<qapi::GuestCacheBelief>(view); }
static_assert(static_cast<int>(GuestView::kNoGuest) == static_cast<int>(qapi::GuestCacheBelief::noGuest));
static_assert(static_cast<int>(GuestView::kWriteBack) == static_cast<int>(qapi::GuestCacheBelief::writeBack));
static_assert(static_cast<int>(GuestView::kWriteThrough) == static_cast<int>(qapi::GuestCacheBelief::writeThrough));
static_assert(static_cast<int>(GuestView::kCannotFlush) == static_cast<int>(qapi::GuestCacheBelief::cannotFlush));

qapi::DurabilityDescriptor describeDescriptor(const DescriptorFacts& facts) {
  qapi::DurabilityDescriptor descriptor;
  descriptor.fd = facts.fd;
  if (!facts.path.empty()) descriptor.file = facts.path;
  descriptor.flags.emplace_back(facts.writable ? "O_RDWR" : "O_RDONLY");
  if (facts.direct) descriptor.flags.emplace_back("O_DIRECT");
  if (facts.dsync) descriptor.flags.emplace_back("O_DSYNC");
  descriptor.retiring = facts.retiring;
  return descriptor;
}

std::optional<std::string> ifAny(const std::string& text) {
  return text.empty() ? std::optional<std::string>() : std::optional<std::string>(text);
}

qapi::DurabilityHost describeHost(const StorageFacts& facts) {
  qapi::DurabilityHost host;
  host.filesystem = ifAny(facts.fileSystem);
  host.device = ifAny(facts.device);
  host.deviceWriteCache = ifAny(facts.deviceWriteCache);
  host.deviceFua = facts.deviceFua;
  host.directPossible = facts.directPossible;
  if (facts.directMemoryAlignment != 0) host.memoryAlignment = facts.directMemoryAlignment;
  if (facts.directOffsetAlignment != 0) host.offsetAlignment = facts.directOffsetAlignment;
  return host;
}

std::optional<qapi::WriteMethod> methodOf(const NodeDurability& node) {
  if (!node.storage || node.storage->descriptors.empty()) return std::nullopt;
  if (!node.storage->stableWrites) return qapi::WriteMethod::notTried;
  return *node.storage->stableWrites ? qapi::WriteMethod::rwfDsync : qapi::WriteMethod::fdatasync;
}

qapi::DurabilityNode describeNode(const NodeDurability& node, TimePoint now) {
  qapi::DurabilityNode made;
  made.nodeName = node.nodeName;
  made.drv = node.driver;
  made.file = ifAny(node.fileName);
  made.ro = node.readOnly;
  made.direct = node.direct;
  made.noFlush = node.noFlush;
  made.writeThrough = methodOf(node);
  if (node.storage) {
    made.engine = ifAny(node.storage->engine);
    made.note = ifAny(node.storage->note);
    for (const DescriptorFacts& facts : node.storage->descriptors)
      made.descriptors.push_back(describeDescriptor(facts));
    made.host = describeHost(*node.storage);
  } else {
    made.unknown = ifAny(node.storageError);
  }
  made.unflushed = toSchema(node.unflushed, now);
  if (node.lastFlush) made.lastFlush = toSchema(*node.lastFlush, now);
  made.failed = ifAny(node.latched);
  return made;
}

// Nothing completed is at risk: every node is clean and neither cheats nor has failed.
bool isSafe(const DiskDurability& disk) {
  return !disk.unflushed.any() && std::all_of(disk.nodes.begin(), disk.nodes.end(),
                                              [](const NodeDurability& node) { return node.latched.empty(); });
}

qapi::BlockDurability describeDisk(const DiskDurability& disk, TimePoint now) {
  qapi::BlockDurability made;
  made.device = disk.disk;
  made.qdev = ifAny(disk.qomPath);
  made.nodeName = ifAny(disk.rootNode);
  made.cache = toSchema(disk.mode);
  made.effectiveWriteback = disk.effectiveWriteback;
  made.pendingGuest = disk.pendingGuest;
  made.guest = beliefOf(disk.guest);
  made.forced = disk.forced;
  for (const NodeDurability& node : disk.nodes) made.nodes.push_back(describeNode(node, now));
  made.unflushed = toSchema(disk.unflushed, now);
  made.inFlight = disk.inFlight;
  if (disk.lastFlush) made.lastFlush = toSchema(*disk.lastFlush, now);
  made.safe = isSafe(disk);
  made.verdict = disk.verdict;
  return made;
}

}  // namespace

}  // namespace block

using block::BlockGraph;

Task<Result<std::vector<qapi::BlockDurability>>> Command<qapi::QueryDurability>::run(CommandContext context,
                                                                                     qapi::QueryDurability arguments) {
  BlockGraph& graph = context.get<BlockGraph>();
  std::vector<block::DiskPtr> disks = graph.disks();
  if (arguments.device) {
    RHEA_CO_TRY(block::DiskPtr disk, graph.disk(*arguments.device));
    disks.assign(1, std::move(disk));
  }
  std::vector<qapi::BlockDurability> list;
  for (const block::DiskPtr& disk : disks) {
    const block::DiskDurability told = co_await graph.durability(disk, block::kPatience);
    list.push_back(block::describeDisk(told, Clock::now()));
  }
  co_return list;
}

}  // namespace rhea
