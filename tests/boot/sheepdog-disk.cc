// A guest on a disk of a Sheepdog cluster: what it writes comes back, across a gateway that goes and comes.
#include <gtest/gtest.h>

#include "tests/lib/guest-machine.h"
#include "tests/lib/sheepdog-double.h"

namespace rhea::test {
namespace {

class SheepdogDisk : public testing::Test {
 protected:
  SheepdogDisk() {
    const std::lock_guard lock(cluster_->guard);
    cluster_->makeVdi("guest", 64 << 20);
  }
  ~SheepdogDisk() override {
    for (const std::string& violation : sheep_.violations()) ADD_FAILURE() << violation;
  }
  std::vector<std::string> options() const {
    return {"-m",      "64",
            "-kernel", builtInGuest(),
            "-drive",  "if=none,id=disk0,format=raw,cache=writeback,file=" + sheep_.uri("guest"),
            "-device", "virtio-blk-pci,drive=disk0"};
  }
  static SheepSetting setting() {
    SheepSetting made;
    made.era = SheepEra::k09;
    return made;
  }
  static SheepdogDouble::Options cached() {
    SheepdogDouble::Options options;
    options.cache = true;
    return options;
  }

  std::shared_ptr<SheepCluster> cluster_ = std::make_shared<SheepCluster>(setting());
  SheepdogDouble sheep_{cluster_, cached()};
};

TEST_F(SheepdogDisk, AGuestFindsWhatItFlushed) {
  {
    GuestMachine machine(options());
    machine.await("The disk is new to me");
    machine.await("round 2: ");
    machine.await("read back right");
    EXPECT_EQ(machine.transcript().find("WRONG"), std::string::npos) << machine.transcript();
  }
  // What was not flushed may go; the guest flushes each round before it says so.
  sheep_.powerCut();
  GuestMachine again(options());
  again.await("round 3: ");
  again.await("read back right");
  EXPECT_EQ(again.transcript().find("WRONG"), std::string::npos) << again.transcript();
  EXPECT_EQ(again.transcript().find("new to me"), std::string::npos) << again.transcript();
}

TEST_F(SheepdogDisk, AGuestOutlivesItsGateway) {
  GuestMachine machine(options());
  machine.await("round 1: ");
  sheep_.stop();
  sheep_.start();
  machine.await("round 3: ");
  machine.await("read back right");
  EXPECT_EQ(machine.transcript().find("WRONG"), std::string::npos) << machine.transcript();
}

}  // namespace
}  // namespace rhea::test
