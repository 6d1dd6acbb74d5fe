#include "block/driver/copy-on-read/copy-on-read.h"

#include "block/core/node.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

namespace {

// The next node down the chain that a read falls through to; null at its end.
Node* nextBelow(const Node& node) {
  for (const std::string_view name : {"backing", "file", "image"}) {
    const Child* child = node.child(name);
    if (child == nullptr || !child->isAttached()) continue;
    if (child->role() == ChildRole::kBacking || child->role() == ChildRole::kFiltered) return &child->node();
  }
  return nullptr;
}

}  // namespace

Task<Result<CopyOnReadDriver::Piece>> CopyOnReadDriver::classify(Extent at) {
  Piece piece;
  piece.length = at.length;
  for (Node* node = &below_.node(); node != nullptr; node = nextBelow(*node)) {
    RHEA_CO_TRY(const BlockStatus status, co_await node->status(Extent(at.offset, piece.length), false));
    piece.length = std::min(piece.length, status.length);
    if (status.allocated) {
      piece.copy = node != &below_.node();
      co_return piece;
    }
    if (node == bottom_.load(std::memory_order_relaxed)) break;
  }
  co_return piece;
}

Task<void> CopyOnReadDriver::enter(TrackedRequest& request) {
  if (!changes_.begin(request)) co_await changes_.beginSlowly(request);
}

Task<Result<void>> CopyOnReadDriver::copy(Extent at, IoVector to) {
  TrackedRequest request(changes_, IoKind::kWrite, at);
  co_await changes_.beginExclusive(request, at);
  RHEA_CO_CHECK(co_await below_.read(at, to));
  // The reader has its data; that it could not be stored costs only that it is fetched again.
  static_cast<void>(co_await below_.write(at, to, WriteFlags::unchanged()));
  co_return success();
}

Task<Result<void>> CopyOnReadDriver::read(Extent at, IoVector to) {
  for (std::uint64_t done = 0; done < at.length;) {
    const Extent rest = at.slice(done, at.length - done);
    RHEA_CO_TRY(const Piece piece, co_await classify(rest));
    const Extent now(rest.offset, piece.length);
    const IoVector into = to.slice(done, piece.length);
    if (piece.copy) {
      RHEA_CO_CHECK(co_await copy(now, into));
    } else {
      RHEA_CO_CHECK(co_await below_.read(now, into));
    }
    done += piece.length;
  }
  co_return success();
}

Task<Result<void>> CopyOnReadDriver::write(Extent at, IoVector from, WriteFlags how) {
  TrackedRequest request(changes_, IoKind::kWrite, at);
  co_await enter(request);
  co_return co_await below_.write(at, from, how);
}

Task<Result<void>> CopyOnReadDriver::discard(Extent at, WriteFlags how) {
  TrackedRequest request(changes_, IoKind::kWrite, at);
  co_await enter(request);
  co_return co_await below_.discard(at, how);
}

Task<Result<void>> CopyOnReadDriver::writeZeroes(Extent at, WriteFlags how) {
  TrackedRequest request(changes_, IoKind::kWrite, at);
  co_await enter(request);
  co_return co_await below_.writeZeroes(at, how);
}

namespace {

// The lowest node to copy from: null where the options name none. Error: it is not in the chain.
Result<const Node*> bottomOf(const DriverOptions& options, const Node& top) {
  const auto& given = options.as<qapi::BlockdevOptionsCor>();
  if (!given.bottom) return static_cast<const Node*>(nullptr);
  std::vector<std::string> chain;
  for (const Node* node = &top; node != nullptr; node = nextBelow(*node)) {
    if (node->name() == *given.bottom) return node;
    chain.push_back(node->name());
  }
  return Error(fmt::format("node '{}' is not in the chain below the filter", *given.bottom))
      .where("bottom")
      .candidates(std::move(chain));
}

Task<Result<std::unique_ptr<Driver>>> openCopyOnRead(OpenContext, DriverOptions options, Children children) {
  Child& file = children.get("file");
  RHEA_CO_TRY(const Node* bottom, bottomOf(options, file.node()));
  co_return std::make_unique<CopyOnReadDriver>(file, bottom);
}

}  // namespace

class CopyOnReadDriver::Prepared final : public PreparedReopen {
 public:
  Prepared(CopyOnReadDriver& driver, const Node* bottom) : driver_(driver), bottom_(bottom) {}
  void commit() override { bottom_ = driver_.bottom_.exchange(bottom_); }
  void revert() override { bottom_ = driver_.bottom_.exchange(bottom_); }
  Task<void> settle() override { co_return; }

 private:
  CopyOnReadDriver& driver_;
  const Node* bottom_;  // the one that is not in force
};

Task<Result<std::unique_ptr<PreparedReopen>>> CopyOnReadDriver::prepareReopen(ReopenRequest request) {
  if (!request.options) co_return std::make_unique<UnchangedReopen>();
  const Node* const other = request.newChild("file");
  RHEA_CO_TRY(const Node* bottom, bottomOf(*request.options, other != nullptr ? *other : below_.node()));
  co_return std::make_unique<Prepared>(*this, bottom);
}

namespace {

// It stores what is there already, even where its users only read.
Rights rightsBelow(const ChildSpec&, Rights ofParent, const DriverOptions&) {
  if (ofParent.used.has(Permissions::consistentRead())) ofParent.used = ofParent.used | Permissions::writeUnchanged();
  return ofParent;
}

DriverInfo describe() {
  DriverInfo info;
  info.name = "copy-on-read";
  info.kind = DriverKind::kFilter;
  info.threads = DriverThreads::kAny;
  info.passThrough = true;
  info.children = {{"file", ChildRole::kFiltered, true}};
  info.open = openCopyOnRead;
  info.childRights = rightsBelow;
  return info;
}

}  // namespace

const DriverInfo& copyOnReadDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

}  // namespace rhea::block
