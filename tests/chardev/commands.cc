// chardev-add and its relatives, from JSON to JSON.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "emu/chardev/table.h"
#include "qapi/commands-chardev.h"
#include "qapi/human-chardev.h"
#include "tests/lib/temp-dir.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea::chardev {
namespace {

using rhea::test::runTask;

class NoEvents : public EventSink {
 public:
  void emit(const EventInfo&, std::string, std::string_view) override {}
};

// One descriptor, called "given".
class OneFd : public SessionFds {
 public:
  explicit OneFd(Fd fd) : fd_(std::move(fd)) {}
  Result<Fd> takeReceived() override { return Error("none came"); }
  void store(const std::string&, Fd) override {}
  Result<Fd> takeNamed(const std::string& name) override {
    if (name == "given" && fd_.valid()) return std::move(fd_);
    return Error(fmt::format("no descriptor is called '{}'", name));
  }

 private:
  Fd fd_;
};

class ChardevCommands : public rhea::test::LoopTest {
 protected:
  ChardevCommands() { services_.provide(table_); }

  CommandContext context() {
    auto state = std::make_shared<CommandContext::State>(services_, events_);
    state->fds = fds_;
    return CommandContext(std::move(state));
  }
  // The reply, or the error's first line.
  template <class Arguments>
  std::string run(const std::string& arguments = "{}") {
    const Result<json::Text> reply = runTask(*loop_, invokeCommand<Arguments>(context(), *json::parse(arguments)));
    return reply.ok() ? *reply : reply.error().message();
  }
  template <class Arguments>
  std::string runHuman(const std::string& arguments) {
    const Result<json::Text> reply = runTask(*loop_, invokeHumanCommand<Arguments>(context(), *json::parse(arguments)));
    return reply.ok() ? unpackHumanOutput(*reply)->text : reply.error().message();
  }
  std::string add(const std::string& id, const std::string& type, const std::string& data = "{}") {
    return run<qapi::ChardevAdd>(
        fmt::format(R"({{"id": "{}", "backend": {{"type": "{}", "data": {}}}}})", id, type, data));
  }

  FdSets fdSets_;
  ChardevTable table_{*loop_, fdSets_};
  Services services_;
  NoEvents events_;
  std::shared_ptr<OneFd> fds_;
};

TEST_F(ChardevCommands, MakeListAndTakeAway) {
  EXPECT_EQ(add("log0", "null"), "{}");
  const std::string listed = run<qapi::QueryChardev>();
  EXPECT_NE(listed.find(R"("label": "log0")"), std::string::npos) << listed;
  EXPECT_EQ(run<qapi::ChardevRemove>(R"({"id": "log0"})"), "{}");
  EXPECT_EQ(run<qapi::QueryChardev>(), "[]");
  EXPECT_EQ(run<qapi::ChardevRemove>(R"({"id": "log0"})"), "there is no chardev 'log0'");
}

TEST_F(ChardevCommands, TellThePtyOfANewTerminal) {
  EXPECT_TRUE(add("console0", "pty").starts_with(R"({"pty": "/dev/pts/)"));
}

TEST_F(ChardevCommands, ListEveryKind) {
  const std::string kinds = run<qapi::QueryChardevBackends>();
  for (const std::string_view kind : {"file", "mux", "null", "pipe", "pty", "ringbuf", "socket", "stdio"}) {
    EXPECT_NE(kinds.find(fmt::format(R"("name": "{}")", kind)), std::string::npos) << kinds;
  }
}

TEST_F(ChardevCommands, KeepTheNewestBytesOfARingBuffer) {
  EXPECT_EQ(add("buf0", "ringbuf", R"({"size": 4})"), "{}");
  EXPECT_EQ(run<qapi::RingbufWrite>(R"({"device": "buf0", "data": "YWJjZGVm", "format": "base64"})"), "{}");
  EXPECT_EQ(run<qapi::RingbufRead>(R"({"device": "buf0", "size": 3})"), R"("cde")");
  EXPECT_EQ(run<qapi::RingbufRead>(R"({"device": "buf0", "size": 3, "format": "base64"})"), R"("Zg==")");
}

TEST_F(ChardevCommands, RefuseWhatIsNoRingBuffer) {
  add("log0", "null");
  EXPECT_EQ(run<qapi::RingbufRead>(R"({"device": "log0", "size": 1})"), "chardev 'log0' is no ring buffer but null");
  EXPECT_EQ(add("buf0", "ringbuf", R"({"size": -1})"), "a ring buffer of -1 bytes cannot be");
  add("buf1", "ringbuf");
  EXPECT_EQ(run<qapi::RingbufRead>(R"({"device": "buf1", "size": 0})"), "cannot read 0 bytes");
  EXPECT_NE(run<qapi::RingbufWrite>(R"({"device": "buf1", "data": "?", "format": "base64"})"), "{}");
}

TEST_F(ChardevCommands, ChangeTheBackEndOrLeaveTheOldOne) {
  const rhea::test::TempDir folder;
  add("log0", "null");
  const std::string change = R"({{"id": "log0", "backend": {{"type": "file", "data": {{"out": "{}"}}}}}})";
  EXPECT_EQ(run<qapi::ChardevChange>(fmt::format(fmt::runtime(change), folder.file("log.txt"))), "{}");
  EXPECT_NE(run<qapi::ChardevChange>(fmt::format(fmt::runtime(change), folder.file("none/log.txt"))), "{}");
  EXPECT_NE(run<qapi::QueryChardev>().find(R"("filename": "file")"), std::string::npos);
}

TEST_F(ChardevCommands, ListenWhereTheyAreTold) {
  const rhea::test::TempDir folder;
  const std::string address =
      fmt::format(R"({{"addr": {{"type": "unix", "data": {{"path": "{}"}}}}}})", folder.file("s"));
  EXPECT_EQ(add("c0", "socket", address), "{}");
  EXPECT_TRUE(std::filesystem::is_socket(folder.file("s")));
  EXPECT_EQ(add("c1", "socket", R"({"addr": {"type": "fd", "data": {"str": "given"}}, "wait": true})"),
            "a command cannot wait for a socket's first client");
}

TEST_F(ChardevCommands, TakeADescriptorThatTheClientNamed) {
  const std::string data = R"({"addr": {"type": "fd", "data": {"str": "given"}}, "server": false})";
  EXPECT_NE(add("c0", "socket", data), "{}");
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const Fd other(pair[1]);
  fds_ = std::make_shared<OneFd>(Fd(pair[0]));
  EXPECT_EQ(add("c0", "socket", data), "{}");
  EXPECT_EQ(add("c1", "socket", data), "no descriptor is called 'given'");
}

TEST_F(ChardevCommands, ReadTheOptionsThatPeopleType) {
  EXPECT_EQ(runHuman<qapi::human::ChardevAdd>(R"({"args": "ringbuf,id=buf0,size=16"})"), "");
  EXPECT_EQ(runHuman<qapi::human::ChardevChange>(R"({"id": "buf0", "args": "null"})"), "");
  EXPECT_NE(run<qapi::QueryChardev>().find(R"("filename": "null")"), std::string::npos);
  EXPECT_NE(runHuman<qapi::human::ChardevAdd>(R"({"args": "ringbuf,id=buf1,sise=16"})"), "");
}

}  // namespace
}  // namespace rhea::chardev
