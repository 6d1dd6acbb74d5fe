#include "tests/lib/memory-file.h"

#include <cerrno>

#include "block/driver/table.h"

namespace rhea::test {

namespace {

using namespace block;

struct BytesOptions {
  std::shared_ptr<std::vector<std::byte>> bytes;
};

// Images that are made to can ask for any length: it is refused as a full disk does.
constexpr std::uint64_t kMost = std::uint64_t{64} << 20U;

class BytesDriver final : public Driver, public Resizer {
 public:
  explicit BytesDriver(std::shared_ptr<std::vector<std::byte>> bytes) : bytes_(std::move(bytes)) {}

  Limits limits() const override { return {}; }
  std::uint64_t length() const override { return bytes_->size(); }
  Task<Result<void>> read(Extent at, IoVector to) override {
    const std::uint64_t stored = std::min(at.length, bytes_->size() - std::min(at.offset, bytes_->size()));
    if (stored != 0) to.copyFrom(&(*bytes_)[static_cast<std::size_t>(at.offset)], static_cast<std::size_t>(stored));
    if (stored < at.length) to.slice(stored, at.length - stored).fill(std::byte{0});
    co_return success();
  }
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags) override {
    if (at.end() > kMost) co_return Error::fromErrno(ENOSPC);
    if (at.end() > bytes_->size()) bytes_->resize(static_cast<std::size_t>(at.end()));
    from.copyTo(&(*bytes_)[static_cast<std::size_t>(at.offset)], static_cast<std::size_t>(at.length));
    co_return success();
  }
  Task<Result<void>> flush(FlushTo) override { co_return success(); }
  Task<void> close() override { co_return; }
  Task<Result<void>> resize(std::uint64_t length, Preallocation) override {
    if (length > kMost) co_return Error::fromErrno(ENOSPC);
    bytes_->resize(static_cast<std::size_t>(length));
    co_return success();
  }

 private:
  std::shared_ptr<std::vector<std::byte>> bytes_;
};

Task<Result<std::unique_ptr<Driver>>> openBytes(OpenContext, DriverOptions options, Children) {
  std::unique_ptr<Driver> driver = std::make_unique<BytesDriver>(options.as<BytesOptions>().bytes);
  co_return std::move(driver);
}

const DriverInfo& bytesDriver() {
  static const DriverInfo kInfo = [] {
    DriverInfo info;
    info.name = "bytes";
    info.growable = true;
    info.open = openBytes;
    return info;
  }();
  return kInfo;
}

}  // namespace

MemoryFile::MemoryFile(Use use) {
  drivers_.add(bytesDriver());
  for (const DriverInfo* driver : allDrivers()) drivers_.add(*driver);
  graph_ = std::make_unique<BlockGraph>(GraphContext(*loop_, drivers_, services_, observer_));
  NodeOptions options("bytes", DriverOptions::of(BytesOptions{bytes_}));
  options.nodeName = "file";
  (void)run(graph_->addNode(std::move(options), {})).value();
  if (use == Use::kEdge) disk_ = run(graph_->attachMonitor("file", Permissions::all(), {})).value();
}

MemoryFile::~MemoryFile() {
  if (disk_ != nullptr) (void)run(graph_->removeDisk(std::exchange(disk_, nullptr), {}));
  (void)run(graph_->shutdown({}));
}

}  // namespace rhea::test
