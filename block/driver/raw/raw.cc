#include "block/driver/raw/raw.h"

#include <cerrno>

#include "qapi/types-block-options.h"

namespace rhea::block {

std::uint64_t RawDriver::length() const {
  if (window_.size) return *window_.size;
  const std::uint64_t below = file_.length();
  return below > window_.offset ? below - window_.offset : 0;
}

Result<Extent> RawDriver::place(Extent at) const {
  if (window_.size && at.end() > *window_.size) return Error::fromErrno(ENOSPC);
  if (at.end() > Extent::kMost - window_.offset) return Error::fromErrno(EFBIG);
  return Extent(at.offset + window_.offset, at.length);
}

Task<Result<void>> RawDriver::read(Extent at, IoVector to) {
  return file_.read(Extent(at.offset + window_.offset, at.length), to);
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
  const Extent placed(at.offset + window_.offset, at.length);
  auto status = co_await file_.status(placed, precise);
  if (!status.ok()) co_return status;
  status->in = &file_;
  status->offset = placed.offset;
  co_return status;
}

Task<Result<void>> RawDriver::resize(std::uint64_t length, Preallocation preallocation) {
  if (window_.size) {
    co_return Error(fmt::format("the disk is a window of {} bytes on its file, which keeps that size", *window_.size))
        .where("size")
        .hint("leave size out and the disk ends with its file");
  }
  if (length > Extent::kMost - window_.offset) co_return Error::fromErrno(EFBIG);
  co_return co_await file_.resize(window_.offset + length, preallocation);
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

Task<Result<std::unique_ptr<Driver>>> openRaw(OpenContext, DriverOptions options, Children children) {
  const auto& given = options.as<qapi::BlockdevOptionsRaw>();
  RawWindow window;
  window.offset = given.offset.value_or(0);
  window.size = given.size;
  Child& file = children.get("file");
  RHEA_CO_CHECK(checkWindow(window, file.length()));
  co_return std::make_unique<RawDriver>(file, window);
}

bool sameRaw(const DriverOptions& one, const DriverOptions& two) {
  const auto& a = one.as<qapi::BlockdevOptionsRaw>();
  const auto& b = two.as<qapi::BlockdevOptionsRaw>();
  return a.offset.value_or(0) == b.offset.value_or(0) && a.size == b.size;
}

Preallocation preallocationOf(const std::optional<qapi::PreallocMode>& mode) {
  switch (mode.value_or(qapi::PreallocMode::off)) {
    case qapi::PreallocMode::falloc:
      return Preallocation::kFalloc;
    case qapi::PreallocMode::full:
      return Preallocation::kFull;
    case qapi::PreallocMode::off:
      break;
  }
  return Preallocation::kOff;
}

// There is nothing to lay out but the size.
Task<Result<void>> createRaw(CreateContext context, DriverOptions options) {
  const auto& given = options.as<qapi::BlockdevCreateOptionsRaw>();
  Child& file = context.children.get("file");
  RHEA_CO_CHECK(co_await file.resize(given.size, preallocationOf(given.preallocation)));
  context.progress.set(given.size, given.size);
  co_return success();
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
  info.sameOptions = sameRaw;
  info.create = createRaw;
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
