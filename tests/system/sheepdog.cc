// A disk of a Sheepdog cluster behind the whole program and its monitor: the double of the daemons.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "tests/lib/command.h"
#include "tests/lib/emulator.h"
#include "tests/lib/sheepdog-double.h"
#include "tests/lib/temp-dir.h"

namespace rhea::test {

namespace {

class SheepdogSystem : public testing::Test {
 protected:
  std::string node(const std::string& name) const {
    return R"({"driver": "sheepdog", "node-name": "n0", "vdi": ")" + name +
           R"(", "server": {"type": "inet", "host": "127.0.0.1", "port": ")" + std::to_string(sheep_.port()) + R"("}})";
  }
  void makeVdi(const std::string& name, std::uint64_t bytes) {
    const std::lock_guard lock(cluster_->guard);
    ASSERT_NE(cluster_->makeVdi(name, bytes), 0U);
  }
  static std::string human(QmpClient& qmp, const std::string& line) {
    return std::string(qmp.returned("human-monitor-command", R"({"command-line": ")" + line + R"("})").asString());
  }

  std::shared_ptr<SheepCluster> cluster_ = std::make_shared<SheepCluster>();
  SheepdogDouble sheep_{cluster_};
};

TEST_F(SheepdogSystem, aDiskIsAddedToldOfResizedAndTakenAway) {
  makeVdi("vm", 64 << 20);
  const Emulator rhea({"-drive", "if=none,id=d0,format=raw,file=" + sheep_.uri("vm")});
  const auto qmp = rhea.connect();
  const json::Value blocks = qmp->returned("query-block");
  const std::string told = blocks.text();
  EXPECT_NE(told.find(sheep_.uri("vm")), std::string::npos) << told;
  EXPECT_NE(human(*qmp, "io d0 \\\"write -P 7 0 64k\\\"").find("wrote 65536/65536"), std::string::npos);
  EXPECT_NE(human(*qmp, "io d0 \\\"read -P 7 0 64k\\\"").find("read 65536/65536"), std::string::npos);
  qmp->returned("block_resize", R"({"device": "d0", "size": 134217728})");
  const std::string durability = human(*qmp, "info durability d0");
  EXPECT_NE(durability.find("Sheepdog 1.0 or later"), std::string::npos) << durability;
  const std::string statistics = qmp->returned("query-blockstats", R"({"query-nodes": true})").text();
  EXPECT_NE(statistics.find("connections-lost"), std::string::npos) << statistics;
  human(*qmp, "drive_del d0");
  const std::lock_guard lock(cluster_->guard);
  EXPECT_EQ(cluster_->inode(cluster_->lookUp("vm")).get<std::uint64_t>(536), 134217728U);
}

TEST_F(SheepdogSystem, aDiskIsMadeByAJob) {
  const Emulator rhea;
  const auto qmp = rhea.connect();
  const std::string location = R"({"vdi": "new", "server": {"type": "inet", "host": "127.0.0.1", "port": ")" +
                               std::to_string(sheep_.port()) + R"("}})";
  qmp->returned("blockdev-create",
                R"({"job-id": "j", "options": {"driver": "sheepdog", "size": 8388608, "location": )" + location + "}}");
  ASSERT_TRUE(qmp->event([](json::View event) {
    return event.find("event")->asString() == "JOB_STATUS_CHANGE" &&
           event.find("data")->find("status")->asString() == "concluded";
  }));
  const std::string jobs = qmp->returned("query-jobs").text();
  EXPECT_EQ(jobs.find("error"), std::string::npos) << jobs;
  const std::lock_guard lock(cluster_->guard);
  EXPECT_NE(cluster_->lookUp("new"), 0U);
}

// The gateway is gone: its disk waits and is shown, a deadline ends the wait for it, and everybody else goes on.
TEST_F(SheepdogSystem, aDeadGatewayKeepsNobodyButItsDisk) {
  makeVdi("vm", 64 << 20);
  const Emulator rhea({"-quit-timeout", "1", "-drive", "if=none,id=d0,format=raw,file=" + sheep_.uri("vm"), "-drive",
                       "if=none,id=d1,driver=null-co,size=1M"});
  const auto qmp = rhea.connect();
  const auto other = rhea.connect();
  human(*qmp, "io d0 \\\"write 0 64k\\\"");
  sheep_.stop();
  qmp->send(R"({"execute": "human-monitor-command", "arguments": {"command-line": "io d0 \"write 0 4k\""}})"
            "\n");
  std::string stuck;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (stuck.find("sheepdog://") == std::string::npos && std::chrono::steady_clock::now() < end) {
    stuck = other->returned("query-stuck", R"({"older-than-ms": 0})").text();
  }
  EXPECT_NE(stuck.find("sheepdog://"), std::string::npos) << stuck;
  EXPECT_NE(stuck.find("d0"), std::string::npos) << stuck;
  EXPECT_NE(human(*other, "io d1 \\\"write 0 4k\\\"").find("wrote 4096/4096"), std::string::npos);
  sheep_.start();
  const std::optional<json::Value> answer = qmp->receive(60);
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->text().find("wrote 4096/4096"), std::string::npos) << answer->text();
}

TEST_F(SheepdogSystem, theCacheModeIsSwitchedFromTheMonitor) {
  cluster_->setting.era = SheepEra::k09;
  SheepdogDouble::Options options;
  options.cache = true;
  SheepdogDouble cached(cluster_, options);
  makeVdi("vm", 64 << 20);
  const Emulator rhea({"-drive", "if=none,id=d0,format=raw,cache=writeback,file=" + cached.uri("vm")});
  const auto qmp = rhea.connect();
  human(*qmp, "io d0 \\\"write -P 7 0 64k\\\"");
  cached.clearLog();
  qmp->returned("blockdev-set-cache", R"({"device": "d0", "writeback": false})");
  EXPECT_EQ(cached.seen(block::sheepdog::Op::kFlushVdi), 1U);
  const std::lock_guard lock(cluster_->guard);
  EXPECT_EQ(cluster_->stored(cluster_->lookUp("vm"), 0, 65536), std::vector<std::byte>(65536, std::byte{7}));
}

TEST_F(SheepdogSystem, whatCannotBeOpenedIsToldWithItsName) {
  const Emulator rhea;
  const auto qmp = rhea.connect();
  const json::Value refused = qmp->execute("blockdev-add", node("nothing"));
  ASSERT_TRUE(refused.find("error"));
  const std::string text(refused.find("error")->find("desc")->asString());
  EXPECT_NE(text.find("'nothing'"), std::string::npos) << text;
  EXPECT_NE(text.find("NO_VDI"), std::string::npos) << text;
}

// --- the double that people start by hand

TEST(SheepdogByHand, servesUntilItIsToldToEnd) {
  const auto programs = std::filesystem::path(Emulator::program()).parent_path();
  const auto program = programs.parent_path() / "hand" / "sheepdog-double";
  if (!std::filesystem::exists(program)) GTEST_SKIP() << "not built: make " << program.string();
  const TempDir folder;
  const std::string socket = folder.file("sock");
  const std::string image = "'sheepdog+unix:///vm?socket=" + socket + "'";
  const std::string tool = (programs / "rhea-img").string();
  const CommandResult said = run(program.string() + " --daemon=0.9 --cache --make=vm:8M --socket=" + socket + " > " +
                                     folder.file("said") + " & double=$!; for i in $(seq 600); do [ -s " +
                                     folder.file("said") + " ] && break; sleep 0.1; done; " + tool + " info " + image +
                                     " && " + tool + " check " + image + "; kill $double; wait $double; echo status $?",
                                 90);
  EXPECT_NE(said.output.find("8388608"), std::string::npos) << said.output;
  EXPECT_NE(said.output.find("status 0"), std::string::npos) << said.output;
  const CommandResult refused = run(program.string() + " --daemon=2.0", 20);
  EXPECT_EQ(refused.status, 2) << refused.output;
}

// --- real daemons, where somebody names them

class SheepdogDaemon : public testing::Test {
 protected:
  void SetUp() override {
    const char* const sheep = std::getenv("RHEA_TEST_SHEEP");
    const char* const tool = std::getenv("RHEA_TEST_DOG");
    if (sheep == nullptr || tool == nullptr) {
      GTEST_SKIP() << "no real daemon: RHEA_TEST_SHEEP and RHEA_TEST_DOG name the programs sheep and dog";
    }
    dog_ = tool;
    std::filesystem::create_directory(folder_.file("store"));
    // A cluster of one node, without a cluster manager.
    const std::string start = std::string(sheep) + " -c local -b 127.0.0.1 -y 127.0.0.1 -p " + kPort + " " +
                              folder_.file("store") + " >" + folder_.file("log") + " 2>&1";
    ASSERT_EQ(run(start, 20).status, 0) << run("cat " + folder_.file("log"), 5).output;
    started_ = true;
    // The daemon answers a moment after it went into the background.
    const std::string format =
        "for i in $(seq 100); do " + dog("cluster format -c 1 -f") + " && exit 0; sleep 0.1; done; exit 1";
    ASSERT_EQ(run("sh -c '" + format + "'", 30).status, 0);
  }
  void TearDown() override {
    if (started_) (void)run(dog("cluster shutdown"), 20);
  }
  std::string dog(const std::string& command) const { return dog_ + " " + command + " -p " + kPort; }
  CommandResult img(const std::string& arguments) const {
    const auto program = std::filesystem::path(Emulator::program()).parent_path() / "rhea-img";
    return run("cd " + folder_.path() + " && " + program.string() + " " + arguments, 60);
  }
  static constexpr const char* kPort = "17621";
  std::string dog_;
  bool started_ = false;
  TempDir folder_;
};

TEST_F(SheepdogDaemon, disksAreMadeCopiedSnapshottedAndCompared) {
  const std::string uri = std::string("sheepdog://127.0.0.1:") + kPort + "/";
  ASSERT_EQ(run("head -c 9M /dev/urandom > " + folder_.file("a.raw"), 10).status, 0);
  EXPECT_EQ(img("convert a.raw '" + uri + "vm'").status, 0);
  EXPECT_EQ(img("compare a.raw '" + uri + "vm'").status, 0);
  EXPECT_EQ(img("snapshot -c one '" + uri + "vm'").status, 0);
  EXPECT_EQ(img("resize '" + uri + "vm' 32M").status, 0);
  EXPECT_EQ(img("compare a.raw '" + uri + "vm#one'").status, 0);
  EXPECT_EQ(img("create -b '" + uri + "vm#one' -F raw '" + uri + "copy'").status, 0);
  EXPECT_EQ(img("compare a.raw '" + uri + "copy'").status, 0);
  EXPECT_EQ(img("snapshot -a one '" + uri + "vm'").status, 0);
  EXPECT_EQ(img("compare a.raw '" + uri + "vm'").status, 0);
  EXPECT_EQ(img("snapshot -d one '" + uri + "vm'").status, 0);
  EXPECT_EQ(img("check '" + uri + "vm'").status, 0);
}

}  // namespace

}  // namespace rhea::test
