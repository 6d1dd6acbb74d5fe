// The q35 board as a whole: tiny guests end, reset, crash and talk; monitors look at them and steer them.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/lib/command.h"
#include "tests/lib/emulator.h"
#include "tests/lib/tiny-guest.h"

namespace rhea::test {
namespace {

using namespace std::string_literals;

// mov dx, PORT; mov al, VALUE; out dx, al
std::string out8(unsigned port, unsigned value) {
  return "\x66\xba"s + static_cast<char>(port) + static_cast<char>(port >> 8) + "\xb0"s + static_cast<char>(value) +
         "\xee";
}
// mov dx, PORT; mov ax, VALUE; out dx, ax
std::string out16(unsigned port, unsigned value) {
  return "\x66\xba"s + static_cast<char>(port) + static_cast<char>(port >> 8) + "\x66\xb8"s + static_cast<char>(value) +
         static_cast<char>(value >> 8) + "\x66\xef";
}
const std::string kHalt = "\xf4\xeb\xfd"s;  // hlt, and again
const std::string kSpin = "\xeb\xfe"s;

std::string textOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class MachineTest : public testing::Test {
 protected:
  std::string guest(const std::string& code) {
    const std::string path = folder_.file("guest.elf");
    std::ofstream(path, std::ios::binary) << tinyGuest(code);
    return path;
  }
  // Runs to the guest's own end.
  CommandResult run(const std::string& options) {
    return test::run(Emulator::program() + " -machine q35 -nodefaults -display none " + options, 30);
  }
  std::unique_ptr<Emulator> start(const std::string& code, std::vector<std::string> more = {}) {
    std::vector<std::string> options = {"-machine", "q35", "-display", "none", "-kernel", guest(code)};
    options.insert(options.end(), more.begin(), more.end());
    return std::make_unique<Emulator>(options);
  }
  static std::string statusOf(QmpClient& client) {
    return std::string(client.returned("query-status").find("status")->asString());
  }
  static std::string human(QmpClient& client, const std::string& line) {
    std::string escaped;
    for (const char c : line) escaped += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    std::string text(client.returned("human-monitor-command", "{\"command-line\": \"" + escaped + "\"}").asString());
    std::erase(text, '\r');
    return text;
  }
  TempDir folder_;
};

TEST_F(MachineTest, AGuestEndsTheProgramWithAStatusOfItsChoice) {
  const CommandResult result = run("-device isa-debug-exit -kernel " + guest(out8(0x501, 0x21) + kHalt));
  EXPECT_EQ(result.status, 0x43) << result.output;
}

TEST_F(MachineTest, AGuestTurnsTheMachineOffByAcpiAndTalksOnItsSerialPort) {
  const std::string serial = folder_.file("serial");
  const CommandResult result = run("-serial file:" + serial + " -kernel " +
                                   guest(out8(0x3f8, 'o') + out8(0x3f8, 'k') + out16(0x604, 0x3400) + kHalt));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(textOf(serial), "ok");
}

TEST_F(MachineTest, APluggedSerialPortTakesTheNextPlace) {
  const std::string serial = folder_.file("serial");
  const CommandResult result =
      run("-serial null -chardev file,id=c1,path=" + serial + " -device isa-serial,chardev=c1 -kernel " +
          guest(out8(0x2f8, '2') + out16(0x604, 0x3400) + kHalt));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(textOf(serial), "2");
}

TEST_F(MachineTest, TheEventsTellWhoEndedIt) {
  const auto emulator = start(out16(0x604, 0x3400) + kHalt, {"-S"});
  const auto client = emulator->connect();
  EXPECT_EQ(statusOf(*client), "prelaunch");
  client->execute("cont");
  const std::optional<json::Value> event = client->event("SHUTDOWN");
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->find("data")->find("guest")->asBool());
  EXPECT_EQ(event->find("data")->find("reason")->asString(), "guest-shutdown");
  EXPECT_EQ(emulator->wait(10), 0);
}

TEST_F(MachineTest, WithNoShutdownItStaysAndAResetStartsItAnew) {
  const auto emulator = start(out16(0x604, 0x3400) + kHalt, {"-no-shutdown"});
  const auto client = emulator->connect();
  while (statusOf(*client) != "shutdown") {
  }
  const json::Value refused = client->execute("cont");
  EXPECT_TRUE(refused.find("error")) << refused.text();
  client->returned("system_reset");
  ASSERT_TRUE(client->event("RESET"));
  EXPECT_EQ(statusOf(*client), "paused");
  client->returned("cont");
  ASSERT_TRUE(client->event("SHUTDOWN"));
}

TEST_F(MachineTest, ATripleFaultResetsOrEndsWithTheRegisters) {
  // lidt of a table of no length, then int3
  const std::string crash = "\x6a\x00\x6a\x00\x0f\x01\x1c\x24\xcc"s;
  const std::string withStack = "\xbc\x00\x00\x30\x00"s + crash;  // mov esp, 0x300000
  const CommandResult ended = run("-no-reboot -kernel " + guest(withStack));
  EXPECT_EQ(ended.status, 0) << ended.output;
  EXPECT_NE(ended.output.find("triple fault"), std::string::npos) << ended.output;
  EXPECT_NE(ended.output.find("RIP=0000000000200"), std::string::npos) << ended.output;
  const auto emulator = start(withStack);
  const auto client = emulator->connect();
  const std::optional<json::Value> event = client->event("RESET");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->find("data")->find("reason")->asString(), "guest-reset");
}

TEST_F(MachineTest, EachWayToResetIsOne) {
  for (const std::string& way : {out8(0xcf9, 0x06), out8(0x64, 0xfe), out8(0x92, 0x01)}) {
    const auto emulator = start(way + kHalt);
    const auto client = emulator->connect();
    EXPECT_TRUE(client->event("RESET"));
    EXPECT_TRUE(client->event("RESET")) << "the guest is there again after its reset";
  }
}

TEST_F(MachineTest, ACrashThatTheGuestTellsStopsIt) {
  const auto emulator = start(out8(0x505, 1) + kHalt, {"-device", "pvpanic", "-S", "-action", "panic=pause"});
  const auto client = emulator->connect();
  client->execute("cont");
  const std::optional<json::Value> event = client->event("GUEST_PANICKED");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->find("data")->find("action")->asString(), "pause");
  ASSERT_TRUE(client->event("STOP"));
  EXPECT_EQ(statusOf(*client), "guest-panicked");
}

TEST_F(MachineTest, WhatFollowsACrashIsTheUsersToChoose) {
  const std::string crash = guest(out8(0x505, 1) + out16(0x604, 0x3400) + kHalt);
  const auto status = [&](const std::string& action) {
    const CommandResult result = run("-device pvpanic -kernel " + crash + action);
    EXPECT_EQ(result.output.find("the guest has crashed") != std::string::npos, true) << result.output;
    return result.status;
  };
  EXPECT_EQ(status(""), 0);
  EXPECT_EQ(status(" -action panic=shutdown"), 0);
  EXPECT_EQ(status(" -action panic=exit-failure"), 1);
  EXPECT_EQ(status(" -action panic=none"), 0) << "the guest goes on, and turns the machine off";
  // -no-shutdown keeps one that crashed too; set-action changes it while it runs.
  for (const char* setting : {"{\"shutdown\": \"pause\"}", "{\"panic\": \"pause\"}"}) {
    const auto emulator = start(out8(0x505, 1) + kHalt, {"-device", "pvpanic", "-S"});
    const auto client = emulator->connect();
    client->returned("set-action", setting);
    client->returned("cont");
    ASSERT_TRUE(client->event("STOP"));
    EXPECT_EQ(statusOf(*client), "guest-panicked");
  }
  const auto emulator = start(out8(0x505, 2) + out8(0x505, 1) + kHalt, {"-device", "pvpanic", "-S"});
  const auto client = emulator->connect();
  client->returned("cont");
  EXPECT_TRUE(client->event("GUEST_CRASHLOADED"));
  const std::optional<json::Value> event = client->event("SHUTDOWN");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->find("data")->find("reason")->asString(), "guest-panic");
}

TEST_F(MachineTest, AResetEndsItWhereTheUserSaysSo) {
  const auto emulator = start(out8(0xcf9, 0x06) + kHalt, {"-S"});
  const auto client = emulator->connect();
  client->returned("set-action", R"({"reboot": "shutdown"})");
  client->returned("cont");
  const std::optional<json::Value> event = client->event("SHUTDOWN");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->find("data")->find("reason")->asString(), "guest-reset");
}

TEST_F(MachineTest, EarlyMessagesGoToTheDebugConsole) {
  const std::string early = folder_.file("early");
  const CommandResult result = run("-debugcon file:" + early + " -kernel " +
                                   guest(out8(0xe9, 'h') + out8(0xe9, 'i') + out16(0x604, 0x3400) + kHalt));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(textOf(early), "hi");
}

TEST_F(MachineTest, TheClockStartsWhereTheUserSays) {
  // mov al, INDEX; out 0x70, al; in al, 0x71; out 0xe9, al
  const auto show = [](unsigned index) { return "\xb0"s + static_cast<char>(index) + "\xe6\x70\xe4\x71\xe6\xe9"s; };
  const std::string early = folder_.file("early");
  const CommandResult result =
      run("-rtc base=2024-02-29T12:34:00,clock=vm,driftfix=slew -debugcon file:" + early + " -kernel " +
          guest(show(9) + show(8) + show(7) + show(4) + show(2) + out16(0x604, 0x3400) + kHalt));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(textOf(early), "\x24\x02\x29\x12\x34");
}

TEST_F(MachineTest, WithTheA20GateClosedTheSecondMebibyteShowsTheFirst) {
  // mov byte [0x500], 1; mov byte [0x100500], 2; then al = [0x500] to port 0xe9; and once more with the gate open
  const std::string shown = "\xa0\x00\x05\x00\x00\xe6\xe9"s;
  const std::string first = "\xc6\x05\x00\x05\x00\x00\x01"s, second = "\xc6\x05\x00\x05\x10\x00\x02"s;
  const std::string early = folder_.file("early");
  const CommandResult result = run("-debugcon file:" + early + " -kernel " +
                                   guest(first + out8(0x92, 0) + second + shown + first + out8(0x92, 2) + second +
                                         shown + out16(0x604, 0x3400) + kHalt));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(textOf(early), "\x02\x01");
}

TEST_F(MachineTest, ASpinningGuestStopsGoesOnAndShowsItsRegisters) {
  const auto emulator = start("\xb8\x78\x56\x34\x12"s + kSpin, {"-smp", "2", "-m", "64"});  // mov eax, 0x12345678
  const auto client = emulator->connect();
  while (human(*client, "print /x $rax") != "0x12345678\n") {
  }
  const json::Value cpus = client->returned("query-cpus-fast");
  int count = 0;
  for (const json::View cpu : cpus.items()) {
    EXPECT_EQ(cpu.find("cpu-index")->asInt64(), count++);
    EXPECT_NE(cpu.find("thread-id")->asInt64(), 0);
  }
  EXPECT_EQ(count, 2);
  client->returned("stop");
  EXPECT_EQ(statusOf(*client), "paused");
  EXPECT_NE(human(*client, "info registers").find("RAX=0000000012345678"), std::string::npos);
  EXPECT_EQ(human(*client, "xp /4xb 0x200000"), "0000000000200000: 0xb8 0x78 0x56 0x34\n");
  EXPECT_EQ(human(*client, "x/2xb $rip"), "0000000000200005: 0xeb 0xfe\n");
  EXPECT_NE(human(*client, "x/1i 0x200000").find("mov"), std::string::npos);
  EXPECT_NE(human(*client, "xp /1xw 0x4000000").find("there is no memory at 0x4000000"), std::string::npos);
  EXPECT_NE(human(*client, "info mtree").find("ioapic"), std::string::npos);
  client->returned("cont");
  EXPECT_EQ(statusOf(*client), "running");
}

TEST_F(MachineTest, MemoryCanBeAFile) {
  const std::string memory = folder_.file("memory");
  // mov byte [0x300000], 0x5a; the size is that of -m
  const CommandResult result = run("-m 16 -object memory-backend-file,id=mem,size=16M,share=on,mem-path=" + memory +
                                   " -machine memory-backend=mem -kernel " +
                                   guest("\xc6\x05\x00\x00\x30\x00\x5a"s + out16(0x604, 0x3400) + kHalt));
  EXPECT_EQ(result.status, 0) << result.output;
  std::ifstream file(memory, std::ios::binary);
  file.seekg(0x300000);
  EXPECT_EQ(file.get(), 0x5a);
}

TEST_F(MachineTest, WhatCannotBeMadeSaysWhy) {
  const auto fails = [this](const std::string& options, const std::string& message) {
    const CommandResult result = run(options);
    EXPECT_NE(result.status, 0) << options;
    EXPECT_NE(result.output.find(message), std::string::npos) << options << ": " << result.output;
  };
  std::ofstream(folder_.file("text")) << std::string(5000, 'x');
  fails("-kernel " + folder_.file("text"), "is no kernel that this machine can start");
  fails("-kernel /nonexistent", "-kernel /nonexistent");
  fails("-kernel " + guest(kHalt) + " -initrd /nonexistent", "-initrd /nonexistent");
  fails("-m 2M -kernel " + guest(kHalt), "RAM is from 0x100000 to 0x200000");
  fails("-cpu Nehalm", "Nehalem");
  fails("-machine memory-backend=mem", "mem");
  fails("-device isa-serial,iobase=0x3f8 -device isa-serial,iobase=0x3fa", "ports 0x3fa to 0x401 are taken by");
  fails("-device isa-serial,irq=16", "no interrupt line 16");
  fails("-object isa-serial,id=x", "-device and device_add make devices");
  fails("-serial null -serial null -serial null -serial null -serial null", "there are no more serial ports");
}

}  // namespace
}  // namespace rhea::test
