// QMP clients of every manner against the real program: many at once, gone in mid-message, never reading, in thousands.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/lib/emulator.h"
#include "tests/support/sanitized.h"

namespace rhea::test {
namespace {

using Clock = std::chrono::steady_clock;

int connectTo(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  if (connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0) return fd;
  close(fd);
  return -1;
}

std::size_t descriptorsOf(pid_t pid) {
  std::size_t count = 0;
  DIR* folder = opendir(("/proc/" + std::to_string(pid) + "/fd").c_str());
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

long residentKiB(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
  }
  return 0;
}

TEST(QmpClients, haveHandshakesOfTheirOwnOnOneSocket) {
  const Emulator emulator;
  const auto one = emulator.connect();
  const auto two = emulator.connect(false);
  const auto three = emulator.connect();
  EXPECT_EQ(one->returned("query-status").find("status")->asString(), "running");
  EXPECT_EQ(two->execute("query-status").find("error")->find("class")->asString(), "CommandNotFound");
  EXPECT_EQ(three->returned("query-monitors").size(), 3U);
  two->returned("qmp_capabilities");
  one->returned("stop");
  EXPECT_TRUE(two->event("STOP").has_value()) << "events reach every client";
  EXPECT_TRUE(three->event("STOP").has_value());
}

TEST(QmpClients, chooseTheirEvents) {
  const Emulator emulator;
  const auto one = emulator.connect();
  const auto two = emulator.connect();
  EXPECT_EQ(two->returned("qmp-subscribe-events", R"({"events": ["RESU*"]})").find("events")->size(), 1U);
  one->returned("stop");
  one->returned("cont");
  ASSERT_TRUE(two->event("RESUME").has_value());
  EXPECT_FALSE(two->event("STOP", 0.01).has_value());
  EXPECT_EQ(two->execute("qmp-subscribe-events", R"({"events": ["RESUM"]})").find("error")->find("candidates")->size(),
            2U)
      << "RESUME and RESET";
}

TEST(QmpClients, thatVanishInMidMessageHurtNobody) {
  const Emulator emulator;
  for (int round = 0; round < 20; ++round) {
    const int fd = connectTo(emulator.socketPath());
    ASSERT_GE(fd, 0);
    const std::string text = R"({"execute": "qmp_capabilities"}{"execute": "stop", "argum)";
    ASSERT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    close(fd);
  }
  EXPECT_EQ(emulator.connect()->returned("query-status").find("status")->asString(), "running");
}

TEST(QmpClients, thatNeverReadMeetAFullSocketAndNobodyElseDoes) {
  const Emulator emulator;
  const long before = residentKiB(emulator.pid());
  const int fd = connectTo(emulator.socketPath());
  const std::string hello = R"({"execute": "qmp_capabilities"})";
  ASSERT_EQ(write(fd, hello.data(), hello.size()), static_cast<ssize_t>(hello.size()));
  std::string flood;
  for (int number = 0; number < 1000; ++number) flood += R"({"execute": "query-qmp-schema"})";
  std::size_t sent = 0;
  const auto end = Clock::now() + std::chrono::seconds(1);
  while (Clock::now() < end && sent < (std::size_t{64} << 20)) {
    const ssize_t count = send(fd, flood.data(), flood.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<std::size_t>(count);
    if (count < 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_LT(sent, std::size_t{4} << 20) << "it is not read without bound";
  EXPECT_LT(residentKiB(emulator.pid()), before + 90 * 1024 + kQuarantineKiB);
  const auto other = emulator.connect();
  for (int number = 0; number < 100; ++number) other->returned("query-status");
  close(fd);
}

TEST(QmpClients, inThousandsLeaveNothingBehind) {
  const Emulator emulator;
  const auto watcher = emulator.connect();
  const auto knock = [&](int times) {
    for (int number = 0; number < times; ++number) {
      const int fd = connectTo(emulator.socketPath());
      ASSERT_GE(fd, 0) << number;
      std::array<char, 1> first;
      ASSERT_EQ(read(fd, first.data(), 1), 1);
      close(fd);
    }
    while (watcher->returned("query-monitors").size() > 1) {
    }
  };
  knock(500);
  const std::size_t descriptors = descriptorsOf(emulator.pid());
  const long memory = residentKiB(emulator.pid());
  knock(10'000);
  EXPECT_EQ(descriptorsOf(emulator.pid()), descriptors);
  EXPECT_LT(residentKiB(emulator.pid()), memory + 1024 + kQuarantineKiB);
}

TEST(QmpClients, passDescriptorsIntoSetsAndNames) {
  const Emulator emulator;
  const auto client = emulator.connect();
  const auto other = emulator.connect();
  std::array<int, 2> ends;
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  EXPECT_TRUE(client->ask(R"({"execute": "getfd", "arguments": {"fdname": "log"}})").find("error").has_value());
  EXPECT_TRUE(
      client->ask(R"({"execute": "getfd", "arguments": {"fdname": "log"}})", ends[0]).find("return").has_value());
  EXPECT_TRUE(other->execute("closefd", R"({"fdname": "log"})").find("error").has_value()) << "names are the client's";
  EXPECT_TRUE(client->execute("closefd", R"({"fdname": "log"})").find("return").has_value());
  const json::Value added =
      client->ask(R"({"execute": "add-fd", "arguments": {"fdset-id": 4, "opaque": "note"}})", ends[1]);
  EXPECT_EQ(added.find("return")->find("fdset-id")->asInt64(), 4);
  EXPECT_EQ(other->returned("query-fdsets").size(), 1U) << "sets are the machine's";
  EXPECT_TRUE(client
                  ->execute("chardev-add", R"({"id": "log0", "backend": {"type": "file", "data":
      {"out": "/dev/fdset/4", "append": true}}})")
                  .find("error")
                  .has_value() == false);
  EXPECT_TRUE(client->execute("remove-fd", R"({"fdset-id": 4})").find("return").has_value());
  EXPECT_TRUE(client->execute("remove-fd", R"({"fdset-id": 4})").find("error").has_value());
  close(ends[0]);
  close(ends[1]);
}

TEST(QmpClients, mayOnlyReadWhereTheMonitorSaysSo) {
  const TempDir folder;
  const std::string path = folder.file("watch.sock");
  const Emulator emulator({"-chardev", "socket,id=watch,path=" + path + ",server=on,wait=off", "-mon",
                           "chardev=watch,id=watch,mode=control,role=read-only"});
  QmpClient watcher(path);
  EXPECT_EQ(watcher.returned("query-status").find("status")->asString(), "running");
  EXPECT_NE(watcher.execute("stop").find("error")->find("desc")->asString().find("may only read"),
            std::string_view::npos);
  EXPECT_NE(watcher.returned("human-monitor-command", R"({"command-line": "stop"})").asString().find("may only read"),
            std::string_view::npos);
  EXPECT_EQ(emulator.connect()->returned("query-status").find("status")->asString(), "running");
}

TEST(QmpClients, areWrittenDownInTheAuditLog) {
  const TempDir folder;
  const std::string path = folder.file("audit.log");
  {
    const Emulator emulator({"--audit-log", path});
    const auto client = emulator.connect();
    client->returned("query-status");
    client->returned("object-add", R"({"qom-type": "secret", "id": "s0", "data": "geheim"})");
    client->execute("object-del", R"({"id": "nothing"})");
    client->returned("human-monitor-command", R"({"command-line": "object_add secret,id=s1,data=geheim"})");
  }
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  ASSERT_GE(lines.size(), 3U);
  EXPECT_NE(lines[2].find(R"("command": "object_add")"), std::string::npos) << lines[2];
  EXPECT_NE(lines[2].find(R"("id": "s1")"), std::string::npos) << lines[2];
  EXPECT_EQ(lines[2].find("geheim"), std::string::npos) << lines[2];
  EXPECT_NE(lines[0].find(R"("command": "object-add")"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("(secret)"), std::string::npos) << lines[0];
  EXPECT_EQ(lines[0].find("geheim"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find(R"("result": "failed")"), std::string::npos) << lines[1];
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

}  // namespace
}  // namespace rhea::test
