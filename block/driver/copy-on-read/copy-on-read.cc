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
  for (Node* node = &file_.node(); node != nullptr; node = nextBelow(*node)) {
    RHEA_CO_TRY(const BlockStatus status, co_await node->status(Extent(at.offset, piece.length), false));
    piece.length = std::min(piece.length, status.length);
    if (status.allocated) {
      piece.copy = node != &file_.node();
      co_return piece;
    }
    if (node == bottom_) break;
  }
  co_return piece;
}

Task<void> CopyOnReadDriver::enter(TrackedRequest& request) {
  if (!changes_.begin(request)) co_await changes_.beginSlowly(request);
}

Task<Result<void>> CopyOnReadDriver::copy(Extent at, IoVector to) {
  TrackedRequest request(changes_, IoKind::kWrite, at);
  co_await changes_.beginExclusive(request, at);
  RHEA_CO_CHECK(co_await file_.read(at, to));
  // The reader has its data; that it could not be stored costs only that it is fetched again.
  static_cast<void>(co_await file_.write(at, to, WriteFlags::unchanged()));
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
      RHEA_CO_CHECK(co_await file_.read(now, into));
    }
    done += piece.length;
  }
  co_return success();
}

Task<Result<void>> CopyOnReadDriver::write(Extent at, IoVector from, WriteFlags how) {
  TrackedRequest request(changes_, IoKind::kWrite, at);
  co_await enter(request);
  co_return co_await file_.write(at, from, how);
}

Task<Result<void>> CopyOnReadDriver::flush(FlushTo to) { return file_.flush(to); }
Task<void> CopyOnReadDriver::close() { co_return; }

Task<Result<void>> CopyOnReadDriver::discard(Extent at, WriteFlags how) {
  TrackedRequest request(changes_, IoKind::kWrite, at);
  co_await enter(request);
  co_return co_await file_.discard(at, how);
}

Task<Result<void>> CopyOnReadDriver::writeZeroes(Extent at, WriteFlags how) {
  TrackedRequest request(changes_, IoKind::kWrite, at);
  co_await enter(request);
  co_return co_await file_.writeZeroes(at, how);
}

namespace {

Task<Result<std::unique_ptr<Driver>>> openCopyOnRead(OpenContext, DriverOptions options, Children children) {
  const auto& given = options.as<qapi::BlockdevOptionsCor>();
  Child& file = children.get("file");
  Node* bottom = nullptr;
  if (given.bottom) {
    std::vector<std::string> chain;
    for (Node* node = &file.node(); node != nullptr && bottom == nullptr; node = nextBelow(*node)) {
      chain.push_back(node->name());
      if (node->name() == *given.bottom) bottom = node;
    }
    if (bottom == nullptr) {
      co_return Error(fmt::format("node '{}' is not in the chain below the filter", *given.bottom))
          .where("bottom")
          .candidates(std::move(chain));
    }
  }
  co_return std::make_unique<CopyOnReadDriver>(file, bottom);
}

std::string_view changed(const DriverOptions& now, const DriverOptions& asked) {
  return now.as<qapi::BlockdevOptionsCor>().bottom == asked.as<qapi::BlockdevOptionsCor>().bottom ? "" : "bottom";
}

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
  info.changedOption = changed;
  info.childRights = rightsBelow;
  return info;
}

}  // namespace

const DriverInfo& copyOnReadDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

}  // namespace rhea::block
