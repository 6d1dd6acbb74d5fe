// Where QMP can be had: standard streams, sockets that cannot be, a daemon's socket.
#include <gtest/gtest.h>

#include "tests/lib/command.h"
#include "tests/lib/emulator.h"

namespace rhea::test {
namespace {

std::string start(const std::string& options) {
  return Emulator::program() + " -machine none -nodefaults -display none " + options;
}

TEST(QmpOverStandardStreams, answersAScriptAndEndsByQuit) {
  const CommandResult result =
      run(R"(echo '{"execute":"qmp_capabilities"}{"execute":"query-status","id":1}{"execute":"quit"}' | )" +
          start("-qmp stdio"));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_TRUE(result.output.starts_with(R"({"QMP": {"version": {"qemu": {)")) << result.output;
  EXPECT_NE(result.output.find(R"("status": "running")"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find(R"("reason": "host-qmp-quit")"), std::string::npos) << result.output;
}

TEST(QmpOverStandardStreams, isIndentedWhereAskedTo) {
  const CommandResult result =
      run(R"(echo '{"execute":"qmp_capabilities"}{"execute":"quit"}' | )" + start("-qmp-pretty stdio"));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_NE(result.output.find("{\n    \"return\": {}\n}\r\n"), std::string::npos) << result.output;
}

TEST(QmpSocket, inUseIsRefusedWithTheProcessThatHasIt) {
  const Emulator emulator;
  const CommandResult result = run(start("-qmp unix:" + emulator.socketPath() + ",server=on,wait=off"));
  EXPECT_EQ(result.status, 1) << result.output;
  EXPECT_NE(result.output.find("in use: process " + std::to_string(emulator.pid())), std::string::npos)
      << result.output;
  EXPECT_EQ(emulator.connect()->returned("query-status").find("status")->asString(), "running");
}

TEST(QmpSocket, thatCannotBeIsRefusedWithTheReason) {
  const TempDir folder;
  const std::string longPath = folder.file(std::string(120, 'x'));
  EXPECT_NE(run(start("-qmp unix:" + longPath + ",server=on,wait=off")).output.find("too long"), std::string::npos);
  EXPECT_NE(run(start("-qmp unix:/nonexistent/s,server=on,wait=off")).output.find("No such file"), std::string::npos);
  const std::string plain = folder.makeFile("plain", 10);
  EXPECT_NE(run(start("-qmp unix:" + plain + ",server=on,wait=off")).output.find("not a socket"), std::string::npos);
  const CommandResult unknown = run(start("-qmp unx:/tmp/s"));
  EXPECT_EQ(unknown.status, 2) << unknown.output;
  EXPECT_NE(unknown.output.find("unix:"), std::string::npos) << unknown.output;
}

TEST(QmpSocket, isMadeForTheOwnerAloneAndRemovedAtTheEnd) {
  std::string path;
  {
    const Emulator emulator;
    path = emulator.socketPath();
    const auto mode = std::filesystem::status(path).permissions();
    EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    emulator.connect()->execute("quit");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace rhea::test
