#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/chardev/table-test.h"

namespace rhea::chardev {
namespace {

using namespace std::chrono_literals;
using rhea::test::runTask;
using test::Probe;

class ChardevBackends : public test::TableTest {
 protected:
  Result<Chardev*> add(std::string id, BackendOptions what, bool mux = false) {
    Options options(std::move(id), std::move(what));
    options.mux = mux;
    return TableTest::add(std::move(options));
  }
};

TEST_F(ChardevBackends, keepTheNewestBytesInARingBuffer) {
  RingbufOptions options;
  options.size = 8;
  Chardev& chardev = **add("ring", options);
  Probe probe;
  ASSERT_TRUE(chardev.attach(probe).ok());
  probe.last().stream->write("0123456789");
  RingBuffer& ring = *chardev.backend().ringBuffer();
  EXPECT_EQ(ring.read(3), "234");
  probe.last().stream->write("ab");
  EXPECT_EQ(ring.read(100), "56789ab");
  EXPECT_EQ(ring.read(100), "");
  chardev.detach(probe);
  options.size = 1000;
  EXPECT_NE(add("odd", options).error().expectedText().find("power of two"), std::string::npos);
}

TEST_F(ChardevBackends, writeToAFileAndAppendWhereAskedTo) {
  FileOptions options;
  options.out = folder_.file("log");
  for (const bool append : {false, true, false}) {
    options.append = append;
    Chardev& chardev = **add("log", options);
    EXPECT_EQ(chardev.backend().filename(), "file");
    Probe probe;
    ASSERT_TRUE(chardev.attach(probe).ok());
    const std::string before = append ? contents(options.out) : "";
    probe.last().stream->write("line\n");
    until([&] { return probe.last().stream->pending() == 0; });
    EXPECT_EQ(contents(options.out), before + "line\n");
    chardev.detach(probe);
    probe.conversations.clear();
    ASSERT_TRUE(table_.remove("log").ok());
  }
}

TEST_F(ChardevBackends, writeToADescriptorSet) {
  const std::string path = folder_.file("log");
  std::ofstream(path) << "old\n";
  ASSERT_TRUE(fdSets_.add(0, Fd(open(path.c_str(), O_WRONLY | O_CLOEXEC)), std::nullopt).ok());
  FileOptions options;
  options.out = "/dev/fdset/0";
  options.append = true;
  Chardev& chardev = **add("serial0", options);
  Probe probe;
  ASSERT_TRUE(chardev.attach(probe).ok());
  probe.last().stream->write("new\n");
  until([&] { return probe.last().stream->pending() == 0; });
  EXPECT_EQ(contents(path), "old\nnew\n");
  chardev.detach(probe);
  options.out = "/dev/fdset/7";
  EXPECT_NE(add("other", options).error().message().find("no descriptor set 7"), std::string::npos);
}

TEST_F(ChardevBackends, readAnInputFileOnceAndStayOpen) {
  FileOptions options;
  options.out = folder_.file("out");
  options.in = folder_.file("in");
  std::ofstream(*options.in) << "typed";
  Chardev& chardev = **add("c", options);
  Probe probe;
  ASSERT_TRUE(chardev.attach(probe).ok());
  until([&] { return probe.last().input == "typed"; });
  EXPECT_TRUE(probe.last().stream->isOpen());
  chardev.detach(probe);
  // The worker that reads holds the stream, beside the chardev, until it has seen the end.
  const std::weak_ptr<Stream> stream = probe.last().stream;
  probe.conversations.clear();
  until([&] { return stream.use_count() <= 1; });
}

TEST_F(ChardevBackends, joinTwoFifos) {
  PipeOptions options;
  options.path = folder_.file("pipe");
  EXPECT_NE(add("p", options).error().hintText().find("FIFO"), std::string::npos);
  ASSERT_EQ(mkfifo((options.path + ".in").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((options.path + ".out").c_str(), 0600), 0);
  Chardev& chardev = **add("p", options);
  Probe probe;
  probe.echo = true;
  ASSERT_TRUE(chardev.attach(probe).ok());
  const Fd in(open((options.path + ".in").c_str(), O_WRONLY | O_CLOEXEC));
  const Fd out(open((options.path + ".out").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_EQ(write(in.get(), "hello", 5), 5);
  std::array<char, 16> bytes;
  until([&] { return read(out.get(), bytes.data(), bytes.size()) == 5; });
  chardev.detach(probe);
}

TEST_F(ChardevBackends, openAConversationForEachReaderOfAPty) {
  Chardev& chardev = **add("console", PtyOptions());
  const std::string name = chardev.backend().ptyName();
  EXPECT_EQ(chardev.backend().filename(), "pty:" + name);
  Probe probe;
  ASSERT_TRUE(chardev.attach(probe).ok());
  EXPECT_EQ(probe.count, 0);
  for (int reader = 1; reader <= 3; ++reader) {
    Fd terminal(open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(terminal.valid());
    ASSERT_EQ(write(terminal.get(), "hello\n", 6), 6);
    until([&] { return probe.count == reader && probe.last().input == "hello\n"; });
    probe.last().stream->write("welcome");
    std::array<char, 16> bytes;
    until([] { return true; });
    EXPECT_EQ(read(terminal.get(), bytes.data(), bytes.size()), 7);
    terminal.reset();
    until([&] { return probe.last().ended; });
  }
  chardev.detach(probe);
}

TEST_F(ChardevBackends, refuseASecondFrontEndAndNameTheFirst) {
  Chardev& chardev = **add("c", NullOptions());
  Probe one;
  Probe two;
  ASSERT_TRUE(chardev.attach(one).ok());
  const Result<void> second = chardev.attach(two);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message().find("the test"), std::string::npos);
  EXPECT_NE(table_.remove("c").error().message().find("in use"), std::string::npos);
  chardev.detach(one);
  EXPECT_TRUE(table_.remove("c").ok());
}

TEST_F(ChardevBackends, changeUnderAFrontEndThatStays) {
  RingbufOptions ring;
  Chardev& chardev = **add("c", NullOptions());
  Probe probe;
  ASSERT_TRUE(chardev.attach(probe).ok());
  ASSERT_TRUE(runTask(*loop_, table_.change({"c", ring})).ok());
  EXPECT_EQ(probe.count, 2);
  probe.last().stream->write("kept");
  EXPECT_EQ(chardev.backend().ringBuffer()->read(10), "kept");
  FileOptions impossible;
  impossible.out = "/nonexistent/x";
  EXPECT_FALSE(runTask(*loop_, table_.change({"c", impossible})).ok());
  EXPECT_EQ(chardev.backend().filename(), "ringbuf") << "the old one stays";
  chardev.detach(probe);
}

TEST_F(ChardevBackends, areNamedByTheRuleOfIds) {
  EXPECT_FALSE(add("1st", NullOptions()).ok());
  EXPECT_TRUE(add("first", NullOptions()).ok());
  EXPECT_NE(add("first", NullOptions()).error().message().find("already"), std::string::npos);
  EXPECT_EQ(table_.find("frist").error().candidateNames().front(), "first");
}

// Two front ends on one pty.
class ChardevMux : public ChardevBackends {
 protected:
  void SetUp() override {
    Chardev& chardev = **add("mux", PtyOptions(), true);
    table_.setMuxActions({.quit = [this] { ++quits_; }, .saveDisks = {}});
    ASSERT_TRUE(chardev.attach(one_).ok());
    ASSERT_TRUE(chardev.attach(two_).ok());
    const std::string name = (*table_.find("mux-base"))->backend().ptyName();
    terminal_ = Fd(open(name.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    until([&] { return one_.count == 1 && two_.count == 1; });
    mux_ = &chardev;
  }
  void TearDown() override {
    mux_->detach(one_);
    mux_->detach(two_);
  }
  void type(std::string_view keys) const {
    ASSERT_EQ(write(terminal_.get(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  std::string screen() {
    std::string text;
    std::array<char, 4096> bytes;
    until([&] {
      const ssize_t count = read(terminal_.get(), bytes.data(), bytes.size());
      if (count > 0) text.append(bytes.data(), static_cast<std::size_t>(count));
      return count <= 0 && !text.empty();
    });
    return text;
  }

  Probe one_;
  Probe two_;
  Chardev* mux_ = nullptr;
  Fd terminal_;
  int quits_ = 0;
};

TEST_F(ChardevMux, givesTheKeyboardToOneAndTheScreenToAll) {
  EXPECT_TRUE(one_.last().focus);
  type("first");
  until([&] { return one_.last().input == "first"; });
  type("\001csecond");
  until([&] { return two_.last().input == "second"; });
  EXPECT_FALSE(one_.last().focus);
  EXPECT_TRUE(two_.last().focus);
  EXPECT_EQ(one_.last().input, "first");
  one_.last().stream->write("one ");
  two_.last().stream->write("two");
  EXPECT_EQ(screen(), "one two");
}

TEST_F(ChardevMux, knowsItsKeys) {
  type("a\001\001b\001x\001bz");
  until([&] { return one_.last().input == "a\001bz"; });
  EXPECT_EQ(quits_, 1);
  EXPECT_EQ(one_.last().breaks, 1);
  screen();
  type("\001h");
  EXPECT_NE(screen().find("Ctrl-A c"), std::string::npos);
}

}  // namespace
}  // namespace rhea::chardev
