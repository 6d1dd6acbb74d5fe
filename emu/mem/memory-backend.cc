#include "emu/mem/memory-backend.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/io/offload.h"

namespace rhea::mem {

namespace {

using object::property;
using object::Settable;

const object::Property kProperties[] = {
    property<&MemoryBackend::size, &MemoryBackend::setSize>("size", Settable::kAtCreation, "", "the memory's size"),
    property<&MemoryBackend::share, &MemoryBackend::setShare>("share", Settable::kAtCreation, "",
                                                              "whether writes reach the file"),
    property<&MemoryBackend::prealloc, &MemoryBackend::setPrealloc>("prealloc", Settable::kAtCreation, "false",
                                                                    "whether the host gives all of it now"),
};

class Anonymous final : public MemoryBackend {
 public:
  using MemoryBackend::MemoryBackend;

 protected:
  std::function<Result<RamBlockPtr>()> maker() const override {
    return [name = name(), bytes = size().bytes] { return RamBlock::anonymous(name, bytes); };
  }
};

class MemFd final : public MemoryBackend {
 public:
  explicit MemFd(const object::Class& type) : MemoryBackend(type) { shareByDefault(); }

 protected:
  std::function<Result<RamBlockPtr>()> maker() const override {
    return [name = name(), bytes = size().bytes, shared = share()]() -> Result<RamBlockPtr> {
      Fd file(::memfd_create(name.c_str(), MFD_CLOEXEC));
      if (file.get() < 0) return Error::fromErrno(errno, "no memory file can be made");
      if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) {
        return Error::fromErrno(errno, fmt::format("a memory file cannot have {} bytes", bytes));
      }
      return RamBlock::fromFile(name, std::move(file), bytes, shared);
    };
  }
};

class File final : public MemoryBackend {
 public:
  using MemoryBackend::MemoryBackend;
  std::string path() const { return path_; }
  Result<void> setPath(std::string path) {
    path_ = std::move(path);
    return success();
  }
  Task<Result<void>> complete() override {
    if (path_.empty()) co_return Error("'mem-path' is missing").expected("the file that holds the memory");
    co_return co_await MemoryBackend::complete();
  }

 protected:
  std::function<Result<RamBlockPtr>()> maker() const override {
    return [name = name(), bytes = size().bytes, shared = share(), path = path_]() -> Result<RamBlockPtr> {
      // The file is made, and made longer, where that is needed; a longer one keeps its end.
      constexpr int kMode = 0600;
      Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode));
      if (file.get() < 0) return Error::fromErrno(errno, fmt::format("cannot open '{}'", path));
      struct stat status {};
      if (::fstat(file.get(), &status) != 0) return Error::fromErrno(errno, fmt::format("cannot look at '{}'", path));
      if (static_cast<std::uint64_t>(status.st_size) < bytes &&
          ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) {
        return Error::fromErrno(errno, fmt::format("'{}' cannot have {} bytes", path, bytes));
      }
      return RamBlock::fromFile(name, std::move(file), bytes, shared);
    };
  }

 private:
  std::string path_;
};

const object::Property kFileProperties[] = {
    property<&File::path, &File::setPath>("mem-path", Settable::kAtCreation, "", "the file"),
};

template <class Made>
std::unique_ptr<object::Object> make(const object::Class& type, const Services&) {
  return std::make_unique<Made>(type);
}

}  // namespace

void MemoryBackend::addClasses(object::ClassTable& classes) {
  object::Class base;
  base.name = "memory-backend";
  base.parent = "object";
  base.doc = "memory for a machine";
  base.isAbstract = true;
  base.properties = kProperties;
  base.interfaces = {"user-creatable"};
  classes.add(std::move(base));
  const auto add = [&classes](std::string_view name, std::string_view doc, auto maker) {
    object::Class type;
    type.name = name;
    type.parent = "memory-backend";
    type.doc = doc;
    type.make = maker;
    type.interfaces = {"user-creatable"};
    if (name == "memory-backend-file") type.properties = kFileProperties;
    classes.add(std::move(type));
  };
  add("memory-backend-ram", "memory of the process alone", &make<Anonymous>);
  add("memory-backend-memfd", "memory with a descriptor, which other processes can share", &make<MemFd>);
  add("memory-backend-file", "memory that is a file's content", &make<File>);
}

Result<void> MemoryBackend::setSize(object::Size size) {
  if (size.bytes == 0 || size.bytes % kPageSize != 0) {
    return Error(fmt::format("memory cannot have {} bytes", size.bytes)).expected("a multiple of 4 KiB above 0");
  }
  size_ = size;
  return success();
}

Result<void> MemoryBackend::setShare(bool share) {
  share_ = share;
  return success();
}

Result<void> MemoryBackend::setPrealloc(bool prealloc) {
  prealloc_ = prealloc;
  return success();
}

Task<Result<void>> MemoryBackend::complete() {
  if (size_.bytes == 0) co_return Error("'size' is missing").expected("how much memory there is to be");
  auto work = [make = maker(), touch = prealloc_]() -> Result<RamBlockPtr> {
    RHEA_TRY(RamBlockPtr block, make());
    if (touch && ::madvise(block->host(), block->size(), MADV_POPULATE_WRITE) != 0) {
      return Error::fromErrno(errno, fmt::format("the host does not give {} bytes of memory", block->size()));
    }
    return block;
  };
  RHEA_CO_TRY(block_, co_await offload(work));
  co_return success();
}

}  // namespace rhea::mem
