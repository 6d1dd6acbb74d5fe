// Sockets that another process made: inherited by number, as libvirt does, and by LISTEN_FDS, as systemd does.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/lib/emulator.h"

namespace rhea::test {
namespace {

// Descriptor 3 of the program is a listening socket.
class InheritedSocket : public testing::Test {
 protected:
  void SetUp() override {
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    path_.copy(name.sun_path, sizeof(name.sun_path) - 1);
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    ASSERT_EQ(listen(listener_, 8), 0);
  }
  void TearDown() override {
    if (pid_ > 0) {
      kill(pid_, SIGTERM);
      waitpid(pid_, nullptr, 0);
    }
    close(listener_);
  }
  void run(std::vector<std::string> words, bool asServiceManager = false) {
    words.insert(words.begin(), {Emulator::program(), "-machine", "none", "-nodefaults", "-display", "none"});
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    if (listener_ != 3) dup2(listener_, 3);
    if (listener_ == 3) fcntl(3, F_SETFD, 0);
    if (asServiceManager) {
      setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
      setenv("LISTEN_FDS", "1", 1);
      setenv("LISTEN_FDNAMES", "monitor", 1);
    }
    execv(arguments[0], arguments.data());
    _exit(127);
  }

  TempDir folder_;
  std::string path_ = folder_.file("monitor.sock");
  int listener_ = -1;
  pid_t pid_ = -1;
};

TEST_F(InheritedSocket, servesTheClientThatWaitsAlready) {
  run({"-chardev", "socket,id=charmonitor,fd=3,server=on,wait=off", "-mon",
       "chardev=charmonitor,id=monitor,mode=control"});
  QmpClient client(path_);
  const json::Value list = client.returned("query-chardev");
  ASSERT_EQ(list.size(), 1U);
  const json::View chardev = *list.items().begin();
  EXPECT_EQ(chardev.find("label")->asString(), "charmonitor");
  EXPECT_EQ(chardev.find("filename")->asString(), "unix:" + path_ + ",server=on");
  EXPECT_TRUE(chardev.find("frontend-open")->asBool());
}

TEST_F(InheritedSocket, comesFromAServiceManagerByName) {
  run({"-chardev", "socket,id=c0,fd=monitor,server=on,wait=off", "-mon", "chardev=c0,mode=control"}, true);
  QmpClient client(path_);
  EXPECT_EQ(client.returned("query-status").find("status")->asString(), "running");
  client.returned("quit");
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  struct stat status = {};
  EXPECT_EQ(stat(path_.c_str(), &status), 0) << "the file belongs to whoever made it";
}

}  // namespace
}  // namespace rhea::test
