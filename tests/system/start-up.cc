// Starting rhea as people and managers do: options, what is refused and how, the background, the end.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>

#include "tests/lib/command.h"
#include "tests/lib/emulator.h"

namespace rhea::test {

namespace {

CommandResult rhea(const std::string& arguments) {
  return run("exec " + Emulator::program() + " " + arguments + " </dev/null");
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A daemon by its pid file; killed with this object where it still runs.
class Daemonized {
 public:
  explicit Daemonized(const TempDir& folder, const std::string& more = "")
      : folder_(folder),
        started_(run("cd " + folder.path() + " && exec " + Emulator::program() +
                     " -nodefaults -qmp unix:qmp.sock,server=on,wait=off -pidfile pid -daemonize " + more)) {
    std::ifstream(folder.file("pid")) >> pid_;
  }
  ~Daemonized() {
    if (pid_ > 0) kill(pid_, SIGKILL);
  }
  Daemonized(const Daemonized&) = delete;
  Daemonized& operator=(const Daemonized&) = delete;

  const CommandResult& started() const { return started_; }
  pid_t pid() const { return pid_; }
  bool gone(double seconds) {
    for (int turn = 0; turn < static_cast<int>(seconds * 100); ++turn) {
      if (kill(pid_, 0) != 0) {
        pid_ = -1;
        return true;
      }
      usleep(10000);
    }
    return false;
  }

 private:
  const TempDir& folder_;
  CommandResult started_;
  pid_t pid_ = -1;
};

}  // namespace

TEST(StartUp, VersionAndHelpHaveTheFormThatClientsParse) {
  const CommandResult version = rhea("-version");
  EXPECT_EQ(0, version.status);
  EXPECT_TRUE(version.output.starts_with("QEMU emulator version 7.2.0 (rhea ")) << version.output;
  const CommandResult help = rhea("--help");
  EXPECT_EQ(0, help.status);
  EXPECT_TRUE(contains(help.output, "\nusage: rhea [options]")) << help.output;
  EXPECT_TRUE(contains(help.output, "-daemonize"));
}

TEST(StartUp, WrongUsageIsStatus2AndSaysWhatThereIs) {
  const struct {
    std::string arguments;
    std::string message;
  } kCases[] = {
      {"-machin none", "there is no option -machin\n  there is: -machine, -action\n"},
      {"-machine q36", "-machine q36: there is no machine 'q36' in this version\n  expected: none, q35\n"},
      {"-machine none,acel=tcg", "-machine none,acel=tcg: there is no key 'acel'\n  there is: accel\n"},
      {"-accel xen", "there is no accelerator 'xen'"},
      {"vm.img", "'vm.img' is no option"},
      {"-machine q35 -m 1T", "-m 1T: 1T of memory cannot be had"},
      {"-machine q35 -smp 3,cores=2", "are not 3 CPUs"},
      {"-machine q35 -append quiet", "-append is for a kernel that -kernel names"},
      {"-kernel vmlinuz", "-kernel: the machine `none` has no CPU to run a kernel"},
      {"-uuid 1234", "'1234' is no UUID"},
      {"-display gtk", "-display gtk: there is no such display in this version\n  expected: none\n"},
      {"-serial stdio", "-serial stdio: the machine `none` has nothing of the kind"},
      {"--log-format=xml", "there is no such format"},
      {"-pidfile", "-pidfile needs an argument"},
      {"-chardev sockt,id=c0", "there is no kind of chardev called 'sockt'"},
      {"--config /nonexistent.json", "No such file or directory"},
  };
  for (const auto& [arguments, message] : kCases) {
    const CommandResult result = rhea("-nodefaults " + arguments);
    EXPECT_EQ(2, result.status) << arguments;
    EXPECT_TRUE(contains(result.output, message)) << arguments << ": " << result.output;
  }
}

TEST(StartUp, WhatCannotBeMadeIsStatus1AndNamesTheOption) {
  const struct {
    std::string arguments;
    std::string message;
  } kCases[] = {
      {"-chardev socket,id=c0,path=/nonexistent/s,server=on", "-chardev socket,id=c0,path=/nonexistent/s,server=on: "},
      {"-mon chardev=zz", "-mon chardev=zz: there is no chardev 'zz'"},
      {"-object iothread,id=9", "-object iothread,id=9: '9' is no id"},
      {"-object iothrad,id=a", "there is no type 'iothrad'\n  there is: iothread"},
      {"-object secret,id=s,file=/nonexistent", "cannot open '/nonexistent': No such file or directory"},
      {"-add-fd set=1,fd=77", "descriptor 77 was not inherited"},
      {"-pidfile /nonexistent/pid", "cannot write the pid file '/nonexistent/pid'"},
      {"-blockdev file,node-name=n,filename=/nonexistent.raw", "/nonexistent.raw"},
  };
  for (const auto& [arguments, message] : kCases) {
    const CommandResult result = rhea("-nodefaults " + arguments);
    EXPECT_EQ(1, result.status) << arguments << ": " << result.output;
    EXPECT_TRUE(contains(result.output, message)) << arguments << ": " << result.output;
  }
}

TEST(StartUp, HelpIsAValueOfOptions) {
  EXPECT_TRUE(contains(rhea("-machine help").output, "Supported machines are:\n  none"));
  EXPECT_TRUE(contains(rhea("-object help").output, "throttle-group"));
  EXPECT_TRUE(contains(rhea("-object iothread,help").output, "poll-max-ns=<int>"));
  EXPECT_TRUE(contains(rhea("-chardev help").output, "ringbuf"));
  EXPECT_FALSE(contains(rhea("-chardev help").output, "reconnect=<number>"));
  EXPECT_TRUE(contains(rhea("-chardev socket,help").output, "reconnect=<number>"));
  EXPECT_FALSE(contains(rhea("-chardev file,help").output, "reconnect=<number>"));
  EXPECT_TRUE(contains(rhea("-chardev file,help").output, "logfile=<string>"));
  EXPECT_EQ(0, rhea("-object help").status);
}

TEST(StartUp, ConfigurationReadsBackToTheSame) {
  const TempDir folder;
  const std::string options =
      "-S -name guest=vm1,debug-threads=on -uuid 550e8400-e29b-41d4-a716-446655440000 -nodefaults "
      "-object iothread,id=io0 -object secret,id=s0,data=a,,b -chardev ringbuf,id=r0,size=4k "
      "-blockdev '{\"driver\":\"null-co\",\"node-name\":\"n0\",\"size\":1048576}' -msg timestamp=on";
  const CommandResult dumped = rhea(options + " --dump-config > " + folder.file("a.json"));
  ASSERT_EQ(0, dumped.status) << dumped.output;
  const CommandResult again = rhea("--config " + folder.file("a.json") + " --dump-config > " + folder.file("b.json") +
                                   " && cmp " + folder.file("a.json") + " " + folder.file("b.json"));
  EXPECT_EQ(0, again.status) << again.output;

  const Emulator emulator({"--config", folder.file("a.json")});
  const auto client = emulator.connect();
  EXPECT_EQ("prelaunch", client->returned("query-status").find("status")->asString());
  EXPECT_EQ("vm1", client->returned("query-name").find("name")->asString());
  EXPECT_EQ("550e8400-e29b-41d4-a716-446655440000", client->returned("query-uuid").find("UUID")->asString());
  EXPECT_EQ(1U, client->returned("query-iothreads").size());
  EXPECT_EQ(1U, client->returned("query-named-block-nodes").size());
}

TEST(StartUp, ClassicConfigurationFilesAreRead) {
  const TempDir folder;
  std::ofstream(folder.file("vm.ini"))
      << "[name]\n  guest = \"classic\"\n[object \"io7\"]\n  qom-type = \"iothread\"\n";
  const Emulator emulator({"-readconfig", folder.file("vm.ini")});
  const auto client = emulator.connect();
  EXPECT_EQ("classic", client->returned("query-name").find("name")->asString());
  EXPECT_EQ("io7", (*client->returned("query-iothreads").items().begin()).find("id")->asString());
}

TEST(StartUp, CommandLineReplacesWhatTheConfigurationSays) {
  const TempDir folder;
  std::ofstream(folder.file("vm.json")) << R"({"name": {"guest": "one"}})";
  const Emulator emulator({"--config", folder.file("vm.json"), "-name", "two"});
  EXPECT_EQ("two", emulator.connect()->returned("query-name").find("name")->asString());
}

TEST(StartUp, MessagesCanBeJsonWithATimeStamp) {
  const CommandResult result = rhea("-nodefaults --log-format=json -mon chardev=zz");
  EXPECT_EQ(1, result.status);
  const Result<json::Value> line = json::parse(result.output);
  ASSERT_TRUE(line.ok()) << result.output;
  EXPECT_EQ("error", line->find("level")->asString());
  EXPECT_TRUE(contains(std::string(line->find("message")->asString()), "there is no chardev 'zz'"));
}

TEST(StartUp, InheritedDescriptorsAreFiles) {
  const TempDir folder;
  folder.makeFile("disk", 1 << 20);
  const CommandResult result =
      run("exec 9<>" + folder.file("disk") +
          "; printf '%s' "
          "'{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-fdsets\"}{\"execute\":\"query-named-block-nodes\"}"
          "{\"execute\":\"quit\"}' | " +
          Emulator::program() +
          " -nodefaults -qmp stdio -add-fd set=4,fd=9,opaque=note "
          "-blockdev file,node-name=n0,filename=/dev/fdset/4,locking=off");
  EXPECT_EQ(0, result.status) << result.output;
  EXPECT_TRUE(contains(result.output, R"("fdset-id": 4)")) << result.output;
  EXPECT_TRUE(contains(result.output, R"("opaque": "note")")) << result.output;
  EXPECT_TRUE(contains(result.output, R"("virtual-size": 1048576)")) << result.output;
}

// `printf ... | rhea`: its end does not take back the lines that came before it, though the first takes a while.
TEST(StartUp, LinesOfAPipeRunAlthoughItHasEnded) {
  const TempDir folder;
  const std::string image = folder.makeFile("disk", 1 << 20);
  const std::string program = Emulator::program() + " -nodefaults -drive if=none,id=d0,format=raw,file=" + image;
  const CommandResult result =
      run("printf 'io d0 \"write -P 7 0 64k\"\ninfo block\nio d0 \"read -P 7 0 64k\"\nquit\nnever ends' | " + program +
          " -chardev stdio,id=c -mon c");
  EXPECT_EQ(0, result.status) << result.output;
  EXPECT_TRUE(contains(result.output, "wrote 65536/65536")) << result.output;
  EXPECT_TRUE(contains(result.output, "d0 (")) << result.output;
  EXPECT_TRUE(contains(result.output, "read 65536/65536")) << result.output;
}

TEST(StartUp, ServiceManagerIsToldWhenTheMonitorAnswers) {
  const TempDir folder;
  const int manager = socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  folder.file("notify").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(0, bind(manager, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  const timeval patience{20, 0};
  setsockopt(manager, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const std::string path = folder.file("qmp.sock");
  const Background program("NOTIFY_SOCKET=" + folder.file("notify") + " exec " + Emulator::program() +
                           " -nodefaults -qmp unix:" + path + ",server=on,wait=off");
  std::array<char, 256> text{};
  const ssize_t got = recv(manager, text.data(), text.size(), 0);
  close(manager);
  ASSERT_GT(got, 0);
  EXPECT_TRUE(std::string_view(text.data(), static_cast<std::size_t>(got)).starts_with("READY=1\n"));
  EXPECT_NO_THROW(QmpClient client(path));
}

TEST(Daemonize, ReturnsWhenTheSocketListensAndThePidFileIsWritten) {
  const TempDir folder;
  Daemonized daemon(folder);
  ASSERT_EQ(0, daemon.started().status) << daemon.started().output;
  EXPECT_EQ("", daemon.started().output);
  ASSERT_GT(daemon.pid(), 0);
  QmpClient client(folder.file("qmp.sock"));
  client.execute("quit");
  EXPECT_TRUE(daemon.gone(10));
  EXPECT_FALSE(std::filesystem::exists(folder.file("pid")));
  EXPECT_FALSE(std::filesystem::exists(folder.file("qmp.sock")));
}

TEST(Daemonize, ErrorsComeOnTheCallersStandardErrorWithTheirStatus) {
  const TempDir folder;
  const Daemonized missing(folder, "-object secret,id=s,file=none");
  EXPECT_EQ(1, missing.started().status);
  EXPECT_TRUE(contains(missing.started().output, "cannot open 'none'")) << missing.started().output;
  EXPECT_LE(missing.pid(), 0);
  const Daemonized terminal(folder, "-monitor stdio");
  EXPECT_EQ(1, terminal.started().status);
  EXPECT_TRUE(contains(terminal.started().output, "a daemon has no standard streams")) << terminal.started().output;
}

TEST(Daemonize, RelativeNamesKeepTheirMeaning) {
  const TempDir folder;
  folder.makeFile("disk.raw", 1 << 20);
  Daemonized daemon(folder, "-blockdev file,node-name=n0,filename=disk.raw,locking=off");
  ASSERT_EQ(0, daemon.started().status) << daemon.started().output;
  QmpClient client(folder.file("qmp.sock"));
  client.returned("blockdev-add", R"({"driver": "file", "node-name": "n1", "filename": "disk.raw", "locking": "off"})");
}

TEST(PidFile, IsLockedAndTheSecondProgramNamesTheFirst) {
  const TempDir folder;
  const Daemonized first(folder);
  ASSERT_EQ(0, first.started().status) << first.started().output;
  const CommandResult second = rhea("-nodefaults -pidfile " + folder.file("pid"));
  EXPECT_EQ(1, second.status);
  EXPECT_TRUE(contains(second.output, "belongs to process " + std::to_string(first.pid()))) << second.output;
}

TEST(PidFile, LeftBehindByAKilledProgramIsTakenOver) {
  const TempDir folder;
  std::ofstream(folder.file("pid")) << "1\n";
  const Daemonized daemon(folder);
  EXPECT_EQ(0, daemon.started().status) << daemon.started().output;
  EXPECT_GT(daemon.pid(), 1);
}

TEST(End, SignalsEndTheProgramWithAnEvent) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    Emulator emulator;
    const auto client = emulator.connect();
    kill(emulator.pid(), signal);
    const std::optional<json::Value> event = client->event("SHUTDOWN");
    ASSERT_TRUE(event);
    EXPECT_EQ(R"({"guest": false, "reason": "host-signal"})", event->find("data")->text());
    EXPECT_EQ(0, emulator.wait(10)) << emulator.output();
  }
}

TEST(End, QuitIsAnsweredBeforeItsEvent) {
  Emulator emulator;
  const auto client = emulator.connect();
  client->forgetEvents();
  const json::Value reply = client->execute("quit");
  EXPECT_TRUE(reply.find("return")) << reply.text();
  const std::optional<json::Value> event = client->event("SHUTDOWN");
  ASSERT_TRUE(event);
  EXPECT_EQ("host-qmp-quit", event->find("data")->find("reason")->asString());
  EXPECT_TRUE(client->closed(10));
  EXPECT_EQ(0, emulator.wait(10)) << emulator.output();
}

TEST(End, ObjectsAndNodesInUseDoNotKeepTheProgram) {
  Emulator emulator({"-object", "iothread,id=io0", "-object", "throttle-group,id=tg0", "-blockdev",
                     "null-co,node-name=n0,size=1M", "-blockdev", "null-co,node-name=n1,size=1M"});
  emulator.connect()->execute("quit");
  EXPECT_EQ(0, emulator.wait(10)) << emulator.output();
  EXPECT_EQ("", emulator.output());
}

TEST(Objects, ThrottleGroupsAreSetApartAndRefuseToGoWhileTheyAreUsed) {
  const Emulator emulator({"-object", "throttle-group,id=slow,limits.bps-total=1048576", "-object",
                           R"({"qom-type": "throttle-group", "id": "fast", "limits": {"bps-total": 1073741824}})",
                           "-blockdev", "null-co,node-name=n0,size=1M", "-blockdev",
                           "throttle,node-name=t0,throttle-group=slow,file=n0"});
  const auto client = emulator.connect();
  const auto limit = [&client](const std::string& id) {
    const std::string arguments = R"({"path": "/objects/)" + id + R"(", "property": "limits"})";
    return client->returned("qom-get", arguments).find("bps-total")->asInt64();
  };
  EXPECT_EQ(1 << 20, limit("slow"));
  EXPECT_EQ(1 << 30, limit("fast"));
  const json::Value refused = client->execute("object-del", R"({"id": "slow"})");
  ASSERT_TRUE(refused.find("error")) << refused.text();
  EXPECT_TRUE(contains(refused.text(), "object 'slow' is in use by 1 disk or throttle filter")) << refused.text();
  client->returned("object-del", R"({"id": "fast"})");
  client->returned("blockdev-del", R"({"node-name": "t0"})");
  client->returned("object-del", R"({"id": "slow"})");
}

TEST(RunState, StopAndContAreAnsweredWithTheirEvents) {
  const Emulator emulator;
  const auto client = emulator.connect();
  EXPECT_TRUE(client->returned("query-status").find("running")->asBool());
  client->returned("stop");
  EXPECT_TRUE(client->event("STOP"));
  EXPECT_EQ("paused", client->returned("query-status").find("status")->asString());
  client->returned("stop");
  EXPECT_FALSE(client->event("STOP", 0.05));
  client->returned("cont");
  EXPECT_TRUE(client->event("RESUME"));
  EXPECT_EQ("running", client->returned("query-status").find("status")->asString());
}

// A limit for files holds for the memory of translated code, too; the guest's RAM is none.
TEST(StartUp, AHostWithoutMemoryForTranslatedCodeIsToldOfAndTheGuestInterpreted) {
  const auto start = [](const std::string& accelerator) {
    return run(
        "trap '' XFSZ; ulimit -f 1024; printf '%s' '{\"execute\":\"qmp_capabilities\"}{\"execute\":\"x-query-jit\"}"
        "{\"execute\":\"quit\"}' | " +
        Emulator::program() + " -nodefaults -M q35 -m 16 -S -display none -qmp stdio " + accelerator + " 2>&1");
  };
  const std::string why = "67108864 bytes for translated code: File too large; the interpreter runs the guest";
  const CommandResult asked = start("-accel tcg");
  if (contains(asked.output, "cannot run translated code")) GTEST_SKIP() << "this build does not translate";
  EXPECT_EQ(asked.status, 0) << asked.output;
  EXPECT_TRUE(contains(asked.output, "warning: -accel tcg: " + why)) << asked.output;
  EXPECT_TRUE(contains(asked.output, "\"desc\": \"nothing is translated: " + why)) << asked.output;
  const CommandResult chosen = start("");
  EXPECT_TRUE(contains(chosen.output, "guest code is not translated: " + why)) << chosen.output;
}

// QEMU's clients pass keys of other accelerators; those that nothing here stands behind are refused by their names.
TEST(StartUp, KeysOfAcceleratorsAreTakenOrRefusedByName) {
  for (const char* key : {"dirty-ring-size=4096", "kernel-irqchip=on", "notify-vmexit=run", "kvm-shadow-mem=1"}) {
    const std::string name(key, std::strchr(key, '='));
    const CommandResult refused = rhea(fmt::format("-M q35 -accel tcg,{}", key));
    EXPECT_EQ(refused.status, 2) << key;
    EXPECT_TRUE(contains(refused.output, "there is no key '" + name + "'")) << refused.output;
  }
}

}  // namespace rhea::test
