// Conversations that another client had with daemons of 1.0 and 0.9.5 (with object cache), recorded on the wire: this
// client says the same, byte for byte, but for what docs/drivers/sheepdog.md lists. Identifiers of requests are the
// client's own and left out; so is what is said about the inode at the opening, which is read in two parts here.
#include "block/driver/sheepdog/create.h"
#include "tests/block/sheepdog-support.h"

namespace rhea::block::test {
namespace {

constexpr std::uint64_t kRecordedSize = std::uint64_t{64} << 20U;

std::string hexOf(const SheepSeen& seen) {
  sheepdog::Request request;
  request.op = static_cast<Op>(seen.request.op);
  request.version = seen.request.version;
  request.flags = seen.request.flags;
  request.dataLength = seen.request.dataLength;
  request.specific = seen.request.specific;
  std::string hex;
  for (const std::byte each : request.encode(0)) hex += fmt::format("{:02x}", std::to_integer<unsigned>(each));
  return hex;
}

// As recorded, with identifier 0.
constexpr const char* kLock =
    "011201000000000000000000000200000000000000000000000000000000000000000000000000000000000000000000";
constexpr const char* kRelease =
    "00130100000000000000000003000000000000000000000097d472000000000000000000000000000000000000000000";
constexpr const char* kCreateCached =
    "000105000000000000000000000001000000000097d47200000000000000000001000000000000000000100000000000";
constexpr const char* kSlotCached =
    "000305000000000000000000040000000000000097d47280000000000000000001000000000000003812000000000000";
constexpr const char* kFirstCached =
    "000305000000000000000000000001000000000097d47200000000000000000001000000000000000000100000000000";
constexpr const char* kSecondCached =
    "000305000000000000000000001000000000000097d47200000000000000000001000000000000000000120000000000";
constexpr const char* kReadCached =
    "000204000000000000000000001000000000000097d47200000000000000000001000000000000000000100000000000";
constexpr const char* kFlush =
    "001604000000000000000000000000000000000097d47280000000000000000001000000000000000000000000000000";
constexpr const char* kFirstDirect =
    "000309000000000000000000000001000000000097d47200000000000000000001000000000000000000100000000000";
constexpr const char* kSecondDirect =
    "000309000000000000000000001000000000000097d47200000000000000000001000000000000000000120000000000";
constexpr const char* kReadDirect =
    "000208000000000000000000001000000000000097d47200000000000000000001000000000000000000100000000000";

struct Conversation {
  SheepEra era;
  const char* mode;
  bool fresh;                         // the object is not there yet
  std::vector<const char*> requests;  // between the opening and the release
};

class SheepdogRecorded : public SheepdogTest {
 protected:
  void beginAs(SheepEra era) {
    SheepSetting setting;
    setting.era = era;
    begin(setting, era == SheepEra::k09);
  }
  // What was said but for reads of the inode at the opening.
  std::vector<std::string> said() {
    std::vector<std::string> lines;
    for (const SheepSeen& seen : sheep().log()) {
      const bool inode = seen.request.op == 2 && (seen.request.oid() & sheepdog::kInodeBit) != 0;
      if (!inode) lines.push_back(hexOf(seen));
    }
    return lines;
  }
};

TEST_F(SheepdogRecorded, readsAndWritesOfEachMode) {
  const std::vector<Conversation> all = {
      {SheepEra::k09, "writeback", true, {kCreateCached, kSlotCached, kSecondCached, kReadCached, kFlush}},
      {SheepEra::k09, "writethrough", false, {kFirstCached, kFlush, kSecondCached, kFlush, kReadCached}},
      {SheepEra::k09, "none", false, {kFirstDirect, kSecondDirect, kReadDirect}},
      {SheepEra::k09, "directsync", false, {kFirstDirect, kSecondDirect, kReadDirect}},
      {SheepEra::k09, "unsafe", false, {kFirstCached, kSecondCached, kReadCached}},
      {SheepEra::k10, "writeback", true, {kCreateCached, kSlotCached, kSecondCached, kReadCached, kFlush}},
      {SheepEra::k10, "writethrough", false, {kFirstCached, kFlush, kSecondDirect, kReadDirect}},
      {SheepEra::k10, "none", false, {kFirstDirect, kSecondDirect, kReadDirect}},
      {SheepEra::k10, "directsync", false, {kFirstDirect, kSecondDirect, kReadDirect}},
      {SheepEra::k10, "unsafe", false, {kFirstCached, kSecondCached, kReadCached}},
  };
  std::optional<SheepEra> era;
  for (const Conversation& each : all) {
    SCOPED_TRACE(fmt::format("{} {}", static_cast<int>(each.era), each.mode));
    if (era != each.era) {
      beginAs(each.era);
      makeVdi("q1", kRecordedSize);
      era = each.era;
    }
    sheep().clearLog();
    DiskPtr disk = open("q1", fmt::format("cache={}", each.mode));
    ASSERT_NE(disk, nullptr);
    ASSERT_TRUE(write(disk, 0x100000, 65536, 0x5a).ok());
    ASSERT_TRUE(write(disk, 0x120000, 4096, 0x5b).ok());
    EXPECT_TRUE(reads(disk, 0x100000, 4096, 0x5a));
    ASSERT_TRUE(run(disk->flush()).ok());
    close(std::move(disk));
    std::vector<std::string> expected = {kLock};
    expected.insert(expected.end(), each.requests.begin(), each.requests.end());
    expected.emplace_back(kRelease);
    EXPECT_EQ(said(), expected);
    // The names that went with the first and the last.
    const std::vector<SheepSeen> log = sheep().log();
    EXPECT_EQ(log.front().request.payload, sheepdog::namePayload("q1", ""));
    EXPECT_EQ(log.back().request.payload, (std::vector<std::byte>{std::byte{'q'}, std::byte{'1'}, std::byte{0}}));
  }
}

TEST_F(SheepdogRecorded, aWriteIntoWhatASnapshotOwns) {
  beginAs(SheepEra::k10);
  makeVdi("q1", kRecordedSize);
  {
    const DiskPtr disk = open("q1", "cache=none");
    ASSERT_TRUE(write(disk, 0x100000, 65536, 0x5a).ok());
    close(disk);
    const std::lock_guard lock(cluster().guard);
    ASSERT_EQ(cluster().takeSnapshot("q1", "s"), 0x72d498U);
  }
  sheep().clearLog();
  const DiskPtr disk = open("q1", "cache=none");
  ASSERT_NE(disk, nullptr);
  ASSERT_TRUE(write(disk, 0x100000, 4096, 0x77).ok());
  EXPECT_TRUE(reads(disk, 0x101000, 4096, 0x5a));
  close(disk);
  const std::vector<std::string> expected = {
      kLock,
      "00010b000000000000000000001000000000000098d472000000000097d4720001000000000000000000100000000000",
      "000309000000000000000000040000000000000098d47280000000000000000001000000000000003812000000000000",
      "000208000000000000000000001000000000000098d47200000000000000000001000000000000000010100000000000",
      "00130100000000000000000003000000000000000000000098d472000000000000000000000000000000000000000000",
  };
  EXPECT_EQ(said(), expected);
}

TEST_F(SheepdogRecorded, making) {
  for (const SheepEra era : {SheepEra::k09, SheepEra::k10}) {
    beginAs(era);
    qapi::BlockdevCreateOptionsSheepdog options;
    options.location.server.type = qapi::SocketAddressType::inet;
    qapi::SocketAddressInet inet;
    inet.host = "127.0.0.1";
    inet.port = std::to_string(sheep().port());
    options.location.server.u = inet;
    options.location.vdi = "q1";
    options.size = kRecordedSize;
    const auto create = [&](qapi::BlockdevCreateOptionsSheepdog wish) {
      Progress progress;
      CreateContext context(*loop_, services_, progress);
      return run(sheepdogDriver().create(context, DriverOptions::of(std::move(wish))));
    };
    ASSERT_TRUE(create(options).ok());
    std::vector<std::string> expected = {
        "011800000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        "001101000000000000000000000100000000000400000000000000000000001600000000000000000000000000000000"};
    EXPECT_EQ(said(), expected);
    EXPECT_EQ(sheep().log().back().request.payload, sheepdog::namePayload("q1"));
    if (era != SheepEra::k10) continue;
    // With redundancy=1,object_size=8M nothing is asked for first.
    sheep().clearLog();
    options.location.vdi = "q2";
    options.objectSize = std::uint64_t{8} << 20U;
    options.redundancy.emplace();
    options.redundancy->type = qapi::SheepdogRedundancyType::full;
    qapi::SheepdogRedundancyFull full;
    full.copies = 1;
    options.redundancy->u = full;
    ASSERT_TRUE(create(options).ok());
    expected = {"001101000000000000000000000100000000000400000000000000000100001700000000000000000000000000000000"};
    EXPECT_EQ(said(), expected);
  }
}

// The parts of recorded conversations that are the same, where the whole is not: what is written to the index, and what
// is given back at the end.
TEST_F(SheepdogRecorded, objectsThatAreMadeAndGivenBack) {
  beginAs(SheepEra::k10);
  makeVdi("q1", kRecordedSize);
  const DiskPtr disk = open("q1", "cache=none,discard=unmap");
  ASSERT_NE(disk, nullptr);
  sheep().clearLog();
  ASSERT_TRUE(write(disk, kObject, 2 * kObject, 1).ok());
  ASSERT_TRUE(run(disk->discard(Extent(kObject, kObject))).ok());
  ASSERT_TRUE(run(disk->writeZeroes(Extent(2 * kObject, kObject), WriteFlags())).ok());
  const std::vector<std::string> lines = said();
  const std::vector<std::string> expected = {
      "000109000000000000000000000040000100000097d47200000000000000000001000000000000000000000000000000",
      "000309000000000000000000040000000000000097d47280000000000000000001000000000000003c12000000000000",
      "000109000000000000000000000040000200000097d47200000000000000000001000000000000000000000000000000",
      "000309000000000000000000040000000000000097d47280000000000000000001000000000000004012000000000000",
      "000309000000000000000000040000000000000097d47280000000000000000001000000000000003c12000000000000",
      "000309000000000000000000000040000200000097d47200000000000000000001000000000000000000000000000000",
  };
  EXPECT_EQ(lines, expected);
}

}  // namespace
}  // namespace rhea::block::test
