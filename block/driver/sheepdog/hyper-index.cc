#include "block/driver/sheepdog/hyper-index.h"

#include <cerrno>

#include "emu/base/bytes.h"

namespace rhea::block::sheepdog {

namespace {

constexpr std::uint16_t kMagic = 0x6274;
constexpr std::size_t kHead = 8;
constexpr std::size_t kLeafEntry = 8;
constexpr std::size_t kRootEntry = 16;
constexpr std::uint32_t kMostLeaf = 524287;
constexpr std::uint32_t kMostRoot = 262143;
constexpr std::size_t kLeavesKept = 8;  // up to 8 MiB each

Error damaged(std::string_view what) {
  return Error::fromErrno(EIO, fmt::format("the index of the hyper volume is damaged: {}", what));
}

struct Head {
  std::uint16_t depth = 0;
  std::uint32_t entries = 0;
};

Result<Head> headOf(std::span<const std::byte> node) {
  if (node.size() < kHead || loadLittle<std::uint16_t>(node.data()) != kMagic) return damaged("a node has no mark");
  Head head;
  head.depth = loadLittle<std::uint16_t>(&node[2]);
  head.entries = loadLittle<std::uint32_t>(&node[4]);
  if (head.depth != 1 && head.depth != 2) return damaged(fmt::format("it has {} levels, possible are 2", head.depth));
  const std::uint32_t most = head.depth == 1 ? kMostLeaf : kMostRoot;
  if (head.entries > most) return damaged(fmt::format("a node has {} entries, possible are {}", head.entries, most));
  return head;
}

// A node in two steps, so that a small tree is a small read.
Task<Result<std::vector<std::byte>>> readNode(Desk desk, std::uint64_t oid, std::uint32_t offset) {
  const ObjectRange first(oid, offset, kHead);
  RHEA_CO_TRY(std::vector<std::byte> node, co_await desk.readObject(first, kFlagDirect));
  RHEA_CO_TRY(const Head head, headOf(node));
  const auto bytes = static_cast<std::uint32_t>(head.entries * (head.depth == 1 ? kLeafEntry : kRootEntry));
  if (bytes == 0) co_return node;
  const ObjectRange rest(oid, static_cast<std::uint32_t>(offset + kHead), bytes);
  RHEA_CO_TRY(const std::vector<std::byte> entries, co_await desk.readObject(rest, kFlagDirect));
  node.resize(kHead + bytes);
  std::copy(entries.begin(), entries.end(), node.begin() + kHead);
  co_return node;
}

}  // namespace

Result<std::vector<HyperIndex::Entry>> HyperIndex::parse(std::span<const std::byte> node, bool leaf) {
  RHEA_TRY(const Head head, headOf(node));
  if (leaf != (head.depth == 1)) return damaged("a node is on the wrong level");
  const std::size_t size = leaf ? kLeafEntry : kRootEntry;
  if (node.size() < kHead + head.entries * size) return damaged("a node is cut off");
  std::vector<Entry> entries(head.entries);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::byte* const from = node.data() + kHead + i * size;
    entries[i].index = loadLittle<std::uint32_t>(from);
    entries[i].target = leaf ? loadLittle<std::uint32_t>(from + 4) : loadLittle<std::uint64_t>(from + 8);
    if (i > 0 && entries[i].index <= entries[i - 1].index) return damaged("the entries of a node are not in order");
  }
  return entries;
}

Task<Result<void>> HyperIndex::load(Link& link, Desk::Use use, std::uint32_t vdi) {
  leaves_.clear();
  RHEA_CO_TRY(const std::vector<std::byte> node, co_await readNode(Desk(link, use), inodeObject(vdi), kIndexOffset));
  RHEA_CO_TRY(const Head head, headOf(node));
  RHEA_CO_TRY(root_, parse(node, head.depth == 1));
  deep_ = head.depth == 2;
  co_return success();
}

Task<Result<const std::vector<HyperIndex::Entry>*>> HyperIndex::leafOf(Link& link, const Entry& root) {
  const std::uint64_t oid = root.target;
  const auto known = std::find_if(leaves_.begin(), leaves_.end(), [oid](const Leaf& leaf) { return leaf.oid == oid; });
  if (known != leaves_.end()) {
    leaves_.splice(leaves_.begin(), leaves_, known);
    co_return &leaves_.front().entries;
  }
  if ((oid & kTreeBit) == 0) co_return damaged("an entry of its root names no node");
  RHEA_CO_TRY(const std::vector<std::byte> node, co_await readNode(Desk(link), oid, 0));
  Leaf leaf;
  leaf.oid = oid;
  RHEA_CO_TRY(leaf.entries, parse(node, true));
  leaves_.push_front(std::move(leaf));
  if (leaves_.size() > kLeavesKept) leaves_.pop_back();
  co_return &leaves_.front().entries;
}

Task<Result<HyperIndex::Run>> HyperIndex::find(Link& link, std::uint32_t index, std::uint64_t most) {
  const auto firstFrom = [](const std::vector<Entry>& entries, std::uint32_t from) {
    return std::lower_bound(entries.begin(), entries.end(), from,
                            [](const Entry& entry, std::uint32_t wanted) { return entry.index < wanted; });
  };
  const std::vector<Entry>* entries = &root_;
  std::uint64_t end = std::uint64_t{index} + most;
  if (deep_) {
    const auto branch = firstFrom(root_, index);
    if (branch == root_.end()) co_return Run{0, most};
    end = std::min(end, std::uint64_t{branch->index} + 1);
    const Entry root = *branch;
    RHEA_CO_TRY(entries, co_await leafOf(link, root));
  }
  auto at = firstFrom(*entries, index);
  Run run;
  if (at == entries->end() || at->index != index) {
    run.objects = (at == entries->end() ? end : std::min<std::uint64_t>(end, at->index)) - index;
    co_return run;
  }
  if (at->target == 0 || at->target > kMostVdi) co_return damaged("an entry names no VDI");
  run.owner = static_cast<std::uint32_t>(at->target);
  while (at != entries->end() && at->index == index + run.objects && index + run.objects < end) {
    ++run.objects;
    ++at;
  }
  co_return run;
}

}  // namespace rhea::block::sheepdog
