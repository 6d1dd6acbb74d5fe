// query-durability: what each node of a chain really does, and what that means.
#include <fmt/format.h>

#include "block/core/graph-internal.h"

namespace rhea::block {

namespace {

NodeDurability knownFacts(const Node& node) {
  NodeDurability facts;
  facts.nodeName = node.name();
  facts.driver = node.info().name;
  facts.fileName = node.fileName();
  facts.direct = node.isDirect();
  facts.noFlush = node.isNoFlush();
  facts.readOnly = node.isReadOnly();
  facts.unflushed = node.ledger().unflushed();
  facts.lastFlush = node.ledger().lastFlush();
  facts.latched = node.ledger().latchedWhy();
  return facts;
}

using StorageAnswer = std::shared_ptr<detail::Abandoned<StorageFacts>>;

}  // namespace

// Asks all nodes at once, and waits for none of them longer than `wait`.
Task<void> BlockGraph::fillChain(Node& top, DiskDurability& durability, Duration wait) {
  std::vector<NodePtr> chain;
  std::vector<StorageAnswer> answers;
  for (Node* node : nodesBelow(top)) {
    chain.push_back(pointerTo(*node));
    answers.emplace_back();
    if (node->informer_ == nullptr || node->closing_) continue;
    answers.back() = std::make_shared<detail::Abandoned<StorageFacts>>();
    node->asks_.spawn(detail::runAbandoned<StorageFacts>(node->informer_->storageFacts(), answers.back()));
  }
  const auto tooLate = std::make_shared<CancelSource>();
  const std::unique_ptr<Loop::Watch> timer =
      loop().timer(wait, [tooLate] { tooLate->cancel(Error("the storage did not answer in time")); });
  for (std::size_t i = 0; i < chain.size(); ++i) {
    Result<void> waited = success();
    if (answers[i] != nullptr) waited = co_await answers[i]->done.wait(tooLate->token());
    NodeDurability facts = knownFacts(*chain[i]);
    if (answers[i] != nullptr) {
      if (!answers[i]->result) {
        facts.storageError = waited.error().message();
      } else if (!answers[i]->result->ok()) {
        facts.storageError = answers[i]->result->error().message();
      } else {
        facts.storage = std::move(**answers[i]->result);
      }
    }
    durability.nodes.push_back(std::move(facts));
  }
}

Task<DiskDurability> BlockGraph::durability(DiskPtr disk, Duration wait) {
  DiskDurability durability;
  durability.disk = disk->id();
  durability.deviceId = disk->deviceId();
  durability.qomPath = disk->qomPath();
  if (disk->hasRoot()) {
    durability.rootNode = disk->root().name();
    const NodePtr root = pointerTo(disk->root());
    co_await fillChain(*root, durability, wait);
  }
  durability.mode = cacheOf(*disk);
  durability.effectiveWriteback = disk->effectiveWriteback();
  durability.pendingGuest = disk->pendingGuest_;
  durability.forced = disk->forced_;
  durability.temporary = disk->options_.temporary;
  durability.guest = disk->guestView();
  durability.inFlight = disk->gate_.inside();
  if (disk->hasRoot()) {
    const FlushLedger& ledger = disk->accountingNode().ledger();
    durability.unflushed = ledger.unflushed();
    durability.lastFlush = ledger.lastFlush();
    durability.verdict = verdictOf(durability, Clock::now());
  } else {
    durability.verdict = fmt::format("{} has no medium", disk->name());
  }
  co_return durability;
}

Task<DiskDurability> BlockGraph::nodeDurability(NodePtr node, Duration wait) {
  DiskDurability durability;
  durability.rootNode = node->name();
  durability.mode = CacheSwitches(true, node->isDirect(), node->isNoFlush());
  co_await fillChain(*node, durability, wait);
  const Node* accounting = node.get();
  while (const Child* below = accounting->passThroughChild()) accounting = &below->node();
  durability.unflushed = accounting->ledger().unflushed();
  durability.lastFlush = accounting->ledger().lastFlush();
  durability.inFlight = node->tracker().count();
  durability.verdict = verdictOf(durability, Clock::now());
  co_return durability;
}

}  // namespace rhea::block
