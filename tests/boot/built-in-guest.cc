// The built-in guest on a real machine: its disk under changing cache modes, the end of the machine in each way.
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "emu/base/files.h"
#include "tests/lib/guest-machine.h"

namespace rhea::test {
namespace {

class BuiltInGuest : public ::testing::Test {
 protected:
  std::vector<std::string> options(const std::string& drive = "") const {
    return {"-m",      "64",
            "-kernel", builtInGuest(),
            "-drive",  "if=none,id=disk0,format=raw,file=" + image_ + drive,
            "-device", "virtio-blk-pci,drive=disk0,id=vdisk"};
  }
  TempDir folder_;
  std::string image_ = folder_.makeFile("disk.raw", 8 << 20);
};

TEST_F(BuiltInGuest, UsesItsDiskAndSaysWhatItFound) {
  GuestMachine machine(options());
  machine.await("rhea's built-in guest");
  machine.await("My disk: 8192 KiB, write cache on, which I can switch");
  machine.await("The disk is new to me.");
  machine.await("round 1: wrote 64 KiB");
  EXPECT_NE(machine.await("write cache on\n").find("read back right"), std::string::npos);
}

TEST_F(BuiltInGuest, SeesTheHostTurnItsWriteCacheOffAndOn) {
  GuestMachine machine(options());
  machine.await("round 1:");
  machine.qmp().returned("blockdev-set-cache", R"({"device": "disk0", "mode": "writethrough"})");
  machine.await("The write cache of my disk is now off");
  EXPECT_NE(machine.await("write cache off\n").find("read back right"), std::string::npos);
  machine.qmp().returned("blockdev-set-cache", R"({"device": "disk0", "mode": "none"})");
  machine.await("The write cache of my disk is now on");
  EXPECT_NE(machine.await("write cache on\n").find("read back right"), std::string::npos);
}

TEST_F(BuiltInGuest, IsTranslatedAndTheMonitorTellsHowMuch) {
  GuestMachine machine(options());
  machine.await("round 1:");
  const json::Value status = machine.qmp().returned("query-status");
  EXPECT_FALSE(status.find("singlestep")->asBool());
  if (!machine.translates()) GTEST_SKIP() << "this build does not translate";
  const json::Value jit = machine.qmp().returned("x-query-jit");
  const std::string text(jit.find("human-readable-text")->asString());
  EXPECT_NE(text.find("CPU#0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("All CPUs\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("blocks translated   0 "), std::string::npos) << text;
  EXPECT_NE(text.find("blocks run by T0    cold "), std::string::npos) << text;
}

TEST_F(BuiltInGuest, RunsInBlocksOfOneInstructionAndInALittleCodeCache) {
  std::vector<std::string> words = options();
  words.insert(words.end(), {"-accel", "tcg,tb-size=1,one-insn-per-tb=on", "-d", "int", "-D", folder_.file("log")});
  GuestMachine machine(words);
  machine.await("round 1:");
  EXPECT_TRUE(machine.qmp().returned("query-status").find("singlestep")->asBool());
  std::ifstream log(folder_.file("log"));
  std::string line;
  ASSERT_TRUE(std::getline(log, line)) << "the guest had no interrupt";
  EXPECT_NE(line.find("CPU 0: "), std::string::npos) << line;
}

TEST_F(BuiltInGuest, IsSeenBlockByBlockInTheLogOfGuestCode) {
  std::vector<std::string> words = options();
  words.insert(words.end(), {"-d", "in_asm,out_asm", "-D", folder_.file("code")});
  GuestMachine machine(words);
  machine.await("round 1:");
  const std::string code = *readFile(folder_.file("code"));
  EXPECT_NE(code.find("IN: CPU 0, cpl 0"), std::string::npos);
  EXPECT_EQ(code.find("OUT: CPU 0, of 0x") != std::string::npos, machine.translates());
  EXPECT_EQ(code.find("Trace 0"), std::string::npos);
  const auto human = [&machine](const std::string& line) {
    return machine.qmp().returned("human-monitor-command", R"({"command-line": ")" + line + R"("})");
  };
  human("logfile " + folder_.file("blocks"));
  human("log exec,cpu");
  // What it said before is read first.
  std::string blocks;
  while (blocks.find("RIP=") == std::string::npos) {
    machine.await("read back right");
    blocks = *readFile(folder_.file("blocks"));
  }
  human("log none");
  blocks = *readFile(folder_.file("blocks"));
  EXPECT_NE(blocks.find("Trace 0: 0x"), std::string::npos);
  EXPECT_NE(blocks.find("RIP="), std::string::npos);
  machine.await("read back right");
  EXPECT_EQ(readFile(folder_.file("blocks"))->size(), blocks.size());
}

TEST_F(BuiltInGuest, SwitchesItsWriteCacheItself) {
  GuestMachine machine(options());
  machine.await("round 1:");
  machine.type("w");
  machine.await("I ask for the write cache off");
  const json::Value list = machine.qmp().returned("query-durability");
  EXPECT_FALSE((*list.items().begin()).find("effective-writeback")->asBool()) << list.text();
}

TEST_F(BuiltInGuest, LosesNothingThatWasFlushedWhenTheEmulatorIsKilled) {
  for (const char* mode : {",cache=writeback", ",cache=none", ",cache=writethrough", ",cache=directsync"}) {
    {
      GuestMachine machine(options(mode));
      machine.await("round ");
      machine.await("round ");
      machine.await("write cache");
      kill(machine.emulator().pid(), SIGKILL);
      machine.emulator().wait(5);
    }
    GuestMachine again(options(mode));
    again.await("An earlier run flushed up to round ");
    EXPECT_NE(again.await("\n").find("are all there"), std::string::npos) << mode << "\n" << again.transcript();
  }
}

TEST_F(BuiltInGuest, TurnsTheMachineOffAtThePowerButton) {
  GuestMachine machine(options());
  machine.await("round 1:");
  machine.qmp().returned("system_powerdown");
  EXPECT_TRUE(machine.qmp().event("POWERDOWN").has_value());
  machine.await("Power button. Turning off.");
  const auto shutdown = machine.qmp().event("SHUTDOWN");
  ASSERT_TRUE(shutdown.has_value());
  EXPECT_EQ(shutdown->find("data")->find("reason")->asString(), "guest-shutdown");
  EXPECT_TRUE(shutdown->find("data")->find("guest")->asBool());
  EXPECT_EQ(machine.emulator().wait(10), 0) << machine.emulator().output();
}

TEST_F(BuiltInGuest, BootsAgainAfterAReset) {
  GuestMachine machine(options());
  machine.await("round 2:");
  machine.qmp().returned("system_reset");
  EXPECT_TRUE(machine.qmp().event("RESET").has_value());
  machine.await("rhea's built-in guest");
  machine.await("are all there");
  machine.await("read back right");
}

TEST_F(BuiltInGuest, IsResetOnceStorageAnswersWhateverIsTypedMeanwhile) {
  const std::string slow =
      R"({"driver":"blkdebug","node-name":"slow","image":{"driver":"file","filename":")" + image_ +
      R"("},"inject-error":[{"event":"write_aio","skip":40,"once":true,"errno":0,"delay-ms":3000}]})";
  GuestMachine machine(
      {"-m", "64", "-kernel", builtInGuest(), "-blockdev", slow, "-device", "virtio-blk-pci,drive=slow"});
  machine.await("round 2:");
  while (machine.qmp().returned("query-stuck").size() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  machine.qmp().returned("system_reset");
  const auto other = machine.emulator().connect();
  other->send(R"({"execute": "stop"})"
              "\n");
  ASSERT_TRUE(machine.qmp().event("STOP").has_value());
  machine.qmp().returned("cont");
  EXPECT_FALSE(machine.qmp().event("RESET", 0).has_value()) << "the reset is still under way";
  EXPECT_EQ(machine.transcript().find("round 3:"), std::string::npos);
  EXPECT_TRUE(machine.qmp().event("RESET").has_value());
  machine.await("rhea's built-in guest");
  machine.await("are all there");
  machine.await("read back right");
}

TEST_F(BuiltInGuest, StandsStillWhileItIsStopped) {
  GuestMachine machine(options());
  machine.await("round 1:");
  machine.qmp().returned("stop");
  const json::Value status = machine.qmp().returned("query-status");
  EXPECT_EQ(status.find("status")->asString(), "paused");
  EXPECT_THROW(machine.await("round 4:", 4), std::runtime_error);
  machine.qmp().returned("cont");
  machine.await("round 4:");
}

TEST_F(BuiltInGuest, SeesItsDiskGrow) {
  GuestMachine machine(options());
  machine.await("round 1:");
  machine.qmp().returned("block_resize", R"({"device": "disk0", "size": 16777216})");
  machine.await("My disk is now 16384 KiB");
}

}  // namespace
}  // namespace rhea::test
