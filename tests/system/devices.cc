// Devices through the whole program: options, monitors, and errors that say what there is.
#include <gtest/gtest.h>

#include "tests/lib/command.h"
#include "tests/lib/emulator.h"

namespace rhea::test {
namespace {

std::string refused(const std::string& options) {
  return run(Emulator::program() + " -nodefaults -display none -S " + options + " < /dev/null").output;
}

TEST(Devices, AreListedWithTheirProperties) {
  const CommandResult list = run(Emulator::program() + " -device help");
  EXPECT_EQ(0, list.status);
  EXPECT_NE(std::string::npos, list.output.find("name \"virtio-blk-pci\", bus PCI, alias \"virtio-blk\""));
  EXPECT_NE(std::string::npos, list.output.find("pcie-root-port"));
  const CommandResult properties = run(Emulator::program() + " -device virtio-blk,help");
  EXPECT_EQ(0, properties.status);
  EXPECT_NE(std::string::npos, properties.output.find("serial=<str>"));
  EXPECT_NE(std::string::npos, properties.output.find("addr=<str>"));
}

TEST(Devices, RefusalsNameWhatThereIs) {
  struct Row {
    const char* options;
    const char* tells;
  };
  const Row rows[] = {
      {"-machine q35 -device virtio-blk-pcy", "virtio-blk-pci"},
      {"-machine q35 -device virtio-blk-pci,drive=d0", "block node 'd0'"},
      {"-machine q35 -drive if=none,driver=null-co,id=d0 -device virtio-blk-pci,drive=do", "d0"},
      {"-machine q35 -drive if=none,driver=null-co,id=d0 -device virtio-blk-pci,drive=d0,sreial=x", "serial"},
      {"-machine q35 -device virtio-rng-pci,bus=pcie.1", "pcie.0"},
      {"-machine q35 -device virtio-rng-pci,addr=0", "taken by"},
      {"-machine q35 -device virtio-rng-pci,addr=4,id=r0 -device virtio-rng-pci,addr=4", "device 'r0'"},
      {"-machine q35 -drive if=none,driver=null-co,id=d0 -device virtio-blk-pci,drive=d0,id=a "
       "-device virtio-blk-pci,drive=d0,id=b",
       "in use by device 'a'"},
      {"-machine q35 -device virtio-net-pci,netdev=n0", "network back end 'n0'"},
      {"-machine q35 -device '{\"driver\":\"mch\"}'", "part of a board"},
      {"-machine none -device virtio-rng-pci", "no PCI bus"},
  };
  for (const Row& row : rows) {
    const std::string told = refused(row.options);
    EXPECT_NE(std::string::npos, told.find(row.tells)) << row.options << "\n" << told;
  }
}

TEST(Devices, AreSeenByClientsAndComeAndGo) {
  const Emulator emulator({"-machine", "q35", "-S", "-m", "64", "-device", "pcie-root-port,id=port0", "-drive",
                           "if=none,driver=null-co,id=d0", "-device",
                           R"({"driver":"virtio-blk-pci","id":"vda","drive":"d0","addr":"0x5","write-cache":"on"})"});
  const std::unique_ptr<QmpClient> client = emulator.connect();
  const json::Value buses = client->returned("query-pci");
  ASSERT_EQ(1U, buses.size());
  bool found = false;
  for (const json::View function : (*buses.items().begin()).find("devices")->items()) {
    if (function.find("qdev_id")->asString() != "vda") continue;
    found = true;
    EXPECT_EQ(5, function.find("slot")->asInt64());
    EXPECT_EQ(0x1001, function.find("id")->find("device")->asInt64());
  }
  EXPECT_TRUE(found);
  EXPECT_EQ("virtio-blk-pci",
            client->returned("qom-get", R"({"path":"/machine/peripheral/vda","property":"type"})").asString());
  EXPECT_NE(std::string::npos, client->returned("query-block").text().find("/machine/peripheral/vda/virtio-backend"));
  const auto human = [&client](const std::string& line) {
    return std::string(client->returned("human-monitor-command", "{\"command-line\":\"" + line + "\"}").asString());
  };
  EXPECT_NE(std::string::npos, human("info qtree").find("dev: virtio-blk-pci, id \"vda\""));
  EXPECT_NE(std::string::npos, human("info pci").find("1af4:1001"));

  // Plugged into a port whose power no guest has turned on, a device goes without asking.
  (void)human("drive_add 0 if=none,driver=null-co,id=d1");
  (void)human("device_add virtio-blk-pci,drive=d1,id=vdb,bus=port0");
  (void)client->returned("device_del", R"({"id":"vdb"})");
  const auto gone = client->event("DEVICE_DELETED");
  ASSERT_TRUE(gone);
  EXPECT_EQ("vdb", gone->find("data")->find("device")->asString());
  EXPECT_EQ(std::string::npos, client->returned("query-block").text().find("\"d1\"")) << "the drive went with it";
  const json::Value refusedDelete = client->execute("device_del", R"({"id":"vda"})");
  EXPECT_NE(std::string::npos, refusedDelete.text().find("pcie.0"));
}

}  // namespace
}  // namespace rhea::test
