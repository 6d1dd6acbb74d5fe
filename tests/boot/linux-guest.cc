// Debian's kernel on rhea: to a shell, with one and two vCPUs; its ext4 disk in each cache mode; hot-plug, resize,
// discard, network.
#include "tests/boot/linux-guest.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>

namespace rhea::test {
namespace {

TEST_F(LinuxGuestTest, ComesToAShellAndUsesItsDisk) {
  const auto machine = boot({});
  EXPECT_EQ(machine->shell("echo $((6 * 7))"), "42");
  EXPECT_EQ(machine->shell("cat /mnt/hello"), "hello from an ext4 disk");
  EXPECT_EQ(machine->shell("cat /sys/block/vda/serial"), "rhea0");
  EXPECT_EQ(machine->shell("cat /sys/block/vda/queue/write_cache"), "write back");
  // A week's worth of arithmetic would show it: the same sum as the host's.
  EXPECT_EQ(machine->shell("seq 1 5000 | md5sum | cut -c1-32"),
            run("seq 1 5000 | md5sum | cut -c1-32 | tr -d '\\n'").output);
  EXPECT_EQ(machine->shell("dmesg | grep -E 'BUG:|WARNING: CPU|Oops:|unchecked MSR' || true"), "");
  // The power button: the guest hears of it, unmounts its disk and turns the machine off.
  machine->qmp().returned("system_powerdown");
  const auto shutdown = machine->qmp().event("SHUTDOWN", 60);
  ASSERT_TRUE(shutdown.has_value()) << machine->transcript();
  EXPECT_EQ(shutdown->find("data")->find("reason")->asString(), "guest-shutdown");
  EXPECT_EQ(machine->emulator().wait(60), 0) << machine->transcript();
  EXPECT_NE(run("PATH=$PATH:/sbin:/usr/sbin e2fsck -n " + image_).output.find("clean"), std::string::npos);
}

TEST_F(LinuxGuestTest, RunsOnTwoVcpus) {
  const auto machine = boot({"-smp", "2"});
  EXPECT_EQ(machine->shell("nproc"), "2");
  EXPECT_EQ(machine->shell("for i in 1 2 3 4; do (seq 1 2000 | md5sum) & done; wait; echo done").find("done"), 4 * 36U);
  EXPECT_EQ(machine->qmp().returned("query-cpus-fast").size(), 2U);
  EXPECT_EQ(machine->shell("dmesg | grep -E 'BUG:|WARNING: CPU|Oops:|soft lockup|detected stalls' || true"), "");
  turnOff(*machine);
}

class LinuxCacheMode : public LinuxGuestTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(LinuxCacheMode, KeepsWhatTheGuestSyncedThroughAKill) {
  {
    const auto machine = boot({}, std::string(",cache=") + GetParam());
    const bool writeBack = machine->shell("cat /sys/block/vda/queue/write_cache") == "write back";
    EXPECT_EQ(writeBack, std::string(GetParam()) == "writeback" || std::string(GetParam()) == "none" ||
                             std::string(GetParam()) == "unsafe");
    machine->shell("seq 1 100000 > /mnt/numbers && sync && md5sum /mnt/numbers");
    kill(machine->emulator().pid(), SIGKILL);
    machine->emulator().wait(5);
  }
  // The journal is replayed by e2fsck -y; -n would only complain.
  run("PATH=$PATH:/sbin:/usr/sbin e2fsck -fy " + image_);
  EXPECT_NE(check().find("files"), std::string::npos);
  const std::string content =
      run("PATH=$PATH:/sbin:/usr/sbin debugfs -R 'cat /numbers' " + image_ + " 2>/dev/null | md5sum").output;
  EXPECT_EQ(content, run("seq 1 100000 | md5sum").output);
}

INSTANTIATE_TEST_SUITE_P(EachMode, LinuxCacheMode,
                         ::testing::Values("writeback", "none", "writethrough", "directsync", "unsafe"));

namespace {

bool isHot(json::View event) {
  if (event.find("event")->asString() != "DEVICE_DELETED") return false;
  const auto device = event.find("data")->find("device");
  return device && device->asString() == "hot";
}

}  // namespace

TEST_F(LinuxGuestTest, UnplugsADiskWhileInstructionsAreCounted) {
  const auto machine = boot({"-icount", "shift=2,sleep=off", "-device", "pcie-root-port,id=port1,chassis=1"});
  machine->qmp().returned("blockdev-add", R"({"driver": "null-co", "node-name": "second", "size": 4194304})");
  machine->qmp().returned("device_add",
                          R"({"driver": "virtio-blk-pci", "id": "hot", "drive": "second", "bus": "port1"})");
  machine->shell("for i in $(seq 1 100); do [ -b /dev/vdb ] && break; sleep 0.1; done; [ -b /dev/vdb ]");
  machine->qmp().returned("device_del", R"({"id": "hot"})");
  EXPECT_TRUE(machine->qmp().event(isHot, 60).has_value());
  machine->shell("for i in $(seq 1 100); do [ -b /dev/vdb ] || break; sleep 0.1; done; [ ! -b /dev/vdb ]");
}

TEST_F(LinuxGuestTest, PlugsAndUnplugsADiskWhileItRuns) {
  const auto machine = boot({"-device", "pcie-root-port,id=port1,chassis=1"});
  const std::string second = folder_.makeFile("second.raw", 4 << 20);
  machine->qmp().returned(
      "blockdev-add",
      R"({"driver": "raw", "node-name": "second", "file": {"driver": "file", "filename": ")" + second + "\"}}");
  machine->qmp().returned("device_add",
                          R"({"driver": "virtio-blk-pci", "id": "hot", "drive": "second", "bus": "port1"})");
  machine->shell("for i in $(seq 1 100); do [ -b /dev/vdb ] && break; sleep 0.1; done; [ -b /dev/vdb ]");
  EXPECT_EQ(machine->shell("cat /sys/block/vdb/size"), "8192");
  machine->shell("dd if=/dev/zero of=/dev/vdb bs=4k count=64 2>/dev/null && sync");
  machine->qmp().returned("device_del", R"({"id": "hot"})");
  EXPECT_TRUE(machine->qmp().event(isHot, 60).has_value());
  machine->shell("for i in $(seq 1 100); do [ -b /dev/vdb ] || break; sleep 0.1; done; [ ! -b /dev/vdb ]");
  machine->qmp().returned("blockdev-del", R"({"node-name": "second"})");

  // The older way, and gone while the guest writes to it: the drive goes with its device.
  const auto human = [&machine](const std::string& line) {
    return std::string(
        machine->qmp().returned("human-monitor-command", "{\"command-line\": \"" + line + "\"}").asString());
  };
  EXPECT_EQ(human("drive_add 0 if=none,id=drive-hot,format=raw,file=" + second), "OK\r\n");
  EXPECT_EQ(human("device_add virtio-blk-pci,id=hot,drive=drive-hot,bus=port1"), "");
  machine->shell("for i in $(seq 1 100); do [ -b /dev/vdb ] && break; sleep 0.1; done; [ -b /dev/vdb ]");
  machine->shell(
      "(while [ -b /dev/vdb ]; do dd if=/dev/zero of=/dev/vdb bs=64k count=16 conv=fsync; done) 2>/dev/null & true");
  const auto written = [&machine] {
    std::int64_t bytes = 0;
    const json::Value list = machine->qmp().returned("query-blockstats");
    for (const json::View disk : list.items()) {
      if (disk.find("device")->asString() == "drive-hot") bytes = disk.find("stats")->find("wr_bytes")->asInt64();
    }
    return bytes;
  };
  while (written() < 1 << 20) {
  }
  machine->qmp().returned("device_del", R"({"id": "hot"})");
  EXPECT_TRUE(machine->qmp().event(isHot, 60).has_value());
  machine->shell("for i in $(seq 1 100); do [ -b /dev/vdb ] || break; sleep 0.1; done; [ ! -b /dev/vdb ]; wait");
  EXPECT_EQ(human("info block").find("drive-hot"), std::string::npos);
  EXPECT_EQ(machine->shell("dmesg | grep -E 'BUG:|WARNING: CPU|Oops:' || true"), "");
}

TEST_F(LinuxGuestTest, StopsReportsAndTriesAgainAsErrorPoliciesSay) {
  const auto disk = [](const std::string& name, const std::string& rules) {
    return R"({"driver":"blkdebug","node-name":")" + name +
           R"(","image":{"driver":"null-co","size":1048576,"read-zeroes":true},"inject-error":[)" + rules + "]}";
  };
  const auto machine = boot({"-blockdev",
                             disk("b", R"({"event":"write_aio","sector":80,"errno":28,"once":true},)"
                                       R"({"event":"write_aio","sector":160,"errno":5,"once":true})"),
                             "-device", "virtio-blk-pci,drive=b,id=vb,werror=enospc,rerror=stop", "-blockdev",
                             disk("c", R"({"event":"read_aio","sector":80,"errno":5,"once":true})"), "-device",
                             "virtio-blk-pci,drive=c,id=vc,rerror=stop"});
  const auto failure = [&machine](const std::string& node) {
    const auto event = machine->qmp().event("BLOCK_IO_ERROR", 30);
    if (!event || event->find("data")->find("node-name")->asString() != node) return std::string("none");
    const json::View data = *event->find("data");
    const auto noSpace = data.find("nospace");
    return std::string(data.find("operation")->asString()) + " " + std::string(data.find("action")->asString()) +
           (noSpace && noSpace->asBool() ? " nospace" : "");
  };
  const auto status = [&machine] {
    return std::string(machine->qmp().returned("query-status").find("status")->asString());
  };
  // No space: the machine stops, and what failed is tried again.
  machine->type("dd if=/dev/zero of=/dev/vdb bs=4k seek=10 count=1 oflag=direct 2>/dev/null; echo first $?\n");
  EXPECT_EQ(failure("b"), "write stop nospace");
  EXPECT_TRUE(machine->qmp().event("STOP"));
  EXPECT_EQ(status(), "io-error");
  machine->qmp().returned("cont");
  machine->await("first 0\n");
  // Another error of the same disk is the guest's.
  machine->type("dd if=/dev/zero of=/dev/vdb bs=4k seek=20 count=1 oflag=direct 2>/dev/null; echo second $?\n");
  machine->await("second 1\n");
  EXPECT_EQ(failure("b"), "write report");
  EXPECT_EQ(status(), "running");
  machine->type("dd if=/dev/vdc of=/dev/null bs=4k skip=10 count=1 iflag=direct 2>/dev/null; echo third $?\n");
  EXPECT_EQ(failure("c"), "read stop");
  machine->qmp().returned("cont");
  machine->await("third 0\n");
}

TEST_F(LinuxGuestTest, SeesItsDiskGrowAndItsDiscardsReachTheFile) {
  const auto machine = boot({});
  machine->shell("dd if=/dev/urandom of=/mnt/big bs=1M count=8 2>/dev/null && sync");
  struct stat full {};
  stat(image_.c_str(), &full);
  machine->shell("rm /mnt/big && sync && fstrim /mnt");
  struct stat trimmed {};
  stat(image_.c_str(), &trimmed);
  EXPECT_LT(trimmed.st_blocks, full.st_blocks - 8 * 1024);
  machine->qmp().returned("block_resize", R"({"device": "disk0", "size": 134217728})");
  machine->shell(
      "for i in $(seq 1 50); do [ $(cat /sys/block/vda/size) = 262144 ] && break; sleep 0.1; done; [ $(cat "
      "/sys/block/vda/size) = 262144 ]");
}

TEST_F(LinuxGuestTest, ReachesTheHostThroughTheUserNetwork) {
  const Background server("cd " + guest().folder + " && exec python3 -m http.server 47631 --bind 127.0.0.1");
  if (!haveProgram("python3")) GTEST_SKIP() << "no python3 for a server";
  const auto machine = boot({"-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0"});
  EXPECT_NE(machine->shell("ip -4 -o addr show eth0").find("10.0.2.15"), std::string::npos);
  const std::string sum = machine->shell("wget -q -O - http://10.0.2.2:47631/initrd | md5sum | cut -c1-32", 120);
  EXPECT_EQ(sum + "\n", run("md5sum < " + guest().folder + "/initrd | cut -c1-32").output);
}

}  // namespace
}  // namespace rhea::test
