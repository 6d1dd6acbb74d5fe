#include "block/driver/what-if/crash-view.h"

#include <cerrno>
#include <random>

#include "block/core/child.h"

namespace rhea::block::what_if {

namespace {

constexpr std::uint64_t kSector = 512;  // a disk writes it whole or not at all

Extent common(Extent one, Extent two) {
  const std::uint64_t begin = std::max(one.offset, two.offset);
  const std::uint64_t end = std::min(one.end(), two.end());
  return begin < end ? Extent(begin, end - begin) : Extent(begin, 0);
}

// A window of the file in memory.
class Window {
 public:
  explicit Window(Extent at) : at_(at), bytes_(at.length) {}
  IoVector memory() { return IoVector(std::span<std::byte>(bytes_)); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

  // Makes the part that both cover what it was before the change.
  void undo(const Change& change) {
    for (const Extent& part : outside(common(change.at, at_), change.stable)) {
      std::byte* const to = bytes_.data() + (part.offset - at_.offset);
      if (change.before == nullptr) {
        std::memset(to, 0, part.length);
      } else {
        std::memcpy(to, change.before->data() + (part.offset - change.at.offset), part.length);
      }
    }
  }
  std::vector<std::byte> cut(Extent part) const {
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(part.offset - at_.offset);
    return {from, from + static_cast<std::ptrdiff_t>(part.length)};
  }
  // Puts back what cut() gave, sector by sector where `torn` says so.
  void redo(Extent part, const std::vector<std::byte>& content, std::optional<std::uint64_t> torn) {
    for (std::uint64_t done = 0; done < part.length;) {
      const std::uint64_t place = part.offset + done;
      const std::uint64_t bytes = std::min(kSector - place % kSector, part.length - done);
      if (!torn || std::mt19937_64(*torn ^ (place / kSector))() % 2 == 0) {
        std::memcpy(bytes_.data() + (place - at_.offset), content.data() + done, bytes);
      }
      done += bytes;
    }
  }

 private:
  const Extent at_;
  std::vector<std::byte> bytes_;
};

class CrashView final : public Driver, public Mapper {
 public:
  CrashView(Child& file, CrashImagePtr image) : file_(file), image_(std::move(image)) {}

  Limits limits() const override { return {}; }
  std::uint64_t length() const override { return image_->length; }
  bool isReadOnly() const override { return true; }
  Task<Result<void>> read(Extent at, IoVector to) override;
  Task<Result<void>> write(Extent, IoVector, WriteFlags) override { co_return Error::fromErrno(EROFS); }
  Task<Result<void>> flush(FlushTo) override { co_return success(); }
  Task<void> close() override { co_return; }
  Task<Result<BlockStatus>> status(Extent at, bool precise) override;

 private:
  Child& file_;
  const CrashImagePtr image_;
};

Task<Result<void>> CrashView::read(Extent at, IoVector to) {
  Window window(at);
  RHEA_CO_CHECK(co_await file_.read(at, window.memory()));
  // Asked after the reading: what changed under it is among these.
  for (const Change& change : image_->log->since(image_->moment, at)) window.undo(change);
  const std::vector<Change>& unflushed = image_->moment.unflushed;
  std::vector<std::pair<std::size_t, std::vector<std::byte>>> spared;
  for (std::size_t i = unflushed.size(); i-- > 0;) {
    const Extent part = common(unflushed[i].at, at);
    if (part.empty()) continue;
    if (image_->parts[i].any()) spared.emplace_back(i, window.cut(part));
    window.undo(unflushed[i]);
  }
  for (auto each = spared.rbegin(); each != spared.rend(); ++each) {
    window.redo(common(unflushed[each->first].at, at), each->second, image_->parts[each->first].torn);
  }
  to.copyFrom(window.bytes().data(), window.bytes().size());
  co_return success();
}

// Only what nobody has touched is known not to be data.
Task<Result<BlockStatus>> CrashView::status(Extent at, bool precise) {
  RHEA_CO_TRY(BlockStatus status, co_await file_.status(at, precise));
  status.offset.reset();
  status.in = nullptr;
  std::vector<Change> near = image_->log->since(image_->moment, at);
  for (const Change& change : image_->moment.unflushed) {
    if (change.at.overlaps(at)) near.push_back(change);
  }
  for (const Change& change : near) {
    if (change.at.offset > at.offset) {
      status.length = std::min(status.length, change.at.offset - at.offset);
    } else {
      status.length = std::min(status.length, change.at.end() - at.offset);
      status.data = true;
      status.zero = false;
    }
  }
  co_return status;
}

Task<Result<std::unique_ptr<Driver>>> openView(OpenContext, DriverOptions options, Children children) {
  co_return std::make_unique<CrashView>(children.get("file"), options.as<CrashImagePtr>());
}

// It looks, and minds nobody.
Rights rightsBelow(const ChildSpec&, Rights, const DriverOptions&) {
  return {Permissions::consistentRead(), Permissions::all()};
}

DriverInfo describe() {
  DriverInfo info;
  info.name = "what-if-view";
  info.kind = DriverKind::kProtocol;
  info.children = {{"file", ChildRole::kData, true, false}};
  info.open = openView;
  info.childRights = rightsBelow;
  return info;
}

}  // namespace

CrashImage::CrashImage(std::shared_ptr<UndoLog> kept, Moment when, Spare spare, std::uint64_t seed)
    : log(std::move(kept)), moment(std::move(when)), parts(moment.unflushed.size()), length(moment.stableEnd) {
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (spare == Spare::kEverything) parts[i].whole = true;
    if (spare == Spare::kSome) {
      const std::uint64_t drawn = random() % 4;  // one in four torn, as many there, half of them not
      parts[i].whole = drawn == 0;
      if (drawn == 1) parts[i].torn = random();
    }
    const Change& change = moment.unflushed[i];
    if (parts[i].any()) length = change.cut ? change.endAfter : std::max(length, change.endAfter);
  }
}

std::uint64_t CrashImage::spared() const {
  return static_cast<std::uint64_t>(std::ranges::count_if(parts, [](const Part& part) { return part.any(); }));
}

const DriverInfo& crashViewDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

NodeOptions crashViewNode(CrashImagePtr image, std::string file) {
  NodeOptions node(std::string(crashViewDriver().name), DriverOptions::of(std::move(image)));
  node.readOnly = true;
  node.children.push_back(ChildOptions::reference("file", std::move(file)));
  return node;
}

}  // namespace rhea::block::what_if
