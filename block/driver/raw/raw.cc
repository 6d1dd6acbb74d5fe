#include "block/driver/raw/raw.h"

#include <cerrno>

#include "block/core/node.h"
#include "block/driver/preallocation.h"

namespace rhea::block {

std::uint64_t RawDriver::length() const {
  const RawWindow& now = window();
  if (now.size) return *now.size;
  const std::uint64_t below = file_.length();
  return below > now.offset ? below - now.offset : 0;
}

Result<Extent> RawDriver::place(Extent at) const {
  const RawWindow& now = window();
  if (now.size && at.end() > *now.size) return Error::fromErrno(ENOSPC);
  if (at.end() > Extent::kMost - now.offset) return Error::fromErrno(EFBIG);
  return Extent(at.offset + now.offset, at.length);
}

RawWindow RawDriver::useWindow(RawWindow window) {
  const RawWindow* const before = window_.load(std::memory_order_relaxed);
  const auto same = [&window](const std::unique_ptr<const RawWindow>& known) { return *known == window; };
  auto place = std::ranges::find_if(windows_, same);
  if (place == windows_.end()) place = windows_.insert(windows_.end(), std::make_unique<const RawWindow>(window));
  window_.store(place->get(), std::memory_order_release);
  return before == nullptr ? window : *before;
}

Task<Result<void>> RawDriver::read(Extent at, IoVector to) {
  return file_.read(Extent(at.offset + window().offset, at.length), to);
}

Task<Result<void>> RawDriver::write(Extent at, IoVector from, WriteFlags how) {
  RHEA_CO_TRY(const Extent placed, place(at));
  co_return co_await file_.write(placed, from, how);
}

Task<Result<void>> RawDriver::flush(FlushTo to) { return file_.flush(to); }
Task<void> RawDriver::close() { co_return; }

Task<Result<void>> RawDriver::discard(Extent at, WriteFlags how) {
  RHEA_CO_TRY(const Extent placed, place(at));
  co_return co_await file_.discard(placed, how);
}

Task<Result<void>> RawDriver::writeZeroes(Extent at, WriteFlags how) {
  RHEA_CO_TRY(const Extent placed, place(at));
  co_return co_await file_.writeZeroes(placed, how);
}

Task<Result<BlockStatus>> RawDriver::status(Extent at, bool precise) {
  const Extent placed(at.offset + window().offset, at.length);
  auto status = co_await file_.status(placed, precise);
  if (!status.ok()) co_return status;
  status->in = &file_;
  status->offset = placed.offset;
  co_return status;
}

Task<Result<void>> RawDriver::resize(std::uint64_t length, Preallocation preallocation) {
  const RawWindow now = window();
  if (now.size) {
    co_return Error(fmt::format("the disk is a window of {} bytes on its file, which keeps that size", *now.size))
        .where("size")
        .hint("leave size out and the disk ends with its file");
  }
  if (length > Extent::kMost - now.offset) co_return Error::fromErrno(EFBIG);
  co_return co_await file_.resize(now.offset + length, preallocation);
}

namespace {

Result<void> checkWindow(const RawWindow& window, std::uint64_t below) {
  if (window.offset > below) {
    return Error(fmt::format("the window begins at {}, but its file has only {} bytes", window.offset, below))
        .where("offset");
  }
  if (window.size && *window.size > below - window.offset) {
    return Error(fmt::format("the window of {} bytes from {} on does not fit into its file of {} bytes", *window.size,
                             window.offset, below))
        .where("size")
        .hint(fmt::format("at most {} bytes are left there", below - window.offset));
  }
  return success();
}

RawWindow windowOf(const DriverOptions& options) {
  const auto& given = options.as<qapi::BlockdevOptionsRaw>();
  RawWindow window;
  window.offset = given.offset.value_or(0);
  window.size = given.size;
  return window;
}

Task<Result<std::unique_ptr<Driver>>> openRaw(OpenContext, DriverOptions options, Children children) {
  const RawWindow window = windowOf(options);
  Child& file = children.get("file");
  RHEA_CO_CHECK(checkWindow(window, file.length()));
  co_return std::make_unique<RawDriver>(file, window);
}

}  // namespace

class RawDriver::Prepared final : public PreparedReopen {
 public:
  Prepared(RawDriver& driver, RawWindow window) : driver_(driver), window_(window) {}
  void commit() override { window_ = driver_.useWindow(window_); }
  void revert() override { window_ = driver_.useWindow(window_); }
  Task<void> settle() override { co_return; }

 private:
  RawDriver& driver_;
  RawWindow window_;  // the one that is not in force
};

Task<Result<std::unique_ptr<PreparedReopen>>> RawDriver::prepareReopen(ReopenRequest request) {
  const Node* const other = request.newChild("file");
  if (!request.options && other == nullptr) co_return std::make_unique<UnchangedReopen>();
  const RawWindow wanted = request.options ? windowOf(*request.options) : window();
  RHEA_CO_CHECK(checkWindow(wanted, other != nullptr ? other->length() : file_.length()));
  co_return std::make_unique<Prepared>(*this, wanted);
}

namespace {

// There is nothing to lay out but the size.
Task<Result<void>> createRaw(CreateContext context, DriverOptions options) {
  const auto& given = options.as<qapi::BlockdevCreateOptionsRaw>();
  Child& file = context.children.get("file");
  RHEA_CO_CHECK(co_await file.resize(given.size, preallocationOf(given.preallocation)));
  context.progress.set(given.size, given.size);
  co_return success();
}

Task<Result<ImageSizes>> measureRaw(DriverOptions options, Child*, CancelToken) {
  ImageSizes sizes;
  sizes.required = options.as<qapi::BlockdevCreateOptionsRaw>().size;
  sizes.fullyAllocated = sizes.required;
  co_return sizes;
}

DriverInfo describe() {
  DriverInfo info;
  info.name = "raw";
  info.kind = DriverKind::kFormat;
  info.threads = DriverThreads::kAny;
  info.growable = true;
  info.passThrough = true;
  info.children = {{"file", ChildRole::kFiltered, true}};
  info.open = openRaw;
  info.create = createRaw;
  info.measure = measureRaw;
  // Any data may be a raw image: the least likely that is possible.
  info.probe = [](std::span<const std::byte>, std::string_view) { return 1; };
  return info;
}

}  // namespace

const DriverInfo& rawDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

}  // namespace rhea::block
