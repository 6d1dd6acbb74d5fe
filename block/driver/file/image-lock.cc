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

// Bytes that lie side by side: one call to the kernel.
struct Run {
  off_t at;
  off_t length;
};

struct flock lockOf(short type, Run run) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = run.at;
  lock.l_len = run.length;
  return lock;
}

Result<void> setRun(int fd, short type, Run run) {
  struct flock lock = lockOf(type, run);
  while (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    if (errno != EINTR) return Error::fromErrno(errno);
  }
  return success();
}

Result<bool> heldByOthers(int fd, Run run) {
  struct flock lock = lockOf(F_WRLCK, run);
  while (fcntl(fd, F_OFD_GETLK, &lock) != 0) {
    if (errno != EINTR) return Error::fromErrno(errno);
  }
  return lock.l_type != F_UNLCK;
}

void appendRuns(std::vector<Run>& runs, std::uint32_t bits, off_t base) {
  for (unsigned bit = 0; bit < kLockBits; ++bit) {
    if ((bits & (1U << bit)) == 0) continue;
    const off_t at = base + static_cast<off_t>(bit);
    if (!runs.empty() && runs.back().at + runs.back().length == at) {
      ++runs.back().length;
    } else {
      runs.push_back({at, 1});
    }
  }
}

std::vector<Run> runsOf(std::uint32_t uses, std::uint32_t denies) {
  std::vector<Run> runs;
  appendRuns(runs, uses, kUsesBase);
  appendRuns(runs, denies, kDeniesBase);
  return runs;
}

}  // namespace

std::string_view lockBitVerb(LockBit bit) { return kVerbs[static_cast<std::size_t>(bit)]; }

Result<void> takeLocks(int fd, LockSet wanted) {
  std::vector<Run> taken;
  for (const Run run : runsOf(wanted.uses, wanted.denies)) {
    auto done = setRun(fd, F_RDLCK, run);
    if (!done.ok()) {
      for (const Run back : taken) static_cast<void>(setRun(fd, F_UNLCK, back));
      return done;
    }
    taken.push_back(run);
  }
  return success();
}

Result<void> dropLocks(int fd, LockSet unwanted) {
  for (const Run run : runsOf(unwanted.uses, unwanted.denies)) RHEA_CHECK(setRun(fd, F_UNLCK, run));
  return success();
}

Result<std::optional<LockConflict>> findConflict(int fd, LockSet wanted) {
  // Whom we deny must not be using, and what we use must not be denied.
  bool free = true;
  for (const Run run : runsOf(wanted.denies, wanted.uses)) {
    RHEA_TRY(const bool held, heldByOthers(fd, run));
    free = free && !held;
  }
  if (free) return std::optional<LockConflict>();
  for (unsigned bit = 0; bit < kLockBits; ++bit) {
    const auto named = static_cast<LockBit>(bit);
    const off_t at = static_cast<off_t>(bit);
    if ((wanted.denies & (1U << bit)) != 0) {
      RHEA_TRY(const bool used, heldByOthers(fd, {kUsesBase + at, 1}));
      if (used) return std::optional(LockConflict{named, true});
    }
    if ((wanted.uses & (1U << bit)) != 0) {
      RHEA_TRY(const bool denied, heldByOthers(fd, {kDeniesBase + at, 1}));
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
  RHEA_CHECK(setRun(fd, F_RDLCK, {kProbeByte, 1}));
  return setRun(fd, F_UNLCK, {kProbeByte, 1});
}

}  // namespace rhea::block
