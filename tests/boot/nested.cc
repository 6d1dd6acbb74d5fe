// rhea in a guest of rhea: a program as large as any, which makes and changes code all the time and reaches its state
// by a segment's base, on a CPU without AVX, BMI2 and FSGSBASE - what translated code must do without.
#include "tests/boot/linux-guest.h"

namespace rhea::test {
namespace {

class Nested : public LinuxGuestTest {
 protected:
  // A disk with the emulator, the libraries that it wants, and the built-in guest.
  std::string makeDisk() {
    const std::string tree = folder_.file("tree");
    const std::string disk = folder_.file("nested.ext4");
    const CommandResult made = run(fmt::format(
        "set -e; mkdir -p {0}/bin {0}/dev {0}/proc {0}/tmp; strip -o {0}/bin/rhea {3}; cp {1} {0}/guest.elf; "
        "for l in $(ldd {3} | grep -o '/[^ ]*'); do mkdir -p {0}$(dirname $l); cp -L $l {0}$l; done; "
        "PATH=$PATH:/sbin:/usr/sbin; mke2fs -q -t ext4 -d {0} {2} 192M",
        tree, builtInGuest(), disk, Emulator::program()));
    EXPECT_EQ(made.status, 0) << made.output;
    return disk;
  }
};

TEST_F(Nested, TheEmulatorTranslatesWithinItsOwnGuestOnACpuWithoutAvx) {
  const std::string disk = makeDisk();
  const auto machine =
      boot({"-cpu", "Nehalem", "-smp", "2", "-m", "512", "-drive",
            "if=none,id=disk1,format=raw,snapshot=on,file=" + disk, "-device", "virtio-blk-pci,drive=disk1"});
  if (!machine->translates()) GTEST_SKIP() << "this build does not translate";
  EXPECT_EQ(machine->shell("grep -cE ' (avx|bmi2|fsgsbase)' /proc/cpuinfo || true"), "0");
  machine->shell(
      "mkdir -p /nested && mount -t ext4 /dev/vdb /nested && mount -t proc none /nested/proc && "
      "mount -t devtmpfs none /nested/dev && dd if=/dev/zero of=/nested/tmp/disk bs=1M count=8 2>/dev/null");
  const std::string said = machine->shell(
      "chroot /nested /bin/rhea -machine q35 -accel tcg -display none -nodefaults -no-reboot -serial stdio -m 64 "
      "-kernel /guest.elf -append rounds=2 -drive if=none,id=d,format=raw,file=/tmp/disk "
      "-device virtio-blk-pci,drive=d < /dev/null 2>&1",
      kBoot);
  EXPECT_NE(said.find("round 2: wrote 64 KiB"), std::string::npos) << said;
  EXPECT_NE(said.find("read back right"), std::string::npos) << said;
  EXPECT_EQ(said.find("rror"), std::string::npos) << said;
  EXPECT_EQ(machine->shell("dmesg | grep -E 'BUG:|WARNING: CPU|Oops:' || true"), "");
  turnOff(*machine);
}

}  // namespace
}  // namespace rhea::test
