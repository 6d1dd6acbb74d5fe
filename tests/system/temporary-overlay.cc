// snapshot=on: what is written goes to an overlay that goes with the drive; the image is only read, and nothing is left
// behind.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "emu/base/files.h"
#include "tests/lib/command.h"
#include "tests/lib/emulator.h"
#include "tests/lib/mounted.h"

namespace rhea::test {
namespace {

constexpr std::uintmax_t kSize = 1 << 20;

class TemporaryOverlays : public testing::Test {
 protected:
  TemporaryOverlays() { useFolder(folder_.path()); }
  ~TemporaryOverlays() override {
    if (before_) {
      setenv("TMPDIR", before_->c_str(), 1);
    } else {
      unsetenv("TMPDIR");
    }
  }
  static void useFolder(const std::string& path) { setenv("TMPDIR", path.c_str(), 1); }
  std::string drive(const std::string& id, const std::string& more = ",snapshot=on") const {
    return fmt::format("if=none,id={},format=raw,file={}{}", id, image_, more);
  }
  static std::string human(QmpClient& client, const std::string& line) {
    return std::string(
        client.returned("human-monitor-command", fmt::format(R"({{"command-line": "{}"}})", line)).asString());
  }
  // The medium of the `which`-th drive, as query-block has it.
  static json::Value inserted(QmpClient& client, std::size_t which) {
    const json::Value drives = client.returned("query-block");
    for (const json::View drive : drives.items()) {
      if (which-- == 0) return json::Value(drive.find("inserted").value());
    }
    return {};
  }
  static std::string filesOpenIn(pid_t pid, const std::string& folder) {
    std::string flags;
    for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
      std::error_code gone;
      const std::string target = std::filesystem::read_symlink(entry.path(), gone);
      if (!target.starts_with(folder + "/") || !target.ends_with(" (deleted)")) continue;
      const Result<std::string> info =
          readFile(fmt::format("/proc/{}/fdinfo/{}", pid, entry.path().filename().string()), 4096);
      if (info.ok()) flags += info->substr(info->find("flags:") + 7, info->find("\nmnt") - info->find("flags:") - 7);
      flags += ";";
    }
    return flags;
  }
  // But for the folders of the programs under test, which are made there too.
  bool isFolderEmpty() const {
    const std::filesystem::directory_iterator all(folder_.path());
    return std::none_of(begin(all), end(all), [](const auto& entry) { return !entry.is_directory(); });
  }
  bool isImageUntouched() const { return *readFile(image_, 2 * kSize) == std::string(kSize, 'b'); }

  // Made before TMPDIR is another one.
  TempDir images_;
  TempDir folder_;
  std::string image_ = images_.makeFile("a.raw", kSize, 'b');
  std::optional<std::string> before_ =
      std::getenv("TMPDIR") == nullptr ? std::nullopt : std::optional<std::string>(std::getenv("TMPDIR"));
};

TEST_F(TemporaryOverlays, TakeWhatIsWrittenAndTheImageStaysAsItIs) {
  Emulator emulator({"-drive", drive("d0")});
  const auto client = emulator.connect();
  EXPECT_EQ(human(*client, "qemu-io d0 \\\"write -P 0x77 64k 64k\\\"").find("wrote 65536/65536"), 0U);
  EXPECT_EQ(human(*client, "qemu-io d0 \\\"read -P 0x77 64k 64k\\\"").find("read 65536/65536"), 0U);
  EXPECT_EQ(human(*client, "qemu-io d0 \\\"read -P 0x62 0 64k\\\"").find("read 65536/65536"), 0U);
  EXPECT_TRUE(isImageUntouched());
  const json::Value medium = inserted(*client, 0);
  EXPECT_EQ(medium.find("drv")->asString(), "qcow2");
  EXPECT_EQ(medium.find("backing_file")->asString(), image_);
  const std::string shown = human(*client, "info block d0");
  EXPECT_NE(shown.find("deleted"), std::string::npos) << shown;
  EXPECT_NE(shown.find("Backing file: " + image_), std::string::npos) << shown;
  EXPECT_NE(human(*client, "info durability d0").find("temporary overlay"), std::string::npos);
  client->returned("quit");
  EXPECT_EQ(emulator.wait(10), 0);
  EXPECT_TRUE(isImageUntouched());
  EXPECT_TRUE(isFolderEmpty());
}

TEST_F(TemporaryOverlays, LeaveNothingBehindAfterKillNine) {
  Emulator emulator({"-drive", drive("d0")});
  const auto client = emulator.connect();
  human(*client, "qemu-io d0 \\\"write 0 1M\\\"");
  human(*client, "qemu-io d0 flush");
  EXPECT_TRUE(isFolderEmpty()) << "the file has no name while it is in use";
  EXPECT_NE(filesOpenIn(emulator.pid(), folder_.path()), "");
  kill(emulator.pid(), SIGKILL);
  EXPECT_EQ(emulator.wait(10), 128 + SIGKILL);
  EXPECT_TRUE(isFolderEmpty());
  EXPECT_TRUE(isImageUntouched());
}

TEST_F(TemporaryOverlays, GoWithTheirDrive) {
  Emulator emulator;
  const auto client = emulator.connect();
  EXPECT_EQ(human(*client, "drive_add 0 " + drive("d0")), "OK\r\n");
  EXPECT_EQ(human(*client, "drive_add 0 " + drive("d1")), "OK\r\n") << "the image is only read: two may";
  EXPECT_EQ(human(*client, "drive_del d0"), "");
  EXPECT_EQ(human(*client, "drive_del d1"), "");
  EXPECT_EQ(client->returned("query-named-block-nodes", R"({"flat": true})").size(), 0U);
  EXPECT_EQ(filesOpenIn(emulator.pid(), folder_.path()), "");
}

TEST_F(TemporaryOverlays, FollowTheCacheModeOfTheirDrive) {
  struct Row {
    std::string mode;
    bool direct;
    bool noFlush;
  };
  // Nothing of an overlay is kept, so that write-back needs no flush; write-through waits as it was asked to.
  const std::vector<Row> rows{{"writeback", false, true},
                              {"none", true, true},
                              {"writethrough", false, false},
                              {"directsync", true, false},
                              {"unsafe", false, true}};
  Emulator emulator;
  const auto client = emulator.connect();
  for (const Row& row : rows) {
    const std::string said = human(*client, "drive_add 0 " + drive("d0", ",snapshot=on,cache=" + row.mode));
    if (said.find("refuses direct I/O") != std::string::npos) GTEST_SKIP() << said;
    EXPECT_EQ(said, "OK\r\n") << row.mode;
    const json::Value medium = inserted(*client, 0);
    const json::View cache = medium.find("cache").value();
    EXPECT_EQ(cache.find("direct")->asBool(), row.direct) << row.mode;
    EXPECT_EQ(cache.find("no-flush")->asBool(), row.noFlush) << row.mode;
    const std::string flags = filesOpenIn(emulator.pid(), folder_.path());
    const std::uint64_t direct = std::stoull(flags, nullptr, 8) & static_cast<unsigned>(O_DIRECT);
    EXPECT_EQ(direct != 0, row.direct) << row.mode << ": " << flags;
    human(*client, "drive_del d0");
  }
}

TEST_F(TemporaryOverlays, AreMadeForAllDrivesByOneOption) {
  const std::string other = images_.makeFile("b.raw", kSize, 'c');
  const std::string third = images_.makeFile("c.raw", kSize, 'd');
  Emulator emulator({"-snapshot", "-drive", drive("d0", ""), "-drive",
                     fmt::format("if=none,id=d1,format=raw,file={},snapshot=off", other), "-drive",
                     fmt::format("if=none,id=d2,format=raw,file={},readonly=on", third)});
  const auto client = emulator.connect();
  human(*client, "qemu-io d0 \\\"write -P 1 0 1M\\\"");
  human(*client, "qemu-io d1 \\\"write -P 1 0 1M\\\"");
  EXPECT_EQ(inserted(*client, 2).find("drv")->asString(), "raw") << "to what can only be read nothing is written";
  EXPECT_TRUE(isImageUntouched());
  EXPECT_EQ(*readFile(other, 2 * kSize), std::string(kSize, 1));
}

TEST_F(TemporaryOverlays, StandOnImagesOfAnyFormatAndLength) {
  const std::string odd = images_.makeFile("odd.raw", 1000, 'o');
  const std::string chain = images_.file("chain.qcow2");
  const std::string tool = (std::filesystem::path(Emulator::program()).parent_path() / "rhea-img").string();
  ASSERT_EQ(run(fmt::format("{} create -q -f qcow2 -b {} -F raw {}", tool, image_, chain)).status, 0);
  const std::string before = *readFile(chain, 2 * kSize);
  Emulator emulator({"-drive", "if=none,id=d0,snapshot=on,file=" + chain, "-drive",
                     "if=none,id=d1,snapshot=on,format=raw,file=" + odd});
  const auto client = emulator.connect();
  EXPECT_EQ(human(*client, "qemu-io d0 \\\"write -P 1 0 4k\\\"").find("wrote 4096/4096"), 0U);
  EXPECT_EQ(human(*client, "qemu-io d0 \\\"read -P 0x62 4k 4k\\\"").find("read 4096/4096"), 0U);
  EXPECT_EQ(human(*client, "qemu-io d1 \\\"write -P 1 0 512\\\"").find("wrote 512/512"), 0U);
  EXPECT_EQ(human(*client, "qemu-io d1 \\\"read -P 0x6f 512 488\\\"").find("read 488/488"), 0U);
  client->returned("quit");
  EXPECT_EQ(emulator.wait(10), 0);
  EXPECT_EQ(*readFile(chain, 2 * kSize), before);
  EXPECT_EQ(*readFile(odd, 2 * kSize), std::string(1000, 'o'));
}

TEST_F(TemporaryOverlays, AreDescribedWithTheImageBehindThemUnlessAskedForFlat) {
  Emulator emulator({"-drive", drive("d0")});
  const auto client = emulator.connect();
  for (const bool flat : {false, true}) {
    const json::Value nodes =
        client->returned("query-named-block-nodes", fmt::format("{{\"flat\": {}}}", flat ? "true" : "false"));
    bool nested = false;
    for (const json::View node : nodes.items())
      nested = nested || node.find("image")->find("backing-image").has_value();
    EXPECT_EQ(nested, !flat);
    EXPECT_EQ(nodes.size(), 4U);
  }
  EXPECT_NE(human(*client, "info graph").find("backing"), std::string::npos);
}

TEST_F(TemporaryOverlays, NameTheFolderThatIsMissing) {
  useFolder(folder_.file("nowhere"));
  std::filesystem::create_directory(folder_.file("nowhere"));
  Emulator emulator;
  const auto client = emulator.connect();
  std::filesystem::rename(folder_.file("nowhere"), folder_.file("elsewhere"));
  const std::string said = human(*client, "drive_add 0 " + drive("d0"));
  EXPECT_NE(said.find(folder_.file("nowhere")), std::string::npos) << said;
  EXPECT_NE(said.find("TMPDIR"), std::string::npos) << said;
  EXPECT_EQ(client->returned("query-block").size(), 0U);
  EXPECT_EQ(client->returned("query-named-block-nodes", R"({"flat": true})").size(), 0U) << "the image is closed again";
}

TEST_F(TemporaryOverlays, NameTheFolderThatIsFull) {
  const Mounted small("tmpfs", "size=8k");
  if (!small.ok()) GTEST_SKIP() << small.why();
  useFolder(small.dir().path());
  Emulator emulator;
  const auto client = emulator.connect();
  const std::string said = human(*client, "drive_add 0 " + drive("d0"));
  EXPECT_NE(said.find("No space left"), std::string::npos) << said;
  EXPECT_NE(said.find(small.dir().path()), std::string::npos) << said;
  EXPECT_EQ(client->returned("query-named-block-nodes", R"({"flat": true})").size(), 0U);
}

}  // namespace
}  // namespace rhea::test
