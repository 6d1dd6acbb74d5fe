// The drivers on top of others, in a graph: raw, throttle, copy-on-read, blkdebug, blklogwrites.
#include "block/core/node.h"
#include "block/driver/blkdebug/blkdebug.h"
#include "block/driver/table.h"
#include "block/driver/write-log/reader.h"
#include "block/tool/io/io-command.h"
#include "qapi/types-block-options.h"
#include "tests/block/core-support.h"
#include "tests/lib/temp-dir.h"

namespace rhea::block::test {
namespace {

using rhea::test::TempDir;

constexpr std::uint64_t kMiB = 1 << 20;

class DriverGraph : public GraphTest {
 protected:
  DriverGraph() {
    for (const DriverInfo* driver : allDrivers()) drivers_.add(*driver);
  }
  BlockGraph& graph() { return *graph_; }
  NodeOptions fileNode(const std::string& name, std::uint64_t size, int fill = -1) {
    qapi::BlockdevOptionsFile options;
    options.filename = dir_.makeFile(name, size, fill);
    NodeOptions node("file", DriverOptions::of(options));
    node.nodeName = name;
    return node;
  }
  template <class Options>
  static NodeOptions filter(const std::string& driver, Options options, NodeOptions below, const char* child = "file") {
    NodeOptions node(driver, DriverOptions::of(std::move(options)));
    node.nodeName = "top";
    node.children.push_back(ChildOptions::inlineNode(child, std::move(below)));
    return node;
  }
  Result<DiskPtr> attach(NodeOptions root) {
    DiskOptions options;
    options.id = "disk";
    options.writeError = OnError::kReport;
    return run(graph().addDrive(std::move(options), std::move(root), {}));
  }
  std::string content(const std::string& name) const {
    std::ifstream in(dir_.file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  template <class Ability>
  Ability& ability() {
    return dynamic_cast<Ability&>(graph().findNode("top")->driver());
  }

  TempDir dir_;
};

// --- raw

TEST_F(DriverGraph, RawShowsAWindowOfItsFile) {
  qapi::BlockdevOptionsRaw window;
  window.offset = 1000;
  window.size = 4096;
  auto disk = attach(filter("raw", window, fileNode("a", kMiB)));
  ASSERT_TRUE(disk.ok()) << disk.error().describe();
  ASSERT_TRUE(write(*disk, 0, "begin").ok());
  ASSERT_TRUE(write(*disk, 4091, "endof").ok());
  EXPECT_EQ(content("a").substr(1000, 5), "begin");
  EXPECT_EQ(content("a").substr(1000 + 4091, 5), "endof");
  EXPECT_EQ(read(*disk, 4091, 5), "endof");
  EXPECT_FALSE(write(*disk, 4095, "ab").ok());
  EXPECT_EQ(content("a").at(1000 + 4096), '\0');
}

TEST_F(DriverGraph, RawWithoutASizeEndsWithItsFileAndResizesIt) {
  qapi::BlockdevOptionsRaw window;
  window.offset = 4096;
  auto disk = attach(filter("raw", window, fileNode("a", kMiB)));
  ASSERT_TRUE(disk.ok());
  EXPECT_EQ(graph().findNode("top")->length(), kMiB - 4096);
  const auto grown = run(graph().resizeNode("top", 2 * kMiB, {}));
  ASSERT_TRUE(grown.ok()) << grown.error().describe();
  EXPECT_EQ(std::filesystem::file_size(dir_.file("a")), 2 * kMiB + 4096);
}

TEST_F(DriverGraph, RawRefusesAWindowThatDoesNotFitAndAResizeOfAFixedOne) {
  qapi::BlockdevOptionsRaw window;
  window.offset = 2 * kMiB;
  auto refused = attach(filter("raw", window, fileNode("a", kMiB)));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().whereText(), "offset");
  window.offset = 0;
  window.size = kMiB + 1;
  refused = attach(filter("raw", window, fileNode("b", kMiB)));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().hintText().find("at most 1048576"), std::string::npos);
  window.size = 4096;
  ASSERT_TRUE(attach(filter("raw", window, fileNode("c", kMiB))).ok());
  EXPECT_FALSE(run(graph().resizeNode("top", 8192, {})).ok());
}

TEST_F(DriverGraph, RawMapsToItsFile) {
  qapi::BlockdevOptionsRaw window;
  window.offset = 65536;
  ASSERT_TRUE(attach(filter("raw", window, fileNode("a", kMiB))).ok());
  const auto status = run(graph().findNode("top")->status(Extent(0, 4096), true));
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(status->zero);
  EXPECT_EQ(status->offset, 65536U);
  ASSERT_NE(status->in, nullptr);
  EXPECT_EQ(status->in->node().name(), "a");
}

// --- throttle

TEST_F(DriverGraph, ThrottleNeedsItsGroup) {
  qapi::BlockdevOptionsThrottle options;
  options.throttleGroup = "slow";
  const auto refused = attach(filter("throttle", options, fileNode("a", kMiB)));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().hintText().find("throttle-group"), std::string::npos);
}

TEST_F(DriverGraph, ThrottleHoldsRequestsToTheLimit) {
  const auto group = graph().throttleGroups().findOrCreate("slow");
  ThrottleLimits limits;
  limits.of(BucketKind::kOpsTotal).average = 100;
  ASSERT_TRUE(group->configure(limits).ok());
  qapi::BlockdevOptionsThrottle options;
  options.throttleGroup = "slow";
  auto disk = attach(filter("throttle", options, fileNode("a", kMiB)));
  ASSERT_TRUE(disk.ok());
  EXPECT_EQ(group->members(), 1U);
  const auto begin = Clock::now();
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(write(*disk, 0, "x").ok());
  // A tenth of a second's worth (10) passes at once, the other 20 take 10 ms each.
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(120));
}

// --- copy-on-read

TEST_F(DriverGraph, CopyOnReadCopiesNothingWhereNothingIsBelow) {
  auto disk = attach(filter("copy-on-read", qapi::BlockdevOptionsCor(), fileNode("a", kMiB, 'z')));
  ASSERT_TRUE(disk.ok()) << disk.error().describe();
  EXPECT_EQ(read(*disk, 100, 3), "zzz");
  EXPECT_EQ(run(graph().flush(std::nullopt, {}))->size(), 1U);
}

TEST_F(DriverGraph, CopyOnReadNamesTheChainWhenTheBottomIsNotInIt) {
  qapi::BlockdevOptionsCor options;
  options.bottom = "elsewhere";
  const auto refused = attach(filter("copy-on-read", options, fileNode("a", kMiB)));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().candidateNames(), std::vector<std::string>{"a"});
}

// --- blkdebug

qapi::BlkdebugInjectErrorOptions fault(qapi::BlkdebugEvent event) {
  qapi::BlkdebugInjectErrorOptions rule;
  rule.event = event;
  return rule;
}

qapi::BlockdevOptionsBlkdebug withRules(std::vector<qapi::BlkdebugInjectErrorOptions> rules) {
  qapi::BlockdevOptionsBlkdebug options;
  options.injectError = std::move(rules);
  return options;
}

TEST_F(DriverGraph, BlkdebugFailsTheNthWriteOnce) {
  auto rule = fault(qapi::BlkdebugEvent::writeAio);
  rule.skip = 2;
  rule.once = true;
  rule.errno_ = ENOSPC;
  auto disk = attach(filter("blkdebug", withRules({rule}), fileNode("a", kMiB), "image"));
  ASSERT_TRUE(disk.ok()) << disk.error().describe();
  EXPECT_TRUE(write(*disk, 0, "1").ok());
  EXPECT_TRUE(write(*disk, 0, "2").ok());
  EXPECT_EQ(write(*disk, 0, "3").error().code(), ENOSPC);
  EXPECT_EQ(content("a").at(0), '2');
  EXPECT_TRUE(write(*disk, 0, "4").ok());
}

TEST_F(DriverGraph, BlkdebugFailsBySectorKindAndState) {
  auto bySector = fault(qapi::BlkdebugEvent::none);
  bySector.sector = 3;
  bySector.iotype = qapi::BlkdebugIOType::read;
  auto byState = fault(qapi::BlkdebugEvent::writeAio);
  byState.state = 2;
  byState.errno_ = EROFS;
  auto options = withRules({bySector, byState});
  qapi::BlkdebugSetStateOptions next;
  next.event = qapi::BlkdebugEvent::flushToDisk;
  next.newState = 2;
  options.setState = {next};
  auto disk = attach(filter("blkdebug", options, fileNode("a", kMiB), "image"));
  ASSERT_TRUE(disk.ok());
  ASSERT_TRUE(write(*disk, 1536, "x").ok());
  std::string buffer(16, ' ');
  EXPECT_EQ(run((*disk)->read(Extent(1530, 16), IoVector(buffer.data(), 16))).error().code(), EIO);
  EXPECT_TRUE(run((*disk)->read(Extent(0, 16), IoVector(buffer.data(), 16))).ok());
  ASSERT_TRUE(run((*disk)->flush()).ok());
  EXPECT_EQ(write(*disk, 0, "y").error().code(), EROFS);
}

TEST_F(DriverGraph, BlkdebugFailsAFlushAndItLatches) {
  auto rule = fault(qapi::BlkdebugEvent::flushToDisk);
  rule.once = true;
  auto disk = attach(filter("blkdebug", withRules({rule}), fileNode("a", kMiB), "image"));
  ASSERT_TRUE(disk.ok());
  ASSERT_TRUE(write(*disk, 0, "x").ok());
  EXPECT_EQ(run((*disk)->flush()).error().code(), EIO);
  EXPECT_FALSE(run((*disk)->flush()).ok()) << "a failed flush is never followed by a success that hides it";
  static_cast<void>(run(graph().removeDisk(*disk, {})));
}

Task<void> flushAndTell(DiskPtr disk, bool& done) {
  const auto flushed = co_await disk->flush();
  EXPECT_TRUE(flushed.ok()) << flushed.error().message();
  done = true;
}

TEST_F(DriverGraph, AFlushThatBeganBeforeNoFlushWasTurnedOnReachesStableStorage) {
  auto rule = fault(qapi::BlkdebugEvent::flushToDisk);
  rule.errno_ = 0;
  rule.delayMs = 60;
  auto disk = attach(filter("blkdebug", withRules({rule}), fileNode("a", kMiB), "image"));
  ASSERT_TRUE(disk.ok());
  ASSERT_TRUE(write(*disk, 0, "x").ok());
  bool flushed = false;
  const auto scene = [&]() -> Task<void> {
    TaskGroup group;
    group.spawn(flushAndTell(*disk, flushed));
    CacheRequest unsafe;
    unsafe.mode = "unsafe";
    const auto changed = co_await graph().setCache("disk", unsafe, ChangeContext());
    EXPECT_TRUE(changed.ok()) << changed.error().message();
    EXPECT_TRUE(flushed);
    co_await group.join();
  };
  run(scene());
  EXPECT_FALSE(graph().findNode("a")->ledger().unflushed().any());
  EXPECT_TRUE(graph().findNode("a")->isNoFlush());
}

TEST_F(DriverGraph, BlkdebugDelaysAndStopsDelayingAfterItsTime) {
  auto rule = fault(qapi::BlkdebugEvent::writeAio);
  rule.errno_ = 0;
  rule.delayMs = 40;
  rule.forMs = 200;
  auto disk = attach(filter("blkdebug", withRules({rule}), fileNode("a", kMiB), "image"));
  ASSERT_TRUE(disk.ok());
  auto begin = Clock::now();
  ASSERT_TRUE(write(*disk, 0, "x").ok());
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(40));
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  begin = Clock::now();
  ASSERT_TRUE(write(*disk, 0, "x").ok());
  EXPECT_LT(Clock::now() - begin, std::chrono::milliseconds(40));
}

Task<void> writeAndCount(DiskPtr disk, std::string text, std::atomic<int>& done) {
  const auto wrote = co_await disk->write(Extent(0, text.size()), IoVector(text.data(), text.size()), WriteFlags());
  EXPECT_TRUE(wrote.ok()) << wrote.error().message();
  done.fetch_add(1);
}

TEST_F(DriverGraph, BlkdebugHoldsUntilResumed) {
  auto disk = attach(filter("blkdebug", withRules({}), fileNode("a", kMiB), "image"));
  ASSERT_TRUE(disk.ok());
  auto& points = ability<DebugPoints>();
  EXPECT_FALSE(points.resume("t").ok());
  const auto unknown = points.breakAt("nowhere", "t");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().candidateNames().size(), kDebugEvents.size());
  ASSERT_TRUE(points.breakAt("pwritev", "t").ok());
  std::atomic<int> done{0};
  const auto scene = [&]() -> Task<void> {
    TaskGroup group;
    group.spawn(writeAndCount(*disk, "held", done));
    while (points.suspended().empty()) static_cast<void>(co_await Loop::current()->sleep(std::chrono::milliseconds(1)));
    EXPECT_EQ(points.suspended().at(0).tag, "t");
    EXPECT_EQ(points.suspended().at(0).point, "pwritev");
    group.spawn(writeAndCount(*disk, "next", done));  // one request only is stopped
    while (done == 0) static_cast<void>(co_await Loop::current()->sleep(std::chrono::milliseconds(1)));
    EXPECT_EQ(points.suspended().size(), 1U);
    EXPECT_TRUE(points.resume("t").ok());
    co_await group.join();
  };
  run(scene());
  EXPECT_EQ(done, 2);
  EXPECT_TRUE(content("a").starts_with("held"));
}

TEST_F(DriverGraph, TheIoVerbsStopAndResumeRequests) {
  auto disk = attach(filter("blkdebug", withRules({}), fileNode("a", kMiB), "image"));
  ASSERT_TRUE(disk.ok());
  const auto io = [&](const std::string& line) { return runIoCommand(IoTarget(graph(), *disk), line); };
  ASSERT_TRUE(run(io("break write_aio t")).ok());
  std::atomic<int> done{0};
  const auto scene = [&]() -> Task<void> {
    TaskGroup group;
    group.spawn(writeAndCount(*disk, "held", done));
    const auto stopped = co_await io("wait_break t");
    EXPECT_TRUE(stopped.ok());
    EXPECT_EQ(done, 0);
    const auto resumed = co_await io("resume t");
    EXPECT_TRUE(resumed.ok());
    co_await group.join();
  };
  run(scene());
  EXPECT_EQ(done, 1);
  EXPECT_FALSE(run(io("resume t")).ok());
  EXPECT_FALSE(run(io("break nowhere t")).ok());
}

TEST_F(DriverGraph, BlkdebugLetsGoWhenReopenedWithOtherRules) {
  auto rule = fault(qapi::BlkdebugEvent::writeAio);
  rule.errno_ = 0;
  rule.hold = "for-ever";
  auto slow = fault(qapi::BlkdebugEvent::writeAio);
  slow.errno_ = 0;
  slow.delayMs = 3'600'000;
  for (const auto& held : {rule, slow}) {
    auto disk = attach(filter("blkdebug", withRules({held}), fileNode("a", kMiB), "image"));
    ASSERT_TRUE(disk.ok()) << disk.error().describe();
    std::atomic<int> done{0};
    const auto scene = [&]() -> Task<void> {
      TaskGroup group;
      group.spawn(writeAndCount(*disk, "held", done));
      static_cast<void>(co_await Loop::current()->sleep(std::chrono::milliseconds(20)));
      EXPECT_EQ(done, 0);
      ReopenRequest request(OpenFlags(), DriverOptions::of(withRules({})));
      auto prepared = co_await ability<Reopener>().prepareReopen(std::move(request));
      EXPECT_TRUE(prepared.ok());
      (*prepared)->commit();
      co_await (*prepared)->settle();
      co_await group.join();
    };
    run(scene());
    EXPECT_EQ(done, 1);
    ASSERT_TRUE(run(graph().removeDisk(*disk, {})).ok());
  }
}

TEST_F(DriverGraph, BlkdebugRefusesLimitsThatCannotBe) {
  auto options = withRules({});
  options.align = 1000;
  auto refused = attach(filter("blkdebug", options, fileNode("a", kMiB), "image"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().whereText(), "align");
  options.align = 4096;
  options.maxTransfer = 5000;
  refused = attach(filter("blkdebug", options, fileNode("b", kMiB), "image"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().whereText(), "max-transfer");
  options.maxTransfer = 8192;
  auto disk = attach(filter("blkdebug", options, fileNode("c", kMiB), "image"));
  ASSERT_TRUE(disk.ok());
  EXPECT_TRUE(write(*disk, 100, std::string(20000, 'q')).ok());
  EXPECT_EQ(read(*disk, 100, 20000), std::string(20000, 'q'));
}

// --- blklogwrites

class WriteLog : public DriverGraph {
 protected:
  NodeOptions logged(bool append, std::uint32_t sector = 512) {
    qapi::BlockdevOptionsBlklogwrites options;
    options.logAppend = append;
    options.logSectorSize = sector;
    NodeOptions node = filter("blklogwrites", options, fileOf("data"));
    node.children.push_back(ChildOptions::inlineNode("log", fileOf("log")));
    return node;
  }
  NodeOptions fileOf(const std::string& name) {
    if (!std::filesystem::exists(dir_.file(name))) dir_.makeFile(name, name == "data" ? kMiB : 0);
    qapi::BlockdevOptionsFile options;
    options.filename = dir_.file(name);
    NodeOptions node("file", DriverOptions::of(options));
    node.nodeName = name;
    return node;
  }
  std::vector<WriteLogReader::Item> entries() {
    std::vector<WriteLogReader::Item> all;
    auto reader = WriteLogReader::open(dir_.file("log"));
    if (!reader.ok()) {
      ADD_FAILURE() << reader.error().describe();
      return all;
    }
    for (;;) {
      auto item = reader->next();
      if (!item.ok()) ADD_FAILURE() << item.error().describe();
      if (!item.ok() || !item->has_value()) return all;
      all.push_back(**item);
    }
  }
};

TEST_F(WriteLog, RecordsChangesAndFlushesInOrderWithTheirData) {
  auto disk = attach(logged(false));
  ASSERT_TRUE(disk.ok()) << disk.error().describe();
  ASSERT_TRUE(write(*disk, 512, std::string(1024, 'a')).ok());
  ASSERT_TRUE(run((*disk)->writeZeroes(Extent(4096, 4096), {})).ok());
  ASSERT_TRUE(run((*disk)->flush()).ok());
  ASSERT_TRUE(write(*disk, 8192, std::string(512, 'b')).ok());
  ASSERT_TRUE(run(graph().removeDisk(*disk, {})).ok());
  const auto all = entries();
  ASSERT_GE(all.size(), 4U);
  EXPECT_EQ(all[0].offset, 512U);
  EXPECT_EQ(all[0].length, 1024U);
  EXPECT_EQ(all[1].offset, 4096U);
  EXPECT_EQ(all[1].length, 4096U);
  EXPECT_TRUE(all[2].entry.has(kLogFlush));
  EXPECT_EQ(all[2].length, 0U);
  EXPECT_EQ(all[3].offset, 8192U);
  auto reader = WriteLogReader::open(dir_.file("log"));
  EXPECT_EQ(reader->data(all[0])->at(1023), std::byte('a'));
  EXPECT_EQ(reader->data(all[1])->at(4095), std::byte(0));
  EXPECT_EQ(reader->data(all[3])->at(0), std::byte('b'));
}

TEST_F(WriteLog, ReplayedItGivesTheSameDisk) {
  auto disk = attach(logged(false, 4096));
  ASSERT_TRUE(disk.ok()) << disk.error().describe();
  unsigned random = 1;
  for (int i = 0; i < 60; ++i) {
    random = random * 1103515245 + 12345;
    const std::uint64_t at = random / 65536 % (kMiB - 20000);
    ASSERT_TRUE(write(*disk, at, std::string(1 + at % 9000, static_cast<char>('a' + i % 26))).ok());
    if (i % 10 == 9) {
      ASSERT_TRUE(run((*disk)->flush()).ok());
    }
  }
  ASSERT_TRUE(run(graph().removeDisk(*disk, {})).ok());
  std::string rebuilt(kMiB, '\0');
  auto reader = WriteLogReader::open(dir_.file("log"));
  ASSERT_TRUE(reader.ok());
  for (const auto& item : entries()) {
    const auto data = *reader->data(item);
    if (data.empty()) continue;  // a flush
    std::memcpy(rebuilt.data() + item.offset, data.data(), data.size());
  }
  EXPECT_EQ(rebuilt, content("data"));
}

TEST_F(WriteLog, AppendGoesOnAndWithoutItTheLogBeginsAnew) {
  for (const auto& [append, expected] : {std::pair(false, 1U), std::pair(true, 2U), std::pair(false, 1U)}) {
    auto disk = attach(logged(append));
    ASSERT_TRUE(disk.ok()) << disk.error().describe();
    ASSERT_TRUE(write(*disk, 0, std::string(512, 'x')).ok());
    ASSERT_TRUE(run(graph().removeDisk(*disk, {})).ok());
    std::size_t writes = 0;
    for (const auto& item : entries()) writes += item.length > 0 ? 1 : 0;
    EXPECT_EQ(writes, expected);
  }
}

TEST_F(WriteLog, AppendRefusesWhatIsNoLogOrHasOtherSectors) {
  std::ofstream(dir_.file("log")) << std::string(4096, 'n');
  auto refused = attach(logged(true));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().hintText().find("log-append=off"), std::string::npos);
  auto disk = attach(logged(false, 512));
  ASSERT_TRUE(disk.ok());
  ASSERT_TRUE(write(*disk, 0, std::string(512, 'x')).ok());
  ASSERT_TRUE(run(graph().removeDisk(*disk, {})).ok());
  refused = attach(logged(true, 4096));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().whereText(), "log-sector-size");
}

}  // namespace
}  // namespace rhea::block::test
