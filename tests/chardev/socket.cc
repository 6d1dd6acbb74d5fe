#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "emu/chardev/table.h"
#include "tests/chardev/probe.h"
#include "tests/lib/temp-dir.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea::chardev {
namespace {

using namespace std::chrono_literals;
using rhea::test::runTask;
using test::Probe;

Options server(const std::string& path, bool wait = false) {
  SocketOptions socket;
  UnixAddress address;
  address.path = path;
  socket.address = address;
  socket.server = true;
  socket.wait = wait;
  return {"c0", std::move(socket)};
}

Fd connectTo(const std::string& path) {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)) != 0) return Fd();
  return fd;
}

std::size_t openDescriptors() {
  std::size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

class SocketChardev : public rhea::test::LoopTest {
 protected:
  Chardev& add(Options options) {
    Result<Chardev*> made = runTask(*loop_, table_->add(std::move(options)));
    if (!made.ok()) {
      ADD_FAILURE() << made.error().describe();
      std::terminate();
    }
    return **made;
  }
  Error addFails(Options options) {
    Result<Chardev*> made = runTask(*loop_, table_->add(std::move(options)));
    return made.ok() ? Error("it was made") : made.takeError();
  }
  void until(const std::function<bool()>& done) {
    bool late = false;
    const auto timer = loop_->timer(5s, [&] { late = true; });
    loop_->waitUntil([&] { return late || done(); });
    ASSERT_FALSE(late) << "it did not happen within 5 seconds";
  }

  // Lets the loop look at its descriptors.
  void turn() {
    bool over = false;
    const auto timer = loop_->timer(1ms, [&] { over = true; });
    until([&] { return over; });
  }

  rhea::test::TempDir folder_;
  std::string path_ = folder_.file("s");
  FdSets fdSets_;
  std::unique_ptr<ChardevTable> table_ = std::make_unique<ChardevTable>(*loop_, fdSets_);
};

TEST_F(SocketChardev, servesSeveralClientsAtOnceWhereTheFrontEndWantsThem) {
  Probe probe(true);
  Chardev& chardev = add(server(path_));
  EXPECT_EQ(chardev.backend().filename(), fmt::format("disconnected:unix:{},server=on", path_));
  probe.echo = true;
  ASSERT_TRUE(chardev.attach(probe).ok());
  const Fd one = connectTo(path_);
  const Fd two = connectTo(path_);
  ASSERT_EQ(write(two.get(), "hello", 5), 5);
  until([&] { return probe.conversations.size() == 2 && probe.last().input == "hello"; });
  EXPECT_EQ(chardev.backend().filename(), fmt::format("unix:{},server=on", path_));
  turn();
  std::array<char, 16> reply;
  EXPECT_EQ(recv(two.get(), reply.data(), reply.size(), MSG_DONTWAIT), 5);
  EXPECT_LT(recv(one.get(), reply.data(), reply.size(), MSG_DONTWAIT), 0);
  EXPECT_EQ(probe.last().stream->credentials().pid, getpid());
  chardev.detach(probe);
}

TEST_F(SocketChardev, servesOneAfterTheOtherWhereTheFrontEndWantsOne) {
  Probe probe;
  Chardev& chardev = add(server(path_));
  ASSERT_TRUE(chardev.attach(probe).ok());
  Fd one = connectTo(path_);
  const Fd two = connectTo(path_);
  until([&] { return probe.count == 1; });
  one.reset();
  until([&] { return probe.count == 2; });
  EXPECT_TRUE(probe.conversations.front()->ended);
  chardev.detach(probe);
}

TEST_F(SocketChardev, makesItsFileForTheOwnerAloneAndRemovesIt) {
  add(server(path_));
  struct stat status = {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  table_.reset();
  EXPECT_NE(stat(path_.c_str(), &status), 0);
}

TEST_F(SocketChardev, leavesTheFileOfASuccessorAlone) {
  add(server(path_));
  unlink(path_.c_str());
  ChardevTable other(*loop_, fdSets_);
  ASSERT_TRUE(runTask(*loop_, other.add(server(path_))).ok());
  table_.reset();
  struct stat status = {};
  EXPECT_EQ(stat(path_.c_str(), &status), 0);
}

TEST_F(SocketChardev, replacesAFileThatNobodyListensOn) {
  {
    const Fd stale(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    path_.copy(name.sun_path, sizeof(name.sun_path) - 1);
    ASSERT_EQ(bind(stale.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  }
  Probe probe(true);
  Chardev& chardev = add(server(path_));
  ASSERT_TRUE(chardev.attach(probe).ok());
  const Fd client = connectTo(path_);
  until([&] { return probe.count == 1; });
  chardev.detach(probe);
}

TEST_F(SocketChardev, namesTheProcessThatHasThePath) {
  add(server(path_));
  ChardevTable other(*loop_, fdSets_);
  Result<Chardev*> second = runTask(*loop_, other.add(server(path_)));
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message().find("in use"), std::string::npos);
  EXPECT_NE(second.error().message().find(std::to_string(getpid())), std::string::npos) << second.error().message();
}

TEST_F(SocketChardev, refusesPathsThatCannotBe) {
  EXPECT_NE(addFails(server(std::string(200, 'x'))).message().find("too long"), std::string::npos);
  EXPECT_NE(addFails(server("/nonexistent/folder/s")).message().find("No such file"), std::string::npos);
  const std::string file = folder_.file("file");
  fclose(fopen(file.c_str(), "w"));
  EXPECT_NE(addFails(server(file)).message().find("not a socket"), std::string::npos);
  EXPECT_TRUE(table_->list().empty());
}

TEST_F(SocketChardev, waitsForTheFirstClientWhereAskedTo) {
  add(server(path_, true));
  std::thread client([this] {
    std::this_thread::sleep_for(30ms);
    connectTo(path_);
  });
  EXPECT_TRUE(runTask(*loop_, table_->waitForClients()).ok());
  client.join();
}

TEST_F(SocketChardev, losesNothingInTenThousandConnections) {
  Probe probe(true);
  probe.forgetful = true;
  Chardev& chardev = add(server(path_));
  ASSERT_TRUE(chardev.attach(probe).ok());
  const std::size_t before = openDescriptors();
  for (int number = 1; number <= 10'000; ++number) {
    Fd client = connectTo(path_);
    ASSERT_TRUE(client.valid()) << number;
    client.reset();
    if (number % 64 == 0) until([&] { return probe.count == number; });
  }
  until([&] { return probe.count == 10'000 && probe.last().ended; });
  EXPECT_LE(openDescriptors(), before + 1);
  chardev.detach(probe);
}

TEST_F(SocketChardev, adoptsAnInheritedListeningSocket) {
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  path_.copy(name.sun_path, sizeof(name.sun_path) - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  SocketOptions socket;
  FdAddress address;
  address.name = std::to_string(listener);
  socket.address = std::move(address);
  socket.server = true;
  Probe probe(true);
  Chardev& chardev = add({"charmonitor", std::move(socket)});
  ASSERT_TRUE(chardev.attach(probe).ok());
  const Fd client = connectTo(path_);
  until([&] { return probe.count == 1; });
  EXPECT_EQ(chardev.backend().filename(), fmt::format("unix:{},server=on", path_));
  chardev.detach(probe);
  table_.reset();
  struct stat status = {};
  EXPECT_EQ(stat(path_.c_str(), &status), 0) << "the file belongs to whoever made it";
}

TEST_F(SocketChardev, neverBlocksOnAReaderThatDoesNotRead) {
  Probe probe(true);
  Chardev& chardev = add(server(path_));
  ASSERT_TRUE(chardev.attach(probe).ok());
  const Fd client = connectTo(path_);
  until([&] { return probe.count == 1; });
  Stream& stream = *probe.last().stream;
  stream.write(std::string(std::size_t{4} << 20, 'x'));
  turn();
  EXPECT_GT(stream.pending(), std::size_t{1} << 20);
  std::string taken(std::size_t{4} << 20, '\0');
  std::size_t total = 0;
  while (total < taken.size()) {
    const ssize_t count = recv(client.get(), taken.data(), taken.size(), MSG_DONTWAIT);
    if (count > 0) total += static_cast<std::size_t>(count);
    turn();
  }
  EXPECT_EQ(stream.pending(), 0U);
  EXPECT_EQ(probe.last().drains, 1);
  chardev.detach(probe);
}

TEST_F(SocketChardev, servesTcpClients) {
  SocketOptions socket;
  TcpAddress address;
  address.host = "127.0.0.1";
  address.port = "0";
  socket.address = address;
  socket.server = true;
  socket.wait = false;
  Probe outer(true);
  outer.echo = true;
  Chardev& listener = add({"c0", std::move(socket)});
  ASSERT_TRUE(listener.attach(outer).ok());
  const std::string name = listener.backend().filename();
  ASSERT_TRUE(name.starts_with("disconnected:tcp:127.0.0.1:") && name.ends_with(",server=on")) << name;
  const std::size_t colon = name.rfind(':') + 1;
  SocketOptions there;
  address.port = name.substr(colon, name.find(',') - colon);
  there.address = address;
  Probe inner;
  Chardev& client = add({"c1", std::move(there)});
  ASSERT_TRUE(client.attach(inner).ok());
  inner.last().stream->write("hello");
  until([&] { return inner.last().input == "hello"; });
  EXPECT_NE(listener.backend().filename().find(" <-> 127.0.0.1:"), std::string::npos);
  client.detach(inner);
  listener.detach(outer);
}

TEST_F(SocketChardev, connectsAgainAfterAWhile) {
  Probe outer(true);
  Chardev& listener = add(server(path_));
  ASSERT_TRUE(listener.attach(outer).ok());
  SocketOptions socket;
  UnixAddress address;
  address.path = path_;
  socket.address = address;
  socket.reconnect = 20ms;
  Probe inner;
  Chardev& client = add({"c1", std::move(socket)});
  ASSERT_TRUE(client.attach(inner).ok());
  until([&] { return outer.count == 1 && inner.count == 1; });
  outer.last().stream->close();
  until([&] { return outer.count == 2 && inner.count == 2; });
  client.detach(inner);
  listener.detach(outer);
}

}  // namespace
}  // namespace rhea::chardev
