#include "emu/mem/ram-block.h"

#include <sys/mman.h>

#include <cerrno>

#include "emu/base/bug.h"
#include "emu/base/size.h"

namespace rhea::mem {

namespace {

// Never fails for want of memory: nothing is given before it is touched.
template <class T>
std::atomic<T>* perPage(std::uint64_t pages) {
  static_assert(sizeof(std::atomic<T>) == sizeof(T) && std::atomic<T>::is_always_lock_free);
  void* memory =
      ::mmap(nullptr, pages * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) bug("no address space for the tables of guest memory");
  return static_cast<std::atomic<T>*>(memory);
}

template <class T>
void freePerPage(std::atomic<T>* table, std::uint64_t pages) {
  ::munmap(static_cast<void*>(table), pages * sizeof(T));
}

}  // namespace

Result<std::shared_ptr<RamBlock>> RamBlock::map(std::string name, std::uint64_t size, int flags, Fd file) {
  if (size == 0 || size % kPageSize != 0) {
    return Error(fmt::format("the size of memory '{}' is {} bytes", name, size))
        .expected(fmt::format("a multiple of {} above 0", kPageSize));
  }
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, file.get(), 0);
  if (memory == MAP_FAILED) {
    return Error::fromErrno(errno, fmt::format("cannot map {} of memory for '{}'", formatSize(size), name));
  }
  ::madvise(memory, size, MADV_HUGEPAGE);  // fewer page faults of the host; refused is as good
  return std::shared_ptr<RamBlock>(
      new RamBlock(std::move(name), size, static_cast<std::byte*>(memory), std::move(file)));
}

Result<std::shared_ptr<RamBlock>> RamBlock::anonymous(std::string name, std::uint64_t size) {
  return map(std::move(name), size, MAP_PRIVATE | MAP_ANONYMOUS, Fd());
}

Result<std::shared_ptr<RamBlock>> RamBlock::fromFile(std::string name, Fd file, std::uint64_t size, bool shared) {
  return map(std::move(name), size, shared ? MAP_SHARED : MAP_PRIVATE, std::move(file));
}

RamBlock::RamBlock(std::string name, std::uint64_t size, std::byte* host, Fd file)
    : name_(std::move(name)),
      size_(size),
      host_(host),
      file_(std::move(file)),
      codes_(perPage<std::uint64_t>(size >> kPageBits)),
      dirty_(perPage<std::uint8_t>(size >> kPageBits)) {}

RamBlock::~RamBlock() {
  const std::uint64_t pages = size_ >> kPageBits;
  freePerPage(codes_, pages);
  freePerPage(dirty_, pages);
  ::munmap(host_, size_);
}

std::uint32_t RamBlock::codeBits(std::uint64_t offsetInPage, std::uint64_t length) {
  if (length == 0) return 0;
  const std::uint64_t first = offsetInPage / kCodeChunk;
  const std::uint64_t last = (std::min(offsetInPage + length, kPageSize) - 1) / kCodeChunk;
  const std::uint64_t count = last - first + 1;
  return static_cast<std::uint32_t>(((std::uint64_t{1} << count) - 1) << first);
}

void RamBlock::written(std::uint64_t offset, std::uint64_t length) {
  const std::uint8_t log = logging_.load(std::memory_order_relaxed);
  while (length > 0) {
    const std::uint64_t page = offset >> kPageBits;
    const std::uint64_t inPage = offset & (kPageSize - 1);
    const std::uint64_t bytes = std::min(length, kPageSize - inPage);
    // Looked at after the bytes were written: a decoder sets the bit before it reads them.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if ((code(page).mask & codeBits(inPage, bytes)) != 0)
      forgetCode(page);
    else
      awaitTold();
    if (log != 0) dirty_[page].fetch_or(log, std::memory_order_relaxed);
    offset += bytes;
    length -= bytes;
  }
}

void RamBlock::watchCode(CodeWatcher& watcher) {
  const std::lock_guard lock(watchersMutex_);
  watchers_.push_back(&watcher);
}

void RamBlock::forget(CodeWatcher& watcher) {
  const std::lock_guard lock(watchersMutex_);
  const auto found = std::ranges::find(watchers_, &watcher);
  if (found != watchers_.end()) watchers_.erase(found);
}

void RamBlock::forgetCode(std::uint64_t page, const CodeWatcher* self) {
  const std::lock_guard lock(watchersMutex_);
  telling_.store(true);
  std::uint64_t seen = codes_[page].load();
  while (!codes_[page].compare_exchange_weak(seen, join({0, split(seen).version + 1}))) {
  }
  for (CodeWatcher* const watcher : watchers_) {
    if (watcher != self) watcher->codeRewritten(codeVersion(page));
  }
  telling_.store(false);
}

void RamBlock::startLog(DirtyClient client) {
  logging_.fetch_or(static_cast<std::uint8_t>(client), std::memory_order_relaxed);
}

void RamBlock::stopLog(DirtyClient client) {
  logging_.fetch_and(static_cast<std::uint8_t>(~static_cast<unsigned>(client)), std::memory_order_relaxed);
}

bool RamBlock::isDirty(std::uint64_t page, DirtyClient client) const {
  return (dirty_[page].load(std::memory_order_relaxed) & static_cast<std::uint8_t>(client)) != 0;
}

bool RamBlock::takeDirty(std::uint64_t page, DirtyClient client) {
  const auto bit = static_cast<std::uint8_t>(client);
  return (dirty_[page].fetch_and(static_cast<std::uint8_t>(~bit), std::memory_order_acq_rel) & bit) != 0;
}

}  // namespace rhea::mem
