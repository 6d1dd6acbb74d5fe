#include "hw/firmware/boot-plan.h"

#include "emu/base/bytes.h"
#include "emu/base/size.h"

namespace rhea::hw {

Result<BootPlan> planBoot(BootFiles files, const Layout& layout, std::uint64_t rsdp) {
  return isElf(files.kernel) ? planPvh(std::move(files), layout, rsdp) : planLinux(std::move(files), layout, rsdp);
}

Result<std::uint64_t> placeInitrd(const BootFiles& files, std::uint64_t kernelEnd, std::uint64_t limit) {
  constexpr std::uint64_t kPage = 0x1000;
  const std::uint64_t size = files.initrd->size();
  const std::uint64_t room = limit > kernelEnd ? limit - kernelEnd : 0;
  if (size <= room) {
    const std::uint64_t at = alignDown<std::uint64_t>(limit - size, kPage);
    if (at >= kernelEnd) return at;
  }
  return Error(
             fmt::format("the initrd '{}' does not fit into the memory that the kernel leaves: it has {} bytes, there "
                         "are {} between the kernel's end and {:#x}",
                         files.initrdName, size, room, limit))
      .hint("give the machine more memory with -m");
}

Result<void> checkCommandLine(const BootFiles& files, std::uint64_t most) {
  most = std::min<std::uint64_t>(most, boot_memory::kCommandLineSize - 1);
  if (files.commandLine.size() <= most) return success();
  return Error(fmt::format("the kernel's command line has {} bytes", files.commandLine.size()))
      .expected(fmt::format("at most {}", most))
      .where("-append");
}

void addSegments(BootPlan& plan, bool longMode) {
  constexpr std::uint64_t kCode32 = 0x00cf9b000000ffff, kCode64 = 0x00af9b000000ffff, kData = 0x00cf93000000ffff;
  const std::uint64_t table[] = {0, 0, longMode ? kCode64 : kCode32, kData};
  std::string bytes(sizeof(table), '\0');
  for (std::size_t i = 0; i < std::size(table); ++i) storeLittle<std::uint64_t>(bytes.data() + 8 * i, table[i]);
  plan.entry.gdt = boot_memory::kGdt;
  plan.entry.gdtLimit = sizeof(table) - 1;
  plan.entry.codeSelector = 0x10;
  plan.entry.dataSelector = 0x18;
  plan.pieces.push_back({boot_memory::kGdt, std::move(bytes)});
}

}  // namespace rhea::hw
