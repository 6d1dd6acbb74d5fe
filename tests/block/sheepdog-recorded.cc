// Conversations that another client (QEMU 5.2) had with daemons of 1.0 and of 0.9.5 with an object cache, recorded on
// the wire, beside what this client says to do the same: sheepdog-recordings.h has both, as differences between them,
// and docs/drivers/sheepdog.md says why they differ. Identifiers of requests are the client's own, and are left out.
#include "tests/block/sheepdog-recordings.h"
#include "tests/block/sheepdog-support.h"

namespace rhea::block::test {
namespace {

constexpr std::uint64_t kRecordedSize = std::uint64_t{64} << 20U;
constexpr std::size_t kShownPayload = 8;  // bytes, without zeroes at the end

std::string hexOf(std::span<const std::byte> bytes) {
  std::string hex;
  for (const std::byte each : bytes) hex += fmt::format("{:02x}", std::to_integer<unsigned>(each));
  return hex;
}

// The header, and the beginning of the payload where it is no data of the guest's.
std::string lineOf(const SheepSeen& seen) {
  sheepdog::Request request;
  request.op = static_cast<Op>(seen.request.op);
  request.version = seen.request.version;
  request.flags = seen.request.flags;
  request.dataLength = seen.request.dataLength;
  request.specific = seen.request.specific;
  std::span<const std::byte> payload = seen.request.payload;
  payload = payload.first(std::min(payload.size(), kShownPayload));
  while (!payload.empty() && payload.back() == std::byte{0}) payload = payload.first(payload.size() - 1);
  const std::string header = hexOf(request.encode(0));
  return payload.empty() ? header : header + " " + hexOf(payload);
}

// Of a difference: what is said here.
std::vector<std::string> oursOf(std::string_view difference) {
  std::vector<std::string> lines;
  while (!difference.empty()) {
    const std::size_t end = difference.find('\n');
    const std::string_view line = difference.substr(0, end);
    if (line.starts_with(' ') || line.starts_with('+')) lines.emplace_back(line.substr(1));
    difference.remove_prefix(end == std::string_view::npos ? difference.size() : end + 1);
  }
  return lines;
}

class SheepdogRecorded : public SheepdogTest {
 protected:
  using Action = std::function<void(SheepdogRecorded&)>;
  struct Step {
    const char* name;  // of the recording
    Action action;
  };

  void useAs(const std::string& mode) {
    const DiskPtr disk = open("cache=" + mode, "q1");
    EXPECT_TRUE(write(disk, 0x100000, 65536, 0x5a).ok());
    EXPECT_TRUE(write(disk, 0x120000, 4096, 0x5b).ok());
    EXPECT_TRUE(reads(disk, 0x100000, 4096, 0x5a));
    EXPECT_TRUE(run(disk->flush()).ok());
    close(disk);
  }
  void list() {
    const DiskPtr disk = open("read-only=on,cache=writeback", "q1");
    EXPECT_TRUE(run(driver(disk).snapshots()).ok());
    close(disk);
  }
  void discard() {
    const DiskPtr disk = open("cache=none,discard=unmap", "q1");
    EXPECT_TRUE(write(disk, kObject, 2 * kObject, 1).ok());
    EXPECT_TRUE(run(disk->discard(Extent(kObject, kObject))).ok());
    EXPECT_TRUE(run(disk->discard(Extent(2 * kObject + (1 << 20), 1 << 20))).ok()) << "no whole object";
    EXPECT_TRUE(run(disk->writeZeroes(Extent(2 * kObject, kObject), WriteFlags())).ok());
    EXPECT_TRUE(reads(disk, kObject, kObject, 0));
    close(disk);
  }
  void overwriteWhatASnapshotHas() {
    const DiskPtr disk = open("cache=none", "q1");
    EXPECT_TRUE(write(disk, 0x100000, 4096, 0x77).ok());
    EXPECT_TRUE(reads(disk, 0x101000, 4096, 0x5a));
    close(disk);
  }
  void readSnapshot() {
    const DiskPtr disk = open("read-only=on,cache=writeback", "q1#snapQ");
    EXPECT_TRUE(reads(disk, 0x100000, 65536, 0x5a));
    close(disk);
  }
  // Opens the disk as rhea-img does.
  void change(const std::function<Task<Result<void>>(SheepdogDriver&)>& what) {
    const DiskPtr disk = open("cache=writeback", "q1");
    const Result<void> done = run(what(driver(disk)));
    EXPECT_TRUE(done.ok()) << done.error().describe();
    close(disk);
  }
  void clone() {
    auto wish = creation("q3", kRecordedSize);
    wish.backingFile = "sheepdog:q1#snapQ";
    EXPECT_TRUE(create(wish).ok());
  }
  // Asks for objects of 8 MiB, which daemons before 1.0 do not make.
  void createWithOptions() {
    auto wish = creation("q2", kRecordedSize);
    wish.objectSize = std::uint64_t{8} << 20U;
    wish.redundancy.emplace();
    wish.redundancy->type = qapi::SheepdogRedundancyType::full;
    qapi::SheepdogRedundancyFull full;
    full.copies = 1;
    wish.redundancy->u = full;
    EXPECT_EQ(create(wish).ok(), cluster().setting.era == SheepEra::k10);
  }

  static std::vector<Step> steps() {
    std::vector<Step> all;
    const auto add = [&all](const char* name, Action action) { all.push_back({name, std::move(action)}); };
    add("create", [](auto& t) { EXPECT_TRUE(t.create(t.creation("q1", kRecordedSize)).ok()); });
    add("info", [](auto& t) { t.list(); });
    for (const char* mode : {"writeback", "writethrough", "none", "directsync", "unsafe"}) {
      add(mode, [mode](auto& t) { t.useAs(mode); });
    }
    add("discard", [](auto& t) { t.discard(); });
    add("snapshot", [](auto& t) {
      SnapshotInfo info;
      info.name = "snapQ";
      t.change([info](SheepdogDriver& driver) { return driver.createSnapshot(info); });
    });
    add("snaplist", [](auto& t) { t.list(); });
    add("cow", [](auto& t) { t.overwriteWhatASnapshotHas(); });
    add("snapread", [](auto& t) { t.readSnapshot(); });
    add("resize", [](auto& t) {
      t.change([](SheepdogDriver& driver) { return driver.resize(2 * kRecordedSize, Preallocation::kOff); });
    });
    add("create_opts", [](auto& t) { t.createWithOptions(); });
    add("clone", [](auto& t) { t.clone(); });
    add("snapapply",
        [](auto& t) { t.change([](SheepdogDriver& driver) { return driver.revertToSnapshot("snapQ"); }); });
    add("after_apply", [](auto& t) {
      const DiskPtr disk = t.open("cache=none", "q1");
      EXPECT_TRUE(t.write(disk, 0x200000, 4096, 0x66).ok());
      t.close(disk);
    });
    add("snapdel", [](auto& t) { t.change([](SheepdogDriver& driver) { return driver.deleteSnapshot("snapQ"); }); });
    return all;
  }

  void hold(SheepEra era, std::span<const Recording> recordings) {
    SheepSetting setting;
    setting.era = era;
    begin(setting, era == SheepEra::k09);
    const std::vector<Step> all = steps();
    for (std::size_t i = 0; i < all.size(); ++i) {
      SCOPED_TRACE(all[i].name);
      sheep().clearLog();
      all[i].action(*this);
      std::vector<std::string> said;
      for (const SheepSeen& seen : sheep().log()) said.push_back(lineOf(seen));
      ASSERT_LT(i, recordings.size());
      ASSERT_STREQ(recordings[i].name, all[i].name);
      EXPECT_EQ(said, oursOf(recordings[i].difference));
    }
    EXPECT_EQ(all.size(), recordings.size());
  }
};

TEST_F(SheepdogRecorded, with09AndAnObjectCache) { hold(SheepEra::k09, kRecordedWith09); }

TEST_F(SheepdogRecorded, with10) { hold(SheepEra::k10, kRecordedWith10); }

}  // namespace
}  // namespace rhea::block::test
