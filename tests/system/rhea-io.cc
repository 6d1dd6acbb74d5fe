// rhea-io as scripts and people run it.
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <regex>

#include "tests/lib/command.h"
#include "tests/lib/emulator.h"
#include "tests/lib/temp-dir.h"

namespace rhea::test {
namespace {

class RheaIo : public testing::Test {
 protected:
  static std::string program() {
    return (std::filesystem::path(Emulator::program()).parent_path() / "rhea-io").string();
  }
  // Runs it on the folder's image, standard error left out.
  CommandResult io(const std::string& arguments) const {
    return run("cd " + dir_.path() + " && " + program() + " " + arguments + " 2>errors");
  }
  std::string errors() const {
    std::ifstream in(dir_.file("errors"));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Times and rates differ from run to run.
  static std::string withoutTimes(const std::string& text) {
    static const std::regex kRates("[0-9.:]+ sec \\([^)]*\\)");
    static const std::regex kNumbers(",[0-9.:]+,[0-9.]+,[0-9.]+\n");
    return std::regex_replace(std::regex_replace(text, kRates, "T"), kNumbers, ",T\n");
  }

  TempDir dir_;
  std::string image_ = dir_.makeFile("a.raw", 1 << 20);
};

TEST_F(RheaIo, WritesAndReadsInTheClassicLayout) {
  const CommandResult done =
      io("-f raw -c 'write -P 0x11 0 64k' -c 'read -v 65520 32' -c 'writev -P 3 64k 512 1k' -c 'read -C -P 3 64k 1536' "
         "-c 'alloc 0 64k' -c length a.raw");
  EXPECT_EQ(done.status, 0) << errors();
  EXPECT_EQ(withoutTimes(done.output),
            "wrote 65536/65536 bytes at offset 0\n64 KiB, 1 ops; T\n"
            "0000fff0:  11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11  ................\n"
            "00010000:  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n"
            "read 32/32 bytes at offset 65520\n32 bytes, 1 ops; T\n"
            "wrote 1536/1536 bytes at offset 65536\n1.500 KiB, 1 ops; T\n"
            "1536,1,T\n65536/65536 bytes allocated at offset 0 bytes\n1 MiB\n");
}

// The same lines, to the program whose output scripts know: byte for byte but for times.
TEST_F(RheaIo, PrintsWhatTheClassicToolPrints) {
  if (!haveProgram("qemu-io")) GTEST_SKIP() << "qemu-io is not installed";
  std::ofstream(dir_.file("pattern")) << "ab";
  for (const std::string line :
       {"-c 'write -P 7 0 4k' -c 'read -P 7 0 4k' -c 'read -P 8 0 4k' -c length a.raw", "-c 'read 0 2M' a.raw",
        "-c 'write 100M 512' -c 'write 0 1k' a.raw", "-c bogus -c length a.raw", "-c 'read 0' a.raw",
        "-c 'discard 8k 4k' -c 'discard -C 0 1k' -c flush -c 'alloc 0' -c 'alloc 1M' a.raw",
        "-c 'write -z 0 4k' -c 'write -z -u 4k 4k' -c 'read -P 0 -s 10 -l 20 0 4k' a.raw",
        "-c 'write -s pattern 0 1k' -c 'read -v 0 32' -c 'read 0 0' -c 'write -q 0 512' a.raw",
        "-c 'aio_write -P 5 0 4k' -c aio_flush -c 'aio_read -v 4080 32' -c aio_flush -c 'truncate 2M' -c length a.raw",
        "-c 'reopen -c none' -c 'reopen -r' -c 'reopen -w' -c 'write 0 512' -c close -c length a.raw",
        "-c 'read 0 512' nothing.raw", "-t bogus -c length a.raw", "-c quit -c length a.raw", "-c map a.raw"}) {
    image_ = dir_.makeFile("a.raw", 1 << 20, 'x');
    const CommandResult theirs = run("cd " + dir_.path() + " && qemu-io -f raw " + line + " 2>errors");
    image_ = dir_.makeFile("a.raw", 1 << 20, 'x');
    const CommandResult ours = io("-f raw " + line);
    EXPECT_EQ(withoutTimes(ours.output), withoutTimes(theirs.output)) << line;
    EXPECT_EQ(ours.status, theirs.status) << line << "\n" << errors();
  }
}

TEST_F(RheaIo, EndsWithOneWhenAnyLineFailedAndRunsTheOthers) {
  const CommandResult done = io("-f raw -c 'read -P 1 0 512' -c 'write 2M 512' -c nonsense -c length a.raw");
  EXPECT_EQ(done.status, 1);
  EXPECT_EQ(withoutTimes(done.output),
            "Pattern verification failed at offset 0, 512 bytes\nread 512/512 bytes at offset 0\n512 bytes, 1 ops; T\n"
            "write failed: Input/output error\n1 MiB\n");
  EXPECT_NE(errors().find("the first difference is at offset 0: 0x00 instead of 0x01"), std::string::npos) << errors();
  EXPECT_NE(errors().find("knows no 'nonsense'"), std::string::npos) << errors();
}

TEST_F(RheaIo, RequestsInTheBackgroundRunWhileTheNextLinesAreRead) {
  const CommandResult done =
      io("--image-opts -c 'aio_write -P 9 0 4k' -c 'read -q -P 0 8k 4k' -c length -c aio_flush "
         "-c 'read -q -P 9 0 4k' driver=blkdebug,image.driver=file,image.filename=a.raw,"
         "inject-error.0.event=write_aio,inject-error.0.errno=0,inject-error.0.delay-ms=300");
  EXPECT_EQ(done.status, 0) << errors();
  EXPECT_EQ(withoutTimes(done.output), "1 MiB\nwrote 4096/4096 bytes at offset 0\n4 KiB, 1 ops; T\n");
}

TEST_F(RheaIo, WaitsForBackgroundRequestsBeforeItCloses) {
  const CommandResult done = io("-f raw -c 'aio_write -P 9 0 4k' a.raw");
  EXPECT_EQ(done.status, 0);
  EXPECT_NE(done.output.find("wrote 4096/4096"), std::string::npos);
  EXPECT_EQ(io("-f raw -c 'read -q -P 9 0 4k' a.raw").status, 0);
}

TEST_F(RheaIo, OpensClosesAndReopensByLines) {
  const CommandResult done = io(
      "-c length -c 'open -r a.raw' -c 'write 0 512' -c 'open a.raw' -c 'reopen -w' -c 'write -q -P 4 0 512' "
      "-c 'reopen -c directsync' -c info -c close -c 'open -o driver=raw,file.filename=a.raw' -c 'read -q -P 4 0 512'");
  EXPECT_EQ(done.status, 1);
  EXPECT_EQ(done.output,
            "write failed: Read-only file system\nformat name: raw\nfile name: a.raw\nlength: 1048576 bytes\n"
            "cache mode: directsync\n");
  EXPECT_NE(errors().find("no file open"), std::string::npos) << errors();
  EXPECT_NE(errors().find("file open already"), std::string::npos) << errors();
}

TEST_F(RheaIo, ReadsAScriptFromStandardInputAndPromptsForIt) {
  const CommandResult done = run("cd " + dir_.path() + " && printf 'length\\n\\nread -q 0 512\\nquit\\nlength\\n' | " +
                                 program() + " -f raw a.raw");
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(done.output, "rhea-io> 1 MiB\nrhea-io> rhea-io> rhea-io> ");
}

TEST_F(RheaIo, SaysWhatIsWrongWithItsOwnCommandLine) {
  EXPECT_EQ(io("--cach=none a.raw").status, 1);
  EXPECT_NE(errors().find("--cache"), std::string::npos);
  EXPECT_EQ(io("-t bogus a.raw").status, 1);
  EXPECT_NE(errors().find("writethrough"), std::string::npos);
  EXPECT_EQ(io("a.raw b.raw").status, 1);
  EXPECT_EQ(io("-c").status, 1);
  EXPECT_EQ(io("-f raw -c length missing.raw").status, 1);
  EXPECT_NE(errors().find("missing.raw"), std::string::npos);
  EXPECT_NE(io("--help").output.find("--force-share"), std::string::npos);
  EXPECT_NE(io("--version").output.find("rhea-io version "), std::string::npos);
}

TEST_F(RheaIo, AnImageInUseIsNotOpenedForWriting) {
  const Background holder("cd " + dir_.path() + " && exec " + program() +
                          " -f raw -c 'write -q 0 512' -c 'write -q 512 512' -c 'truncate 2M' -c 'sleep 20000' a.raw");
  // Seen without opening it, which could keep the holder out.
  const std::string image = dir_.path() + "/a.raw";
  for (int attempt = 0; attempt < 200 && std::filesystem::file_size(image) != 2U << 20U; ++attempt) usleep(50000);
  ASSERT_EQ(std::filesystem::file_size(image), 2U << 20U);
  EXPECT_EQ(io("-f raw -c length a.raw").status, 1);
  EXPECT_NE(errors().find("in use"), std::string::npos) << errors();
  EXPECT_EQ(io("-f raw -r -U -c length a.raw").output, "2 MiB\n");
}

// --- At a terminal

class Terminal {
 public:
  explicit Terminal(const std::string& command) {
    pid_ = forkpty(&fd_, nullptr, nullptr, nullptr);
    if (pid_ == 0) {
      setenv("TERM", "vt100", 1);
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
  }
  ~Terminal() {
    if (status_ == -1) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(fd_);
  }
  void type(const std::string& keys) {
    ASSERT_EQ(write(fd_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  // Reads until `text` has come; false after ten seconds.
  bool sees(const std::string& text) {
    for (int tenths = 0; tenths < 100; ++tenths) {
      if (const std::size_t at = seen_.find(text); at != std::string::npos) {
        seen_.erase(0, at + text.size());
        return true;
      }
      pollfd ready{fd_, POLLIN, 0};
      if (poll(&ready, 1, 100) <= 0) continue;
      char buffer[4096];
      const ssize_t got = read(fd_, buffer, sizeof buffer);
      if (got <= 0) break;
      seen_.append(buffer, static_cast<std::size_t>(got));
    }
    return seen_.find(text) != std::string::npos;
  }
  // Its exit status; -1 when it still runs after ten seconds.
  int wait() {
    int status = 0;
    for (int tenths = 0; tenths < 100 && status_ == -1; ++tenths) {
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      } else {
        usleep(100000);
      }
    }
    return status_;
  }
  const std::string& rest() const { return seen_; }

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
  int status_ = -1;
  std::string seen_;
};

TEST_F(RheaIo, EditsAndCompletesLinesAtATerminal) {
  Terminal terminal("cd " + dir_.path() + " && exec " + program() + " -f raw a.raw");
  ASSERT_TRUE(terminal.sees("rhea-io> ")) << terminal.rest();
  // Keys wait for the prompt: between two lines the terminal is not readline's, and what Ctrl-D means differs.
  terminal.type("leng\t\n");
  EXPECT_TRUE(terminal.sees("length")) << terminal.rest();
  EXPECT_TRUE(terminal.sees("1 MiB")) << terminal.rest();
  terminal.type(
      "write -P 5 0 5x\x7f"
      "12\n");
  EXPECT_TRUE(terminal.sees("wrote 512/512 bytes at offset 0")) << terminal.rest();
  ASSERT_TRUE(terminal.sees("rhea-io> ")) << terminal.rest();
  terminal.type("\x1b[A\n");  // the line before, again
  EXPECT_TRUE(terminal.sees("wrote 512/512 bytes at offset 0")) << terminal.rest();
  ASSERT_TRUE(terminal.sees("rhea-io> ")) << terminal.rest();
  terminal.type("\x04");  // end of input
  EXPECT_EQ(terminal.wait(), 0);
  EXPECT_EQ(io("-f raw -c 'read -q -P 5 0 512' a.raw").status, 0);
}

}  // namespace
}  // namespace rhea::test
