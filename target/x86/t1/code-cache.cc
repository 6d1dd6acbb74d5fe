#include "target/x86/t1/code-cache.h"

#include <sys/mman.h>
#include <unistd.h>

namespace rhea::x86::t1 {

Result<std::unique_ptr<CodeCache>> CodeCache::make(std::size_t size) {
  // Not of a descriptor: perf reads its map of names (cpu::PerfMap) for memory that belongs to no file.
  void* write = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (write == MAP_FAILED)
    return Error(fmt::format("{} bytes of memory for translated code: {}", size, std::strerror(errno)));
  // Of no bytes: the same memory at a second place.
  void* execute = ::mremap(write, 0, size, MREMAP_MAYMOVE);
  if (execute == MAP_FAILED || ::mprotect(execute, size, PROT_READ | PROT_EXEC) != 0) {
    const int why = errno;
    if (execute != MAP_FAILED) ::munmap(execute, size);
    ::munmap(write, size);
    return Error(fmt::format("the host refuses executable memory: {}", std::strerror(why)));
  }
  return std::unique_ptr<CodeCache>(
      new CodeCache(size, static_cast<std::uint8_t*>(write), static_cast<std::uint8_t*>(execute)));
}

namespace {

// A smaller one would hold a few blocks.
constexpr std::size_t kLeastGeneration = std::size_t{256} << 10;
constexpr std::size_t kMostFar = std::size_t{256} << 10;

}  // namespace

void CodeCache::divide() {
  start_ = used_;
  generations_ = static_cast<unsigned>(std::clamp<std::size_t>(size_ / kLeastGeneration, 1, kMostGenerations));
  each_ = ((size_ - start_) / generations_) & ~std::size_t{63};
  farPiece_ = std::clamp(each_ / 16, 2 * kMostOfBlock, kMostFar) & ~std::size_t{15};
  enter(0);
}

void CodeCache::enter(unsigned generation) {
  filled_[now_] = used_ - startOf(now_);
  now_ = generation;
  filled_[now_] = 0;
  used_ = startOf(now_);
  end_ = used_ + each_;
  far_ = farEnd_ = 0;
}

void CodeCache::giveUpAll() {
  enter(0);
  filled_.fill(0);
}

std::size_t CodeCache::used() const {
  std::size_t bytes = used_;
  if (each_ != 0) bytes += start_ - startOf(now_);
  for (unsigned n = 0; n < generations_; ++n) bytes += n == now_ ? 0 : filled_[n];
  return bytes;
}

CodeCache::~CodeCache() {
  ::munmap(write_, size_);
  ::munmap(execute_, size_);
}

}  // namespace rhea::x86::t1
