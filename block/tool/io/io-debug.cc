// break, resume, wait_break: stop requests at the points of a blkdebug filter.
#include "block/core/debug-points.h"
#include "block/tool/io/io-verb.h"

namespace rhea::block {

namespace {

// The nearest filter below the disk that has points; the counted node keeps it while a verb waits.
struct Found {
  NodePtr node;
  DebugPoints* points = nullptr;
};

Result<Found> findPoints(const IoTarget& target) {
  if (target.disk->hasRoot()) {
    for (Node* node = &target.disk->root(); node != nullptr;) {
      if (auto* points = dynamic_cast<DebugPoints*>(&node->driver()); points != nullptr) {
        return Found{target.graph.findNode(node->name()), points};
      }
      const Child* below = node->passThroughChild();
      node = below == nullptr ? nullptr : &below->node();
    }
  }
  return Error(fmt::format("'{}' has no node that can stop requests", target.disk->name()))
      .hint("put a node of the driver blkdebug above its file");
}

bool isSuspended(const DebugPoints& points, const std::string& tag) {
  const auto all = points.suspended();
  return std::any_of(all.begin(), all.end(), [&tag](const auto& one) { return one.tag == tag; });
}

}  // namespace

Task<Result<IoOutcome>> ioBreak(IoTarget target, IoCall call) {
  RHEA_CO_TRY(const Found found, findPoints(target));
  RHEA_CO_CHECK(found.points->breakAt(call.words[0], call.words[1]));
  co_return std::string();
}

Task<Result<IoOutcome>> ioResume(IoTarget target, IoCall call) {
  RHEA_CO_TRY(const Found found, findPoints(target));
  RHEA_CO_CHECK(found.points->resume(call.words[0]));
  co_return std::string();
}

Task<Result<IoOutcome>> ioWaitBreak(IoTarget target, IoCall call) {
  RHEA_CO_TRY(const Found found, findPoints(target));
  while (!isSuspended(*found.points, call.words[0])) {
    RHEA_CO_CHECK(co_await Loop::current()->sleep(std::chrono::milliseconds(5), target.context.cancel));
    RHEA_CO_CHECK(findPoints(target));
  }
  co_return std::string();
}

}  // namespace rhea::block
