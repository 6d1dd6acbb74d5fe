#include "block/driver/host-device/host-device.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "emu/io/offload.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kSector = 512;  // BLKDISCARD and BLKZEROOUT take nothing finer

bool unsupported(const Error& error) {
  const int code = error.code();
  return code == EOPNOTSUPP || code == ENOTTY || code == EINVAL || code == ENODEV;
}

}  // namespace

Limits HostDeviceDriver::limits() const {
  Limits limits = HostFile::limits();
  limits.discardAlignment = std::max<std::uint64_t>(limits.requestAlignment, kSector);
  limits.zeroAlignment = limits.discardAlignment;
  return limits;
}

Task<Result<void>> HostDeviceDriver::control(unsigned long request, Extent at, WriteFlags how) {
  const FileUse file = use();
  if (!file->access().writable) co_return Error::fromErrno(EROFS);
  const auto call = [fd = file->fd(), request, at]() -> Result<void> {
    std::uint64_t range[2] = {at.offset, at.length};
    while (ioctl(fd, request, range) != 0) {
      if (errno != EINTR) return Error::fromErrno(errno);
    }
    return success();
  };
  RHEA_CO_CHECK(co_await ready(*file));
  RHEA_CO_CHECK(co_await offload(call));
  if (how.isStable()) co_return co_await syncAfter(*file);
  co_return success();
}

Task<Result<void>> HostDeviceDriver::discard(Extent at, WriteFlags how) {
  if (discardRefused_.load(std::memory_order_relaxed)) co_return Error::fromErrno(EOPNOTSUPP);
  auto done = co_await control(BLKDISCARD, at, how);
  countDiscard(done.ok(), at.length);
  if (!done.ok() && unsupported(done.error())) {
    discardRefused_ = true;
    co_return Error::fromErrno(EOPNOTSUPP);
  }
  co_return done;
}

Task<Result<void>> HostDeviceDriver::writeZeroes(Extent at, WriteFlags how) {
  if (how.isMayUnmap() && !unmapRefused_.load(std::memory_order_relaxed)) {
    // On a block device a hole reads as zeroes: the kernel uses what the device guarantees, and nothing else.
    auto punched = co_await allocate(at, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, how);
    if (punched.ok() || !unsupported(punched.error())) co_return punched;
    unmapRefused_ = true;
  }
  if (how.isNoFallback()) {
    // ZERO_RANGE asks the device for an offload too, and fails where there is none.
    auto zeroed = co_await allocate(at, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, how);
    if (!zeroed.ok() && unsupported(zeroed.error())) co_return Error::fromErrno(EOPNOTSUPP);
    co_return zeroed;
  }
  co_return co_await control(BLKZEROOUT, at, how);
}

Task<Result<void>> HostDeviceDriver::resize(std::uint64_t length, Preallocation preallocation) {
  if (preallocation != Preallocation::kOff) {
    co_return Error(fmt::format("'{}' is a device: there is nothing to preallocate", fileName()));
  }
  const FileUse file = use();
  const auto measure = [fd = file->fd(), path = fileName()] { return hostFileLength(fd, path); };
  RHEA_CO_TRY(const std::uint64_t actual, co_await offload(measure));
  setLength(actual);
  if (length == actual) co_return success();
  co_return Error(fmt::format("'{}' is a device of {} bytes, which cannot become {}", fileName(), actual, length))
      .hint("change the device's size on the host, then resize to that size");
}

namespace {

Task<Result<std::unique_ptr<Driver>>> open(OpenContext context, DriverOptions options, HostFileKind kind) {
  RHEA_CO_TRY(HostFileOptions own, hostFileOptions(options));
  RHEA_CO_TRY(HostFileStart start, co_await startHostFile(std::move(context), std::move(own), kind));
  co_return std::make_unique<HostDeviceDriver>(std::move(start));
}

Task<Result<std::unique_ptr<Driver>>> openDevice(OpenContext context, DriverOptions options, Children) {
  return open(std::move(context), std::move(options), HostFileKind::kDevice);
}

Task<Result<std::unique_ptr<Driver>>> openCdrom(OpenContext context, DriverOptions options, Children) {
  return open(std::move(context), std::move(options), HostFileKind::kCdrom);
}

DriverInfo describe(std::string_view name, decltype(DriverInfo::open) how) {
  DriverInfo info;
  info.name = name;
  info.kind = DriverKind::kProtocol;
  info.threads = DriverThreads::kAny;
  info.flushesGroups = true;
  info.open = how;
  return info;
}

}  // namespace

const DriverInfo& hostDeviceDriver() {
  static const DriverInfo kInfo = describe("host_device", openDevice);
  return kInfo;
}

const DriverInfo& hostCdromDriver() {
  static const DriverInfo kInfo = describe("host_cdrom", openCdrom);
  return kInfo;
}

}  // namespace rhea::block
