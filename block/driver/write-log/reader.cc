#include "block/driver/write-log/reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace rhea::block {

namespace {

constexpr std::uint64_t kLongestEntry = std::uint64_t{1} << 40;  // bytes; a discard of a whole device and more

Result<void> readAll(int fd, std::span<std::byte> to, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < to.size()) {
    const ssize_t got = pread(fd, to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::fromErrno(errno);
    if (got == 0) return Error::fromErrno(EIO, fmt::format("the log ends within {} bytes at {}", to.size(), offset));
    done += static_cast<std::size_t>(got);
  }
  return success();
}

}  // namespace

WriteLogReader::WriteLogReader(Fd fd, LogSuper super, std::string path)
    : fd_(std::move(fd)), super_(super), path_(std::move(path)), at_(super.sectorSize) {}

Result<WriteLogReader> WriteLogReader::open(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Error::fromErrno(errno, fmt::format("cannot open '{}'", path));
  std::array<std::byte, LogSuper::kSize> bytes;
  if (auto got = readAll(fd.get(), bytes, 0); !got.ok()) return got.takeError().context(path);
  auto super = decodeSuper(bytes);
  if (!super.ok()) return super.takeError().context(path);
  return WriteLogReader(std::move(fd), *super, path);
}

void WriteLogReader::rewind() {
  index_ = 0;
  at_ = super_.sectorSize;
}

Result<std::optional<WriteLogReader::Item>> WriteLogReader::next() {
  if (index_ == super_.entries) return std::optional<Item>();
  std::array<std::byte, LogEntry::kSize> bytes;
  if (auto got = readAll(fd_.get(), bytes, at_); !got.ok()) {
    return got.takeError().context(fmt::format("{}: entry {}", path_, index_));
  }
  Item item;
  item.index = index_;
  item.entry = decodeEntry(bytes);
  const std::uint64_t most = kLongestEntry / super_.sectorSize;
  if (item.entry.sectors > most || item.entry.sector > most || item.entry.dataLength > kLongestEntry) {
    return Error(fmt::format("{}: entry {} is {} sectors at sector {}", path_, index_, item.entry.sectors,
                             item.entry.sector))
        .expected("a range within 1 TiB");
  }
  item.offset = item.entry.sector * super_.sectorSize;
  item.length = item.entry.sectors * super_.sectorSize;
  item.dataAt = at_ + super_.sectorSize;
  at_ = item.dataAt + item.entry.dataSectors(super_.sectorSize) * super_.sectorSize;
  ++index_;
  return std::optional(item);
}

Result<std::vector<std::byte>> WriteLogReader::data(const Item& item) const {
  std::vector<std::byte> bytes(item.entry.has(kLogDiscard) ? 0 : item.length);
  if (auto got = readAll(fd_.get(), bytes, item.dataAt); !got.ok()) {
    return got.takeError().context(fmt::format("{}: data of entry {}", path_, item.index));
  }
  return bytes;
}

}  // namespace rhea::block
