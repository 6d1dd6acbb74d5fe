#include "tests/block/core-support.h"

namespace rhea::block::test {

namespace {

class MemoryReopen final : public PreparedReopen {
 public:
  MemoryReopen(MemoryImage& image, bool direct) : image_(image), to_(direct), from_(image.isDirect) {}
  void commit() override { image_.isDirect = to_; }
  void revert() override { image_.isDirect = from_; }
  Task<void> settle() override { co_return; }

 private:
  MemoryImage& image_;
  bool to_;
  bool from_;
};

class MemoryDriverImpl final : public Driver,
                               public Discards,
                               public ZeroWriter,
                               public Resizer,
                               public Reopener,
                               public RightsKeeper,
                               public HomeAware {
 public:
  explicit MemoryDriverImpl(ImagePtr image) : image_(std::move(image)) {}

  Limits limits() const override { return image_->isDirect ? image_->direct : image_->buffered; }
  std::uint64_t length() const override { return image_->size(); }
  bool isReadOnly() const override { return image_->readOnly; }

  Task<Result<void>> read(Extent at, IoVector to) override {
    if (!takes(at)) co_return limitsChanged();
    RHEA_CO_CHECK(co_await image_->enter(MemoryOp::kRead, at));
    image_->read(at, to);
    co_return success();
  }
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override {
    if (!takes(at)) co_return limitsChanged();
    if (how.isStable() && !image_->stableWrites) co_return Error::fromErrno(EOPNOTSUPP);
    RHEA_CO_CHECK(co_await image_->enter(how.isStable() ? MemoryOp::kStableWrite : MemoryOp::kWrite, at));
    image_->write(at, from, how.isStable());
    co_return success();
  }
  Task<Result<void>> flush(FlushTo to) override {
    if (to == FlushTo::kHost) co_return success();
    RHEA_CO_CHECK(co_await image_->enter(MemoryOp::kSync));
    image_->sync();
    co_return success();
  }
  Task<void> close() override { (void)co_await image_->enter(MemoryOp::kClose); }

  Task<Result<void>> discard(Extent at, WriteFlags) override {
    RHEA_CO_CHECK(co_await image_->enter(MemoryOp::kDiscard, at));
    image_->zero(at);
    co_return success();
  }
  Task<Result<void>> writeZeroes(Extent at, WriteFlags) override {
    RHEA_CO_CHECK(co_await image_->enter(MemoryOp::kZeroes, at));
    image_->zero(at);
    co_return success();
  }
  Task<Result<void>> resize(std::uint64_t length, Preallocation) override {
    image_->resize(length);
    co_return success();
  }
  Task<Result<std::unique_ptr<PreparedReopen>>> prepareReopen(ReopenRequest request) override {
    RHEA_CO_CHECK(co_await image_->enter(MemoryOp::kReopen));
    if (request.flags.direct && !image_->directPossible) {
      co_return Error("'memory' cannot be opened with O_DIRECT (cache.direct=on)");
    }
    std::unique_ptr<PreparedReopen> prepared = std::make_unique<MemoryReopen>(*image_, request.flags.direct);
    co_return std::move(prepared);
  }
  Task<Result<void>> prepareRights(Rights rights) override {
    if (image_->onRights) RHEA_CO_CHECK(image_->onRights(rights));
    co_return success();
  }
  void commitRights() override {}
  void abortRights() override {}
  Task<void> leaveHome() override {
    EXPECT_EQ(Loop::current(), image_->home.load());
    co_return;
  }
  Task<void> enterHome(Loop& home) override {
    EXPECT_EQ(Loop::current(), &home);
    image_->home = &home;
    image_->moves.fetch_add(1);
    co_return;
  }

 private:
  bool takes(Extent at) const { return at.isAligned(limits().requestAlignment); }
  ImagePtr image_;
};

Task<Result<std::unique_ptr<Driver>>> openMemory(OpenContext context, DriverOptions options, Children) {
  const ImagePtr image = options.as<MemoryOptions>().image;
  RHEA_CO_CHECK(co_await image->enter(MemoryOp::kOpen));
  if (context.flags.direct && !image->directPossible) co_return Error("no O_DIRECT here");
  image->isDirect = context.flags.direct;
  image->readOnly = context.flags.readOnly;
  image->home = &context.home;
  std::unique_ptr<Driver> driver = std::make_unique<MemoryDriverImpl>(image);
  co_return std::move(driver);
}

class PassDriverImpl final : public Driver, public Discards, public ZeroWriter, public Resizer {
 public:
  explicit PassDriverImpl(Child& file) : file_(file) {}
  Limits limits() const override { return {}; }
  std::uint64_t length() const override { return file_.length(); }
  Task<Result<void>> read(Extent at, IoVector to) override { return file_.read(at, to); }
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override { return file_.write(at, from, how); }
  Task<Result<void>> flush(FlushTo to) override { return file_.flush(to); }
  Task<Result<void>> discard(Extent at, WriteFlags how) override { return file_.discard(at, how); }
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override { return file_.writeZeroes(at, how); }
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) override {
    return file_.resize(length, preallocation);
  }
  Task<void> close() override { co_return; }

 private:
  Child& file_;
};

Task<Result<std::unique_ptr<Driver>>> openPass(OpenContext, DriverOptions, Children children) {
  std::unique_ptr<Driver> driver = std::make_unique<PassDriverImpl>(children.get("file"));
  co_return std::move(driver);
}

class OverlayDriverImpl final : public Driver, public Mapper {
 public:
  OverlayDriverImpl(Child& file, Child& backing) : file_(file), backing_(backing), written_(file.length() / kCluster) {}
  Limits limits() const override {
    Limits limits;
    limits.requestAlignment = kCluster;
    return limits;
  }
  std::uint64_t length() const override { return file_.length(); }
  Task<Result<void>> read(Extent at, IoVector to) override {
    for (std::uint64_t done = 0; done < at.length; done += kCluster) {
      const Extent cluster = at.slice(done, kCluster);
      const IoVector into = to.slice(done, kCluster);
      if (written_[cluster.offset / kCluster]) {
        RHEA_CO_CHECK(co_await file_.read(cluster, into));
      } else if (backing_.isAttached()) {
        RHEA_CO_CHECK(co_await backing_.read(cluster, into));
      } else {
        into.fill(std::byte{0});
      }
    }
    co_return success();
  }
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override {
    RHEA_CO_CHECK(co_await file_.write(at, from, how));
    for (std::uint64_t done = 0; done < at.length; done += kCluster) written_[(at.offset + done) / kCluster] = true;
    co_return success();
  }
  Task<Result<void>> flush(FlushTo to) override { return file_.flush(to); }
  Task<void> close() override { co_return; }
  Task<Result<BlockStatus>> status(Extent at, bool) override {
    const std::uint64_t first = at.offset / kCluster;
    std::uint64_t last = first + 1;
    while (last * kCluster < at.end() && written_[last] == written_[first]) ++last;
    BlockStatus status(std::min(last * kCluster, at.end()) - at.offset);
    status.allocated = written_[first];
    status.data = status.allocated;
    co_return status;
  }

 private:
  static constexpr std::uint64_t kCluster = 4096;
  Child& file_;
  Child& backing_;
  std::vector<bool> written_;  // of the test's loop alone
};

Task<Result<std::unique_ptr<Driver>>> openOverlay(OpenContext, DriverOptions, Children children) {
  std::unique_ptr<Driver> driver = std::make_unique<OverlayDriverImpl>(children.get("file"), children.get("backing"));
  co_return std::move(driver);
}

DriverInfo overlayInfo() {
  DriverInfo info;
  info.name = "overlay";
  info.kind = DriverKind::kFormat;
  info.threads = DriverThreads::kHome;
  info.children.push_back({"file", ChildRole::kData, true, false});
  info.children.push_back({"backing", ChildRole::kBacking, false, true});
  info.open = &openOverlay;
  return info;
}

DriverInfo memoryInfo(std::string_view name, DriverThreads threads) {
  DriverInfo info;
  info.name = name;
  info.kind = DriverKind::kProtocol;
  info.threads = threads;
  info.growable = true;
  info.open = &openMemory;
  return info;
}

DriverInfo passInfo(std::string_view name, DriverKind kind, ChildRole role) {
  DriverInfo info;
  info.name = name;
  info.kind = kind;
  info.passThrough = kind == DriverKind::kFilter;
  info.children.push_back({"file", role, true});
  info.open = &openPass;
  return info;
}

}  // namespace

const DriverInfo& memoryDriver() {
  static const DriverInfo info = memoryInfo("memory", DriverThreads::kAny);
  return info;
}
const DriverInfo& homeMemoryDriver() {
  static const DriverInfo info = memoryInfo("memory-home", DriverThreads::kHome);
  return info;
}
const DriverInfo& groupingMemoryDriver() {
  static const DriverInfo info = [] {
    DriverInfo grouping = memoryInfo("memory-grouping", DriverThreads::kAny);
    grouping.flushesGroups = true;
    return grouping;
  }();
  return info;
}
const DriverInfo& passDriver() {
  static const DriverInfo info = passInfo("pass", DriverKind::kFilter, ChildRole::kFiltered);
  return info;
}
const DriverInfo& formatDriver() {
  static const DriverInfo info = passInfo("format", DriverKind::kFormat, ChildRole::kData);
  return info;
}
const DriverInfo& overlayDriver() {
  static const DriverInfo info = overlayInfo();
  return info;
}

GraphTest::GraphTest() {
  for (const DriverInfo* info : {&memoryDriver(), &homeMemoryDriver(), &groupingMemoryDriver(), &passDriver(),
                                 &formatDriver(), &overlayDriver()}) {
    drivers_.add(*info);
  }
  GraphContext context(*loop_, drivers_, services_, observer_);
  context.runState = this;
  graph_ = std::make_unique<BlockGraph>(context);
}

GraphTest::~GraphTest() {
  const Result<void> ended = run(graph_->shutdown({}));
  EXPECT_TRUE(ended.ok());
}

NodeOptions GraphTest::memory(const std::string& name, ImagePtr image, std::string driver) {
  NodeOptions options(std::move(driver), DriverOptions::of(MemoryOptions{std::move(image)}));
  options.nodeName = name;
  return options;
}

NodeOptions GraphTest::above(const std::string& name, const std::string& file, std::string driver) {
  NodeOptions options(std::move(driver), {});
  options.nodeName = name;
  options.children.push_back(ChildOptions::reference("file", file));
  return options;
}

NodePtr GraphTest::add(NodeOptions options) {
  Result<NodePtr> node = run(graph_->addNode(std::move(options), {}));
  EXPECT_TRUE(node.ok()) << (node.ok() ? "" : node.error().describe());
  return node.ok() ? *node : nullptr;
}

DiskPtr GraphTest::attach(const std::string& id, const std::string& node, DiskOptions options) {
  options.id = id;
  Result<DiskPtr> disk = run(graph_->addDisk(std::move(options), node, {}));
  EXPECT_TRUE(disk.ok()) << (disk.ok() ? "" : disk.error().describe());
  return disk.ok() ? *disk : nullptr;
}

DiskPtr GraphTest::simple(ImagePtr image, DiskOptions options) {
  add(memory("n0", std::move(image)));
  return attach("d0", "n0", std::move(options));
}

Result<void> GraphTest::write(const DiskPtr& disk, std::uint64_t offset, std::string_view text) {
  return run(disk->write({offset, text.size()}, IoVector(text.data(), text.size())));
}

std::string GraphTest::read(const DiskPtr& disk, std::uint64_t offset, std::size_t length) {
  std::string text(length, '?');
  const Result<void> done = run(disk->read({offset, length}, IoVector(text.data(), text.size())));
  return done.ok() ? text : "error: " + done.error().message();
}

CancelToken GraphTest::soon(std::chrono::milliseconds after) {
  const CancelSource source;
  timers_.push_back(loop_->timer(after, [source] { source.cancel(Error("the deadline passed")); }));
  return source.token();
}

}  // namespace rhea::block::test
