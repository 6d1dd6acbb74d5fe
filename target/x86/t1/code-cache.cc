#include "target/x86/t1/code-cache.h"

#include <sys/mman.h>
#include <unistd.h>

namespace rhea::x86::t1 {

namespace {

Error noMemory(std::size_t size) {
  return Error(fmt::format("{} bytes for translated code: {}", size, std::strerror(errno)));
}

// The same memory at two places, as it never is of one that may be written and executed at once.
struct Views {
  void* write;
  void* execute;
};

Result<Views> viewsOfFile(std::size_t size) {
  const Fd file(::memfd_create("rhea-code", MFD_CLOEXEC));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0) return noMemory(size);
  void* const write = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (write == MAP_FAILED) return noMemory(size);
  return Views{write, ::mmap(nullptr, size, PROT_READ | PROT_EXEC, MAP_SHARED, file.get(), 0)};
}

Result<Views> viewsOfNoFile(std::size_t size) {
  void* const write = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (write == MAP_FAILED) return noMemory(size);
  // Of no bytes: the same memory at a second place.
  void* const execute = ::mremap(write, 0, size, MREMAP_MAYMOVE);
  if (execute == MAP_FAILED || ::mprotect(execute, size, PROT_READ | PROT_EXEC) == 0) return Views{write, execute};
  const int why = errno;
  ::munmap(execute, size);
  errno = why;
  return Views{write, MAP_FAILED};
}

}  // namespace

Result<std::unique_ptr<CodeCache>> CodeCache::make(std::size_t size, Memory memory) {
  RHEA_TRY(const Views views, memory == Memory::kOfFile ? viewsOfFile(size) : viewsOfNoFile(size));
  if (views.execute == MAP_FAILED) {
    const int why = errno;
    ::munmap(views.write, size);
    return Error(fmt::format("the host refuses executable memory: {}", std::strerror(why)));
  }
  return std::unique_ptr<CodeCache>(
      new CodeCache(size, static_cast<std::uint8_t*>(views.write), static_cast<std::uint8_t*>(views.execute)));
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
