// What a host file and its surroundings really are, for query-durability and query-block.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "block/driver/file/host-file.h"
#include "block/driver/file/mount-facts.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

std::string pathOf(int fd) {
  std::array<char, 4096> target;
  const ssize_t length = readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target.data(), target.size());
  return length > 0 ? std::string(target.data(), static_cast<std::size_t>(length)) : std::string();
}

DescriptorFacts descriptorFacts(int fd, bool retiring) {
  DescriptorFacts facts;
  const int flags = fcntl(fd, F_GETFL);
  facts.fd = fd;
  facts.path = pathOf(fd);
  facts.writable = flags >= 0 && (flags & O_ACCMODE) == O_RDWR;
  facts.direct = flags >= 0 && (flags & O_DIRECT) != 0;
  facts.dsync = flags >= 0 && (flags & O_DSYNC) != 0;
  facts.retiring = retiring;
  return facts;
}

void addSentence(std::string& note, const std::string& sentence) {
  if (sentence.empty()) return;
  note += note.empty() ? sentence : "; " + sentence;
}

std::string mountNote(const MountFacts& mount) {
  std::string names;
  for (const std::string& option : mount.options) names += (names.empty() ? "" : ",") + option;
  return names.empty() ? names : fmt::format("{} is mounted with {}", mount.mountPoint, names);
}

// Blocking.
StorageFacts gather(const std::vector<std::shared_ptr<Fd>>& descriptors) {
  StorageFacts facts;
  for (const auto& fd : descriptors) {
    facts.descriptors.push_back(descriptorFacts(fd->get(), !facts.descriptors.empty()));
  }
  if (descriptors.empty()) return facts;
  const int fd = descriptors.front()->get();
  const MountFacts mount = mountFactsOf(fd);
  struct stat seen {};
  if (fstat(fd, &seen) != 0) return facts;
  const bool isDevice = S_ISBLK(seen.st_mode);
  const dev_t device = isDevice ? seen.st_rdev : seen.st_dev;
  facts.fileSystem = isDevice ? std::string() : mount.type;
  facts.device = isDevice ? facts.descriptors.front().path : mount.source;
  facts.deviceWriteCache = deviceWriteCache(device);
  facts.deviceFua = deviceFua(device);
  if (const auto told = askDirect(fd)) {
    facts.directPossible = told->possible;
    facts.directMemoryAlignment = told->possible ? told->alignment.memory : 0;
    facts.directOffsetAlignment = told->possible ? told->alignment.offset : 0;
  }
  if (!isDevice) addSentence(facts.note, mountNote(mount));
  return facts;
}

}  // namespace

Task<Result<StorageFacts>> HostFile::storageFacts() {
  // Dropped by the worker: one that was retired meanwhile closes with its last reference.
  auto work = [descriptors = slots_.descriptors()]() mutable { return gather(std::exchange(descriptors, {})); };
  StorageFacts facts = co_await offload(std::move(work));
  const FileAccess access = use()->access();
  if (access.direct) {
    facts.directPossible = true;
    facts.directMemoryAlignment = access.alignment.memory;
    facts.directOffsetAlignment = access.alignment.offset;
  }
  if (stableRefused_) {
    facts.stableWrites = false;
  } else if (stableTried_) {
    facts.stableWrites = true;
  }
  facts.engine = toString(access.engine);
  addSentence(facts.note, note_);
  addSentence(facts.note, engineNote(access));
  co_return facts;
}

std::string HostFile::engineNote(const FileAccess& access) const {
  const auto asked = options().aio;
  if (!asked || *asked == access.engine) return "";
  return fmt::format("aio={} needs direct I/O, so requests go through {} until it is on", toString(*asked),
                     toString(access.engine));
}

Task<Result<ImageInfo>> HostFile::imageInfo() {
  ImageInfo info;
  info.virtualSize = length();
  const FileUse file = use();
  const auto measure = [fd = file->fd()]() -> Result<std::uint64_t> {
    struct stat seen {};
    if (fstat(fd, &seen) != 0) return Error::fromErrno(errno);
    return static_cast<std::uint64_t>(seen.st_blocks) * 512;
  };
  if (auto allocated = co_await offload(measure); allocated.ok()) info.actualSize = *allocated;
  co_return info;
}

void HostFile::countDiscard(bool ok, std::uint64_t bytes) {
  (ok ? discardsOk_ : discardsFailed_).fetch_add(1, std::memory_order_relaxed);
  if (ok) discardedBytes_.fetch_add(bytes, std::memory_order_relaxed);
}

std::vector<std::pair<std::string, std::uint64_t>> HostFile::counters() const {
  return {{"discard-nb-ok", discardsOk_.load()},
          {"discard-nb-failed", discardsFailed_.load()},
          {"discard-bytes-ok", discardedBytes_.load()}};
}

}  // namespace rhea::block
