#include "block/core/chain-status.h"

namespace rhea::block {

namespace {

// A question to a node without a child of its own asking.
Task<Result<BlockStatus>> ask(Node& node, Extent at) { return node.status(at, true); }

// Follows an answer down to the file that stores it. Below what merely passes through, a hole is a hole; a format said
// itself what is allocated, and asking its file about every cluster would cost more than it tells.
Task<Result<void>> followDown(Node& layer, BlockStatus answer, ChainStatus& status) {
  const Node* asked = &layer;
  if (answer.in == nullptr && answer.offset) {
    status.offset = answer.offset;
    status.file = &layer;
  }
  while (answer.in != nullptr && answer.offset && answer.in->isAttached()) {
    Node& below = answer.in->node();
    status.file = &below;
    status.offset = answer.offset;
    if (!answer.data || status.zero || !asked->info().passThrough) co_return success();
    asked = &below;
    const Extent there(*answer.offset, status.length);
    RHEA_CO_TRY(BlockStatus next, co_await below.status(there, true));
    if (next.zero) {
      status.zero = true;
      status.data = next.data;
      status.length = std::min(status.length, next.length);
    } else if (next.data) {
      status.length = std::min(status.length, next.length);
    }
    answer = next;
  }
  co_return success();
}

}  // namespace

bool ChainStatus::continuesWith(const ChainStatus& next) const {
  if (present != next.present || data != next.data || zero != next.zero || depth != next.depth ||
      compressed != next.compressed || beyond != next.beyond) {
    return false;
  }
  if (offset.has_value() != next.offset.has_value() || file != next.file) return false;
  return !offset || *offset + length == *next.offset;
}

Node& layerOf(Node& node) {
  Node* layer = &node;
  while (layer->info().kind == DriverKind::kFilter) {
    Child* const below = layer->passThroughChild();
    if (below == nullptr || !below->isAttached()) break;
    layer = &below->node();
  }
  return *layer;
}

Node* backingOf(Node& node) {
  Child* const edge = layerOf(node).child("backing");
  return edge == nullptr || !edge->isAttached() ? nullptr : &edge->node();
}

Task<Result<ChainStatus>> chainStatus(Node& top, Extent at, unsigned layers) {
  ChainStatus status;
  status.length = at.length;
  Node* layer = &layerOf(top);
  if (at.offset >= layer->length()) {
    status.zero = true;
    status.beyond = true;
    co_return status;
  }
  while (true) {
    const Extent inside(at.offset, std::min(status.length, layer->length() - at.offset));
    RHEA_CO_TRY(BlockStatus answer, co_await ask(*layer, inside));
    status.length = std::min(inside.length, answer.length);
    if (answer.allocated) {
      status.present = true;
      status.data = answer.data;
      status.zero = answer.zero;
      status.compressed =
          answer.data && answer.in == nullptr && !answer.offset && layer->info().kind == DriverKind::kFormat;
      RHEA_CO_CHECK(co_await followDown(*layer, answer, status));
      co_return status;
    }
    Node* const below = backingOf(*layer);
    if (below == nullptr || status.depth + 1 >= layers) {
      status.zero = below == nullptr;
      RHEA_CO_CHECK(co_await followDown(*layer, answer, status));
      co_return status;
    }
    if (at.offset >= layerOf(*below).length()) {
      // Below the end of a shorter backing file all is zero.
      status.zero = true;
      status.beyond = true;
      RHEA_CO_CHECK(co_await followDown(*layer, answer, status));
      co_return status;
    }
    layer = &layerOf(*below);
    ++status.depth;
  }
}

Task<Result<ChainStatus>> longestStatus(Node& top, Extent at, unsigned layers) {
  RHEA_CO_TRY(ChainStatus whole, co_await chainStatus(top, at, layers));
  while (whole.length < at.length) {
    const Extent rest = at.slice(whole.length, at.length - whole.length);
    RHEA_CO_TRY(const ChainStatus next, co_await chainStatus(top, rest, layers));
    if (!whole.continuesWith(next)) break;
    whole.length += next.length;
  }
  co_return whole;
}

}  // namespace rhea::block
