// The conversation by which libvirt 9.0 finds out what an emulator can do, with the very command line that it uses.
// What it does not survive is an error here: a wrong error class, a missing member, a socket that is not there yet.

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <set>

#include "tests/lib/command.h"
#include "tests/lib/emulator.h"

namespace rhea::test {

namespace {

// Whether libvirt goes on after an error, and after which.
enum class Fails : std::uint8_t {
  kNever,
  kDeviceNotFound,  // any other class ends the probe
  kNotListed,       // asked for only where query-commands lists it; then it has to work
  kWhenNotFound,    // CommandNotFound is taken for "there is none"
};

struct Question {
  std::string_view command;
  std::string_view typeName;  // its only argument, where it has one
  Fails fails;
};

constexpr Question kQuestions[] = {
    {"query-version", "", Fails::kNever},
    {"query-target", "", Fails::kNever},
    {"query-qmp-schema", "", Fails::kNever},
    {"query-commands", "", Fails::kNever},
    {"query-kvm", "", Fails::kNever},
    {"qom-list-types", "", Fails::kNever},
    {"device-list-properties", "virtio-blk-pci", Fails::kDeviceNotFound},
    {"device-list-properties", "virtio-net-pci", Fails::kDeviceNotFound},
    {"device-list-properties", "virtio-scsi-pci", Fails::kDeviceNotFound},
    {"device-list-properties", "virtio-net-ccw", Fails::kDeviceNotFound},
    {"device-list-properties", "vfio-pci", Fails::kDeviceNotFound},
    {"device-list-properties", "scsi-hd", Fails::kDeviceNotFound},
    {"device-list-properties", "ide-hd", Fails::kDeviceNotFound},
    {"device-list-properties", "PIIX4_PM", Fails::kDeviceNotFound},
    {"device-list-properties", "kvm-pit", Fails::kDeviceNotFound},
    {"device-list-properties", "VGA", Fails::kDeviceNotFound},
    {"device-list-properties", "ICH9-LPC", Fails::kDeviceNotFound},
    {"device-list-properties", "mch", Fails::kDeviceNotFound},
    {"device-list-properties", "nvdimm", Fails::kDeviceNotFound},
    {"device-list-properties", "pcie-root-port", Fails::kDeviceNotFound},
    {"device-list-properties", "vhost-user-fs-device", Fails::kDeviceNotFound},
    {"qom-list-properties", "memory-backend-file", Fails::kDeviceNotFound},
    {"qom-list-properties", "memory-backend-memfd", Fails::kDeviceNotFound},
    {"qom-list-properties", "max-x86_64-cpu", Fails::kDeviceNotFound},
    {"query-machines", "", Fails::kNever},
    {"qom-list-properties", "none-machine", Fails::kDeviceNotFound},
    {"query-cpu-definitions", "", Fails::kNotListed},
    {"query-tpm-models", "", Fails::kWhenNotFound},
    {"query-tpm-types", "", Fails::kWhenNotFound},
    {"query-command-line-options", "", Fails::kNever},
    {"query-migrate-capabilities", "", Fails::kNever},
};

std::string argumentsOf(const Question& question) {
  return question.typeName.empty() ? "" : "{\"typename\": \"" + std::string(question.typeName) + "\"}";
}

// A probe as libvirt starts it; the process is told to end with this object.
class Probe {
 public:
  Probe() {
    const std::string line =
        "exec " + Emulator::program() +
        " -S -no-user-config -nodefaults -nographic -machine none,accel=kvm:tcg -qmp unix:" + socket() +
        ",server=on,wait=off -pidfile " + pidFile() + " -daemonize";
    started_ = run("cd " + folder_.path() + " && " + line);
    std::ifstream(pidFile()) >> pid_;
  }
  ~Probe() {
    if (pid_ > 0) kill(pid_, SIGKILL);
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  const CommandResult& started() const { return started_; }
  pid_t pid() const { return pid_; }
  std::string socket() const { return folder_.file("monitor.sock"); }
  std::string pidFile() const { return folder_.file("pid"); }

 private:
  TempDir folder_;
  CommandResult started_;
  pid_t pid_ = -1;
};

std::string_view classOf(json::View error) {
  const std::optional<json::View> name = error.find("class");
  return name ? name->asString() : std::string_view();
}

}  // namespace

TEST(LibvirtProbe, FindsTheSocketAndThePidFileAsSoonAsTheCommandReturns) {
  const Probe probe;
  ASSERT_EQ(0, probe.started().status) << probe.started().output;
  EXPECT_EQ("", probe.started().output);
  ASSERT_GT(probe.pid(), 0);
  EXPECT_EQ(0, kill(probe.pid(), 0));
  EXPECT_NO_THROW(QmpClient(probe.socket()));
}

TEST(LibvirtProbe, IsAnsweredWithoutAFatalError) {
  const Probe probe;
  ASSERT_EQ(0, probe.started().status) << probe.started().output;
  QmpClient client(probe.socket());
  std::set<std::string> commands;
  const json::Value entries = client.returned("query-commands");
  for (const json::View entry : entries.items()) {
    commands.emplace(entry.find("name")->asString());
  }
  for (const Question& question : kQuestions) {
    const std::string command(question.command);
    if (question.fails == Fails::kNotListed && !commands.contains(command)) continue;
    const json::Value reply = client.execute(command, argumentsOf(question));
    const std::optional<json::View> error = reply.find("error");
    if (!error) continue;
    const bool survives = (question.fails == Fails::kDeviceNotFound && classOf(*error) == "DeviceNotFound") ||
                          (question.fails == Fails::kWhenNotFound && classOf(*error) == "CommandNotFound");
    EXPECT_TRUE(survives) << command << " " << argumentsOf(question) << ": " << reply.text();
  }
}

TEST(LibvirtProbe, FindsTheMembersThatItNeeds) {
  const Probe probe;
  ASSERT_EQ(0, probe.started().status) << probe.started().output;
  QmpClient client(probe.socket());
  const json::Value version = client.returned("query-version");
  const json::View level = *version.find("qemu");
  EXPECT_GE(level.find("major")->asInt64() * 100 + level.find("minor")->asInt64(), 402);
  EXPECT_TRUE(version.find("package"));
  const json::Value target = client.returned("query-target");
  EXPECT_EQ("x86_64", target.find("arch")->asString());
  const json::Value kvm = client.returned("query-kvm");
  EXPECT_TRUE(kvm.find("enabled"));
  EXPECT_TRUE(kvm.find("present"));
  const json::Value status = client.returned("query-status");
  EXPECT_FALSE(status.find("running")->asBool());
  EXPECT_EQ("prelaunch", status.find("status")->asString());
  const json::Value machines = client.returned("query-machines");
  for (const json::View machine : machines.items()) {
    EXPECT_TRUE(machine.find("name")) << machine.text();
  }
}

// What it asks about a type depends on these names: a type that is listed has to answer.
TEST(LibvirtProbe, MayAskEveryTypeThatIsListed) {
  const Probe probe;
  ASSERT_EQ(0, probe.started().status) << probe.started().output;
  QmpClient client(probe.socket());
  const json::Value types = client.returned("qom-list-types");
  for (const json::View type : types.items()) {
    const std::string name(type.find("name")->asString());
    EXPECT_TRUE(client.execute("qom-list-properties", "{\"typename\": \"" + name + "\"}").find("return")) << name;
  }
}

}  // namespace rhea::test
