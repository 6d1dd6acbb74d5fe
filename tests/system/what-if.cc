// what-if on a running machine, as a client of its QMP socket and a person at its monitor use it.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/lib/command.h"
#include "tests/lib/emulator.h"

namespace rhea::test {
namespace {

class WhatIfOf : public testing::TestWithParam<const char*> {
 protected:
  WhatIfOf() {
    const std::string image = emulator_.folder().file("disk.img");
    const CommandResult made = run(tool("rhea-img") + " create -q -f " + GetParam() + " " + image + " 4M");
    EXPECT_EQ(made.status, 0) << made.output;
    human("drive_add 0 if=none,id=disk0,file=" + image + ",format=" + GetParam());
  }

  static std::string tool(const std::string& name) {
    return (std::filesystem::path(Emulator::program()).parent_path() / name).string();
  }
  std::string human(const std::string& line) {
    const json::Value text =
        client_->returned("human-monitor-command", R"({"command-line": ")" + escaped(line) + R"("})");
    return std::string(text.asString());
  }
  static std::string escaped(const std::string& line) {
    std::string text;
    for (const char c : line) text += c == '"' ? std::string("\\\"") : std::string(1, c);
    return text;
  }
  void io(const std::string& line) { human("io disk0 \"" + line + "\""); }
  json::Value powerFail(const std::string& more) {
    return client_->returned("what-if-power-fail", R"({"device": "disk0")" + more + "}");
  }
  static json::View member(json::View object, std::string_view name) { return *object.find(name); }
  static json::View item(json::View array, int index) {
    auto at = array.items().begin();
    while (index-- > 0) ++at;
    return *at;
  }
  static std::string text(json::View object, std::string_view name) {
    return std::string(member(object, name).asString());
  }
  // What rhea-io says of a pattern in the image that was written out.
  bool holds(const std::string& name, const std::string& pattern) {
    const CommandResult done = run(tool("rhea-io") + " -r -f " + GetParam() + " -c 'read -q -P " + pattern + "' " +
                                   emulator_.folder().file(name));
    return done.status == 0;
  }

  Emulator emulator_;
  std::unique_ptr<QmpClient> client_ = emulator_.connect();
};

INSTANTIATE_TEST_SUITE_P(Formats, WhatIfOf, testing::Values("raw", "qcow2"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(WhatIfOf, AnUnarmedDiskTellsHowMuchAndWhatToDo) {
  io("write -P 1 0 64k");
  const json::Value losses = powerFail("");
  const json::View loss = item(losses, 0);
  EXPECT_FALSE(member(loss, "armed").asBool());
  EXPECT_FALSE(loss.find("image"));
  EXPECT_NE(text(loss, "verdict").find("what-if arm disk0"), std::string::npos) << text(loss, "verdict");
  const json::Value refused = client_->execute("what-if-power-fail", R"({"device": "disk0", "file": "x"})");
  ASSERT_TRUE(refused.find("error"));
  EXPECT_NE(text(*refused.find("error"), "desc").find("not armed"), std::string::npos);
  EXPECT_TRUE(client_->execute("what-if-disarm", R"({"device": "disk0"})").find("error"));
}

TEST_P(WhatIfOf, TheImageHoldsWhatWasFlushedAndNotWhatWasNot) {
  io("write -P 1 0 64k");
  client_->returned("what-if-arm", R"({"device": "disk0"})");
  io("write -P 2 64k 64k");
  io("flush");
  io("write -P 3 0 64k");
  io("write -P 4 1M 64k");
  const json::Value losses = powerFail(R"(, "file": "after.img")");
  const json::View loss = item(losses, 0);
  EXPECT_TRUE(member(loss, "armed").asBool());
  const json::View image = member(loss, "image");
  EXPECT_TRUE(member(image, "usable").asBool()) << losses.text();
  EXPECT_EQ(text(image, "format"), GetParam());
  EXPECT_EQ(text(image, "file"), "after.img");
  EXPECT_TRUE(holds("after.img", "1 0 64k"));
  EXPECT_TRUE(holds("after.img", "2 64k 64k"));
  EXPECT_TRUE(holds("after.img", "0 1M 64k"));
  // Where, as the guest sees it.
  const json::View places = member(item(member(loss, "nodes"), 0), "extents");
  ASSERT_EQ(places.size(), 2U) << losses.text();
  EXPECT_EQ(member(item(places, 1), "offset").asInt64(), 1 << 20);
  EXPECT_EQ(member(item(places, 1), "length").asInt64(), 64 << 10);
  // The disk itself has it all.
  EXPECT_NE(human("io disk0 \"read -P 3 0 64k\"").find("read 65536/65536"), std::string::npos);
  EXPECT_EQ(human("io disk0 \"read -P 4 1M 64k\"").find("verification failed"), std::string::npos);
  // A file that exists is left alone.
  EXPECT_TRUE(client_->execute("what-if-power-fail", R"({"device": "disk0", "file": "after.img"})").find("error"));
  EXPECT_TRUE(holds("after.img", "1 0 64k"));
}

TEST_P(WhatIfOf, AWriteThroughDiskLosesNothing) {
  client_->returned("what-if-arm", R"({"device": "disk0"})");
  client_->returned("blockdev-set-cache", R"({"device": "disk0", "mode": "writethrough"})");
  io("write -P 5 0 256k");
  io("write -z 64k 64k");
  const json::Value losses = powerFail(R"(, "file": "after.img")");
  EXPECT_TRUE(member(member(item(losses, 0), "image"), "usable").asBool()) << losses.text();
  EXPECT_TRUE(holds("after.img", "5 0 64k"));
  EXPECT_TRUE(holds("after.img", "0 64k 64k"));
  EXPECT_TRUE(holds("after.img", "5 128k 128k"));
}

TEST_P(WhatIfOf, TakesTheHumanForms) {
  EXPECT_NE(human("what-if power-fail").find("not armed"), std::string::npos);
  EXPECT_NE(human("what-if arm disk0 1M").find("1 MiB"), std::string::npos);
  io("write -P 1 128k 4k");
  const std::string told = human("what-if power-fail disk0 after.img everything");
  EXPECT_NE(told.find("after.img"), std::string::npos) << told;
  EXPECT_NE(told.find("0x0000020000 4 KiB"), std::string::npos) << told;
  human("what-if disarm disk0");
  EXPECT_EQ(human("what-if arm nothing").find("armed"), std::string::npos);
  EXPECT_NE(human("what-if power-fail").find("not armed"), std::string::npos);
}

TEST_P(WhatIfOf, SaysThatModeUnsafePromisesNothing) {
  io("write -P 1 0 64k");
  client_->returned("blockdev-set-cache", R"({"device": "disk0", "mode": "unsafe"})");
  client_->returned("what-if-arm", R"({"device": "disk0", "limit": 131072})");
  io("write -P 2 0 64k");
  io("flush");
  // A flush makes nothing stable here.
  const json::Value losses = powerFail(R"(, "file": "after.img")");
  EXPECT_NE(text(item(losses, 0), "verdict").find("unsafe"), std::string::npos) << losses.text();
  EXPECT_TRUE(holds("after.img", "1 0 64k"));
  for (const char* line : {"write -P 3 0 64k", "write -P 4 0 64k", "write -P 5 0 64k"}) io(line);
  const json::Value outgrown = client_->execute("what-if-power-fail", R"({"device": "disk0", "file": "x"})");
  ASSERT_TRUE(outgrown.find("error")) << outgrown.text();
  EXPECT_NE(outgrown.text().find("in mode unsafe"), std::string::npos) << outgrown.text();
}

TEST_P(WhatIfOf, RefusesWhatItCannotTell) {
  client_->returned("what-if-arm", R"({"device": "disk0", "limit": 4096})");
  io("write -P 1 0 64k");
  io("flush");
  io("write -P 2 0 64k");
  const json::Value outgrown = client_->execute("what-if-power-fail", R"({"device": "disk0", "file": "x"})");
  ASSERT_TRUE(outgrown.find("error")) << outgrown.text();
  EXPECT_FALSE(std::filesystem::exists(emulator_.folder().file("x")));
  // What is unflushed is told all the same, and a flush mends it.
  EXPECT_FALSE(item(powerFail(""), 0).find("image"));
  io("flush");
  EXPECT_TRUE(item(powerFail(""), 0).find("image"));
}

// Images drawn by chance while another client writes: each is usable, as any of them may be what a cut leaves.
TEST_P(WhatIfOf, EveryImageIsUsableWhileTheDiskIsWrittenTo) {
  client_->returned("what-if-arm", R"({"device": "disk0"})");
  std::atomic<bool> end{false};
  std::thread writer([&] {
    const auto client = emulator_.connect();
    for (int i = 0; !end; ++i) {
      const int at = i * 37 % 60;
      const std::string line = i % 7 == 6
                                   ? std::string("flush")
                                   : (i % 5 == 4 ? "discard " : "write -P 7 ") + std::to_string(at * 64 + 16) + "k 40k";
      client->execute("human-monitor-command", R"({"command-line": "io disk0 \")" + line + R"(\""})");
    }
  });
  for (int seed = 1; seed <= 20; ++seed) {
    const json::Value losses = powerFail(R"(, "keep": "some", "seed": )" + std::to_string(seed));
    const auto image = item(losses, 0).find("image");
    EXPECT_TRUE(image && member(*image, "usable").asBool()) << losses.text();
    if (seed % 5 == 0) client_->returned("what-if-arm", R"({"device": "disk0"})");
  }
  end = true;
  writer.join();
  client_->returned("what-if-disarm", R"({"device": "disk0"})");
}

TEST_P(WhatIfOf, AnArmedDiskGoesAsAnyOther) {
  client_->returned("what-if-arm", R"({"device": "disk0"})");
  io("write -P 1 0 64k");
  client_->returned("block_resize", R"({"device": "disk0", "size": 8388608})");
  io("write -P 1 7M 64k");
  client_->returned("blockdev-flush", R"({"device": "disk0"})");
  human("drive_del disk0");
  EXPECT_EQ(client_->returned("query-named-block-nodes").size(), 0U);
  EXPECT_TRUE(holds("disk.img", "1 7M 64k"));
}

}  // namespace
}  // namespace rhea::test
