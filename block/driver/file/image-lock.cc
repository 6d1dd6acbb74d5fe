#include "block/driver/file/image-lock.h"

#include <fcntl.h>

#include <cerrno>

#include "block/driver/file/lock-holder.h"

namespace rhea::block {

namespace {

constexpr off_t kUsesBase = 100;
constexpr off_t kDeniesBase = 200;
constexpr off_t kProbeByte = 90;
constexpr int kExitImageInUse = 3;

constexpr std::array<std::string_view, kLockBits> kVerbs = {"read", "write", "write", "resize", "change the chain of"};

struct flock byteLock(short type, off_t at) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = at;
  lock.l_len = 1;
  return lock;
}

Result<void> setByte(int fd, short type, off_t at) {
  struct flock lock = byteLock(type, at);
  while (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    if (errno != EINTR) return Error::fromErrno(errno);
  }
  return success();
}

Result<bool> heldByOthers(int fd, off_t at) {
  struct flock lock = byteLock(F_WRLCK, at);
  while (fcntl(fd, F_OFD_GETLK, &lock) != 0) {
    if (errno != EINTR) return Error::fromErrno(errno);
  }
  return lock.l_type != F_UNLCK;
}

template <class Function>
Result<void> forEachByte(LockSet set, Function function) {
  for (unsigned bit = 0; bit < kLockBits; ++bit) {
    if ((set.uses & (1U << bit)) != 0) RHEA_CHECK(function(kUsesBase + static_cast<off_t>(bit)));
    if ((set.denies & (1U << bit)) != 0) RHEA_CHECK(function(kDeniesBase + static_cast<off_t>(bit)));
  }
  return success();
}

}  // namespace

std::string_view lockBitVerb(LockBit bit) { return kVerbs[static_cast<std::size_t>(bit)]; }

Result<void> takeLocks(int fd, LockSet wanted) {
  std::vector<off_t> taken;
  const auto take = [fd, &taken](off_t at) {
    auto done = setByte(fd, F_RDLCK, at);
    if (done.ok()) taken.push_back(at);
    return done;
  };
  auto done = forEachByte(wanted, take);
  if (!done.ok()) {
    for (const off_t at : taken) static_cast<void>(setByte(fd, F_UNLCK, at));
  }
  return done;
}

Result<void> dropLocks(int fd, LockSet unwanted) {
  return forEachByte(unwanted, [fd](off_t at) { return setByte(fd, F_UNLCK, at); });
}

Result<std::optional<LockConflict>> findConflict(int fd, LockSet wanted) {
  for (unsigned bit = 0; bit < kLockBits; ++bit) {
    const auto named = static_cast<LockBit>(bit);
    const off_t at = static_cast<off_t>(bit);
    if ((wanted.denies & (1U << bit)) != 0) {
      RHEA_TRY(const bool used, heldByOthers(fd, kUsesBase + at));
      if (used) return std::optional(LockConflict{named, true});
    }
    if ((wanted.uses & (1U << bit)) != 0) {
      RHEA_TRY(const bool denied, heldByOthers(fd, kDeniesBase + at));
      if (denied) return std::optional(LockConflict{named, false});
    }
  }
  return std::optional<LockConflict>();
}

Result<void> claimLocks(int fd, LockSet held, LockSet wanted, const std::string& path) {
  const LockSet fresh = wanted.without(held);
  if (auto taken = takeLocks(fd, fresh); !taken.ok()) {
    const int code = taken.error().code();
    return Error::fromErrno(code, fmt::format("cannot lock '{}'", path))
        .hint("the file system keeps no such locks: locking=off opens the image without them");
  }
  auto looked = findConflict(fd, wanted);
  if (!looked.ok()) {
    static_cast<void>(dropLocks(fd, fresh));
    return looked.takeError();
  }
  if (!looked->has_value()) return success();
  const LockConflict conflict = **looked;
  static_cast<void>(dropLocks(fd, fresh));
  const std::string holder = describeHolders(fd, conflict);
  const bool toRead = wanted.uses == lockBit(LockBit::kConsistentRead);
  return Error(fmt::format("'{}': the image is in use: {}", path, holder))
      .hint(toRead || conflict.bit == LockBit::kWrite
                ? "to look at it anyway, unsafely: readonly=on,force-share=on (cache and data may be inconsistent)"
                : "end the other use first, or wait until it has ended")
      .withExitCode(kExitImageInUse);
}

Result<void> probeLocks(int fd) {
  RHEA_CHECK(setByte(fd, F_RDLCK, kProbeByte));
  return setByte(fd, F_UNLCK, kProbeByte);
}

}  // namespace rhea::block
