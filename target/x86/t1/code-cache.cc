#include "target/x86/t1/code-cache.h"

#include <sys/mman.h>
#include <unistd.h>

namespace rhea::x86::t1 {

Result<std::unique_ptr<CodeCache>> CodeCache::make(std::size_t size) {
  const Fd file(::memfd_create("rhea-code", MFD_CLOEXEC));
  if (!file) return Error(fmt::format("memory for translated code: {}", std::strerror(errno)));
  if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
    return Error(fmt::format("{} bytes for translated code: {}", size, std::strerror(errno)));
  void* write = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (write == MAP_FAILED) return Error(fmt::format("mapping {} bytes of code: {}", size, std::strerror(errno)));
  void* execute = ::mmap(nullptr, size, PROT_READ | PROT_EXEC, MAP_SHARED, file.get(), 0);
  if (execute == MAP_FAILED) {
    const int why = errno;
    ::munmap(write, size);
    return Error(fmt::format("the host refuses executable memory: {}", std::strerror(why)));
  }
  return std::unique_ptr<CodeCache>(
      new CodeCache(size, static_cast<std::uint8_t*>(write), static_cast<std::uint8_t*>(execute)));
}

CodeCache::~CodeCache() {
  ::munmap(write_, size_);
  ::munmap(execute_, size_);
}

}  // namespace rhea::x86::t1
