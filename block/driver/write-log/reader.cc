#include "block/driver/write-log/reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace rhea::block {

namespace {

constexpr std::uint64_t kLongestEntry = std::uint64_t{1} << 40;  // bytes; a discard of a whole device and more

Error endsWithin(std::size_t bytes, std::uint64_t offset) {
  return Error::fromErrno(EIO, fmt::format("the log ends within {} bytes at {}", bytes, offset));
}

Result<void> readAll(int fd, std::span<std::byte> to, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < to.size()) {
    const ssize_t got = pread(fd, to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::fromErrno(errno);
    if (got == 0) return endsWithin(to.size(), offset);
    done += static_cast<std::size_t>(got);
  }
  return success();
}

}  // namespace

WriteLogReader::WriteLogReader(Source source, LogSuper super, std::string name)
    : source_(std::move(source)), super_(super), name_(std::move(name)), at_(super_.sectorSize) {}

Result<WriteLogReader> WriteLogReader::begin(Source source, std::string name) {
  std::array<std::byte, LogSuper::kSize> bytes;
  if (auto got = source(bytes, 0); !got.ok()) return got.takeError().context(name);
  auto super = decodeSuper(bytes);
  if (!super.ok()) return super.takeError().context(name);
  return WriteLogReader(std::move(source), *super, std::move(name));
}

Result<WriteLogReader> WriteLogReader::open(const std::string& path) {
  const auto fd = std::make_shared<Fd>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd->valid()) return Error::fromErrno(errno, fmt::format("cannot open '{}'", path));
  return begin([fd](std::span<std::byte> to, std::uint64_t offset) { return readAll(fd->get(), to, offset); }, path);
}

Result<WriteLogReader> WriteLogReader::over(std::vector<std::byte> log) {
  const auto bytes = std::make_shared<const std::vector<std::byte>>(std::move(log));
  Source source = [bytes](std::span<std::byte> to, std::uint64_t offset) -> Result<void> {
    if (offset > bytes->size() || to.size() > bytes->size() - offset) return endsWithin(to.size(), offset);
    std::memcpy(to.data(), bytes->data() + offset, to.size());
    return success();
  };
  return begin(std::move(source), "the write log");
}

void WriteLogReader::rewind() {
  index_ = 0;
  at_ = super_.sectorSize;
}

Result<std::optional<WriteLogReader::Item>> WriteLogReader::next() {
  if (index_ == super_.entries) return std::optional<Item>();
  std::array<std::byte, LogEntry::kSize> bytes;
  if (auto got = source_(bytes, at_); !got.ok()) {
    return got.takeError().context(fmt::format("{}: entry {}", name_, index_));
  }
  Item item;
  item.index = index_;
  item.entry = decodeEntry(bytes);
  const std::uint64_t most = kLongestEntry / super_.sectorSize;
  if (item.entry.sectors > most || item.entry.sector > most || item.entry.dataLength > kLongestEntry) {
    return Error(fmt::format("{}: entry {} is {} sectors at sector {}", name_, index_, item.entry.sectors,
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
  if (auto got = source_(bytes, item.dataAt); !got.ok()) {
    return got.takeError().context(fmt::format("{}: data of entry {}", name_, item.index));
  }
  return bytes;
}

}  // namespace rhea::block
