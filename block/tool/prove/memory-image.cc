#include "block/tool/prove/memory-image.h"

#include <cerrno>

#include "block/core/abilities.h"

namespace rhea::block::prove {

namespace {

constexpr std::uint64_t kMost = std::uint64_t{4}
                                << 30;  // bytes; a writer gone wild ends here, not with the host's memory

class MemoryImageDriver final : public Driver,
                                public Discards,
                                public ZeroWriter,
                                public Mapper,
                                public Resizer,
                                public Reopener {
 public:
  explicit MemoryImageDriver(MemoryImagePtr image) : image_(std::move(image)), length_(image_->bytes.size()) {}

  Limits limits() const override { return {}; }
  std::uint64_t length() const override { return length_.load(std::memory_order_relaxed); }

  Task<Result<void>> read(Extent at, IoVector to) override {
    to.copyFrom(image_->bytes.data() + at.offset, at.length);
    co_return success();
  }
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags) override {
    RHEA_CO_CHECK(reach(at.end()));
    from.copyTo(image_->bytes.data() + at.offset, at.length);
    co_return success();
  }
  Task<Result<void>> flush(FlushTo) override { co_return success(); }
  Task<void> close() override { co_return; }
  Task<Result<void>> discard(Extent at, WriteFlags) override {
    zero(at);
    co_return success();
  }
  Task<Result<void>> writeZeroes(Extent at, WriteFlags) override {
    RHEA_CO_CHECK(reach(at.end()));
    zero(at);
    co_return success();
  }
  Task<Result<BlockStatus>> status(Extent at, bool) override {
    BlockStatus status(at.length);
    status.offset = at.offset;
    status.endOfFile = at.end() >= length();
    co_return status;
  }
  Task<Result<std::unique_ptr<PreparedReopen>>> prepareReopen(ReopenRequest) override {
    co_return std::make_unique<UnchangedReopen>();
  }
  Task<Result<void>> resize(std::uint64_t length, Preallocation) override {
    if (length > kMost) co_return Error::fromErrno(EFBIG);
    image_->bytes.resize(length);
    length_ = length;
    co_return success();
  }

 private:
  Result<void> reach(std::uint64_t end) {
    if (end <= length()) return success();
    if (end > kMost) return Error::fromErrno(EFBIG);
    image_->bytes.resize(end);
    length_ = end;
    return success();
  }
  void zero(Extent at) {
    std::fill_n(image_->bytes.begin() + static_cast<std::ptrdiff_t>(at.offset), at.length, std::byte{0});
  }

  MemoryImagePtr image_;
  std::atomic<std::uint64_t> length_;
};

Task<Result<std::unique_ptr<Driver>>> openMemoryImage(OpenContext, DriverOptions options, Children) {
  co_return std::make_unique<MemoryImageDriver>(options.as<MemoryImagePtr>());
}

DriverInfo describe() {
  DriverInfo info;
  info.name = "memory-image";
  info.kind = DriverKind::kProtocol;
  info.threads = DriverThreads::kHome;
  info.growable = true;
  info.open = openMemoryImage;
  return info;
}

}  // namespace

const DriverInfo& memoryImageDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

NodeOptions memoryImageNode(MemoryImagePtr image) {
  return NodeOptions(std::string(memoryImageDriver().name), DriverOptions::of(std::move(image)));
}

}  // namespace rhea::block::prove
