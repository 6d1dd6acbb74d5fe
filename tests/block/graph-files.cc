// The graph on real files: who opens them for what, and when the host hangs.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/driver/file/file.h"
#include "block/driver/raw/raw.h"
#include "qapi/types-block-options.h"
#include "tests/block/core-support.h"
#include "tests/lib/as-nobody.h"
#include "tests/lib/frozen-fs.h"
#include "tests/lib/temp-dir.h"

namespace rhea::block::test {
namespace {

using rhea::test::FrozenFs;
using rhea::test::TempDir;

class GraphFiles : public GraphTest {
 protected:
  GraphFiles() {
    drivers_.add(fileDriver());
    drivers_.add(rawDriver());
  }
  static NodeOptions file(const std::string& name, const std::string& path) {
    qapi::BlockdevOptionsFile own;
    own.filename = path;
    NodeOptions options("file", DriverOptions::of(own));
    options.nodeName = name;
    return options;
  }
  static NodeOptions autoReadOnly(const std::string& name, const std::string& path) {
    NodeOptions options = file(name, path);
    options.autoReadOnly = true;
    return options;
  }
  static NodeOptions raw(const std::string& name, const std::string& file, std::uint64_t offset = 0,
                         std::optional<std::uint64_t> size = std::nullopt) {
    qapi::BlockdevOptionsRaw own;
    own.file.u = file;
    own.offset = offset;
    own.size = size;
    NodeOptions options("raw", DriverOptions::of(own));
    options.nodeName = name;
    options.children.push_back(ChildOptions::reference("file", file));
    return options;
  }
  // Whether the descriptors of this file in this process are open for writing: one letter each.
  static std::string modes(const std::string& path) {
    std::string found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      if (std::filesystem::read_symlink(entry.path(), gone) != path) continue;
      const int flags = fcntl(std::stoi(entry.path().filename()), F_GETFL);
      found += (flags & O_ACCMODE) == O_RDWR ? 'w' : 'r';
    }
    return found;
  }
  void untilModes(const std::string& path, const std::string& wanted) {
    until([&] { return modes(path) == wanted; });
  }
  Error reopenError(NodeOptions options) {
    std::vector<NodeOptions> nodes(1, std::move(options));
    Result<void> done = run(graph_->reopen(std::move(nodes), {}));
    return done.ok() ? Error("it was not refused") : done.takeError();
  }
  Result<void> reopen(NodeOptions options) {
    std::vector<NodeOptions> nodes(1, std::move(options));
    return run(graph_->reopen(std::move(nodes), {}));
  }

  TempDir dir_;
};

// --- auto-read-only

TEST_F(GraphFiles, WithAutoReadOnlyAFileIsOpenForWritingOnlyWhileSomebodyMayWrite) {
  const std::string path = dir_.makeFile("a.raw", 65536);
  const NodePtr node = add(autoReadOnly("f", path));
  EXPECT_EQ(modes(path), "r");
  EXPECT_FALSE(node->isReadOnly()) << "clients take ro for: nobody may ever write";

  DiskOptions reader;
  reader.readOnly = true;
  reader.shared = Permissions::all();
  const DiskPtr looking = attach("r", "f", reader);
  EXPECT_EQ(modes(path), "r");

  DiskOptions sharing;
  sharing.shared = Permissions::all();
  const DiskPtr writer = attach("w", "f", sharing);
  untilModes(path, "w");
  EXPECT_TRUE(write(writer, 0, "abc").ok());
  EXPECT_EQ(read(looking, 0, 3), "abc");

  EXPECT_TRUE(run(graph_->removeDisk(writer, {})).ok());
  untilModes(path, "r");
  EXPECT_EQ(read(looking, 0, 3), "abc");
  EXPECT_TRUE(run(graph_->flush("f", {})).ok());
  EXPECT_FALSE(node->ledger().unflushed().any());
  const DiskPtr again = attach("w2", "f", sharing);
  EXPECT_TRUE(write(again, 4, "def").ok());
}

TEST_F(GraphFiles, WhatWasWrittenIsFlushedByTheDescriptorForReadingToo) {
  const std::string path = dir_.makeFile("a.raw", 65536);
  const NodePtr node = add(autoReadOnly("f", path));
  const DiskPtr writer = attach("w", "f");
  EXPECT_TRUE(write(writer, 0, "abc").ok());
  EXPECT_TRUE(run(graph_->removeDisk(writer, {})).ok());
  untilModes(path, "r");
  ASSERT_TRUE(node->ledger().unflushed().any());
  const auto flushed = run(graph_->flush("f", {}));
  ASSERT_TRUE(flushed.ok());
  EXPECT_FALSE(node->ledger().unflushed().any());
  ASSERT_TRUE(node->ledger().lastFlush().has_value());
}

TEST_F(GraphFiles, AWriterOfAFileThatMayOnlyBeReadIsRefusedByNameAndNothingChanges) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a file that it may not write, and become nobody";
  const std::string path = dir_.makeFile("a.raw", 65536);
  chmod(dir_.path().c_str(), 0755);
  chmod(path.c_str(), 0444);
  {
    const rhea::test::AsNobody nobody;
    add(autoReadOnly("f", path));
    const Result<DiskPtr> refused = run(graph_->addDisk(DiskOptions("w"), "f", {}));
    ASSERT_FALSE(refused.ok());
    const std::string said = refused.error().describe();
    EXPECT_NE(said.find("auto-read-only=on"), std::string::npos) << said;
    EXPECT_NE(said.find("cannot open '" + path + "' for writing"), std::string::npos) << said;
    EXPECT_NE(said.find("mode 0444"), std::string::npos) << said;
    DiskOptions reader;
    reader.readOnly = true;
    const DiskPtr disk = attach("r", "f", reader);
    EXPECT_EQ(read(disk, 0, 1), std::string(1, '\0'));
  }
  EXPECT_EQ(modes(path), "r");
}

TEST_F(GraphFiles, AFormatAboveThatMayWriteOpensItsFileForWriting) {
  const std::string path = dir_.makeFile("a.raw", 65536);
  add(autoReadOnly("f", path));
  NodeOptions reading = above("reading", "f", "format");
  reading.readOnly = true;
  add(reading);
  EXPECT_EQ(modes(path), "r");
  EXPECT_TRUE(run(graph_->removeNode("reading", {})).ok());
  add(above("writing", "f", "format"));
  untilModes(path, "w");
  EXPECT_TRUE(run(graph_->removeNode("writing", {})).ok());
  untilModes(path, "r");
}

TEST_F(GraphFiles, TheCacheModeChangesWithoutLosingWhatTheRightsNeed) {
  const std::string path = dir_.makeFile("a.raw", 65536);
  add(autoReadOnly("f", path));
  CacheRequest direct;
  direct.direct = true;
  ASSERT_TRUE(run(graph_->setCache("f", direct, {})).ok());
  EXPECT_EQ(modes(path), "r");
  const DiskPtr disk = attach("w", "f");
  untilModes(path, "w");
  EXPECT_TRUE(graph_->findNode("f")->isDirect());
  EXPECT_TRUE(write(disk, 0, "abc").ok());
  direct.direct = false;
  ASSERT_TRUE(run(graph_->setCache("w", direct, {})).ok());
  EXPECT_EQ(modes(path), "w");
  EXPECT_TRUE(write(disk, 4, "abc").ok());
}

TEST_F(GraphFiles, AReopenTurnsAutoReadOnlyOffAndOn) {
  const std::string path = dir_.makeFile("a.raw", 65536);
  add(autoReadOnly("f", path));
  ASSERT_TRUE(reopen(file("f", path)).ok());
  EXPECT_EQ(modes(path), "w");
  ASSERT_TRUE(reopen(autoReadOnly("f", path)).ok());
  EXPECT_EQ(modes(path), "r");
  const DiskPtr disk = attach("w", "f");
  untilModes(path, "w");
  ASSERT_TRUE(reopen(autoReadOnly("f", path)).ok());
  EXPECT_TRUE(write(disk, 0, "abc").ok());
}

// --- reopen

TEST_F(GraphFiles, AReopenMovesTheWindowOfRawWhileRequestsRun) {
  const std::string path = dir_.makeFile("a.raw", 65536);
  add(file("f", path));
  add(raw("r", "f", 4096, 8192));
  const DiskPtr disk = attach("d", "r");
  EXPECT_TRUE(write(disk, 0, "one").ok());
  ASSERT_TRUE(reopen(raw("r", "f", 8192, 4096)).ok());
  EXPECT_EQ(disk->length(), 4096U);
  EXPECT_TRUE(write(disk, 0, "two").ok());
  ASSERT_TRUE(reopen(raw("r", "f")).ok());
  EXPECT_EQ(disk->length(), 65536U);
  EXPECT_EQ(read(disk, 4096, 3), "one");
  EXPECT_EQ(read(disk, 8192, 3), "two");
  const Error refused = reopenError(raw("r", "f", 65536, 512));
  EXPECT_NE(refused.describe().find("size"), std::string::npos) << refused.describe();
  EXPECT_EQ(disk->length(), 65536U);
}

TEST_F(GraphFiles, AReopenLetsRawLeadToAnotherFile) {
  add(file("a", dir_.makeFile("a.raw", 65536, 1)));
  add(file("b", dir_.makeFile("b.raw", 32768, 2)));
  add(raw("r", "a"));
  const DiskPtr disk = attach("d", "r");
  EXPECT_EQ(read(disk, 0, 1), "\x01");
  ASSERT_TRUE(reopen(raw("r", "b")).ok());
  EXPECT_EQ(read(disk, 0, 1), "\x02");
  EXPECT_EQ(disk->length(), 32768U);
  EXPECT_TRUE(run(graph_->removeNode("a", {})).ok());
  // A window that the other file has no room for.
  add(file("a", dir_.makeFile("c.raw", 4096, 3)));
  ASSERT_TRUE(reopen(raw("r", "b", 0, 32768)).ok());
  const Error refused = reopenError(raw("r", "a", 0, 32768));
  EXPECT_NE(refused.message().find("does not fit"), std::string::npos) << refused.describe();
  EXPECT_EQ(read(disk, 0, 1), "\x02");
}

TEST_F(GraphFiles, ARefusedReopenSaysWhichKeyAndWhy) {
  const std::string path = dir_.makeFile("a.raw", 65536);
  add(file("f", path));
  EXPECT_EQ(reopenError(file("f", dir_.makeFile("b.raw", 65536))).whereText(), "filename");
  NodeOptions shared = file("f", path);
  shared.readOnly = true;
  shared.forceShare = true;
  EXPECT_NE(reopenError(shared).message().find("'force-share' of node 'f'"), std::string::npos);
  add(raw("r", "f"));
  NodeOptions none = raw("r", "f");
  none.children.front() = ChildOptions::none("file");
  EXPECT_NE(reopenError(none).message().find("'file' of node 'r'"), std::string::npos);
  NodeOptions other = raw("r", "f");
  other.driver = "pass";
  EXPECT_NE(reopenError(other).message().find("'driver' of node 'r'"), std::string::npos);
}

// --- a host that hangs

TEST_F(GraphFiles, AnImageLockThatHangsStopsNoOtherChangeOfTheGraph) {
  FrozenFs host;
  if (!host.ok()) GTEST_SKIP() << host.why();
  add(file("hung", host.makeFile("a.raw", 65536)));
  host.freeze(FrozenFs::kLock);
  const auto attaching = start(graph_->addDisk(DiskOptions("h"), "hung", {}));
  until([&] { return host.held() > 0; });
  const auto before = Clock::now();
  add(file("f", dir_.makeFile("b.raw", 65536)));
  const DiskPtr disk = attach("d", "f");
  EXPECT_TRUE(write(disk, 0, "abc").ok());
  EXPECT_TRUE(run(graph_->removeDisk(disk, {})).ok());
  EXPECT_TRUE(run(graph_->removeNode("f", {})).ok());
  EXPECT_LT(Clock::now() - before, std::chrono::seconds(2));
  EXPECT_FALSE(attaching->has_value());
  // Who wants the same node waits, and may give up.
  ChangeContext impatient("test", soon());
  EXPECT_FALSE(run(graph_->addDisk(DiskOptions("h2"), "hung", impatient)).ok());
  host.thaw();
  until([&] { return attaching->has_value(); });
  EXPECT_TRUE((*attaching)->ok());
}

TEST_F(GraphFiles, ANodeWhoseLockHangsClosesWhenTheHostAnswers) {
  FrozenFs host;
  if (!host.ok()) GTEST_SKIP() << host.why();
  add(autoReadOnly("hung", host.makeFile("a.raw", 65536)));
  host.freeze(FrozenFs::kLock);
  const auto attaching = start(graph_->addDisk(DiskOptions("h"), "hung", {}));
  until([&] { return host.held() > 0; });
  const auto removing = start(graph_->removeNode("hung", {}));
  static_cast<void>(run(loop_->sleep(std::chrono::milliseconds(20))));
  EXPECT_FALSE(removing->has_value());
  host.thaw();
  until([&] { return attaching->has_value() && removing->has_value(); });
  EXPECT_FALSE((*attaching)->ok()) << "the node was being closed";
  EXPECT_TRUE((*removing)->ok());
}

}  // namespace
}  // namespace rhea::block::test
