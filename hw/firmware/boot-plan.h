// BootPlan: what direct kernel boot puts into guest memory, and how the first CPU begins: everything that firmware and
// a boot loader would have done. Pure: bytes in, a plan out.
//
// Sources: Linux, Documentation/arch/x86/boot.rst and zero-page.rst; Xen, docs/misc/pvh.pandoc and hvm/start_info.h.
#pragma once

#include "emu/base/base.h"
#include "hw/acpi/layout.h"

namespace rhea::hw {

struct BootFiles {
  std::string kernelName;  // for errors
  std::string kernel;
  std::string initrdName;
  std::optional<std::string> initrd;
  std::string commandLine;
};

// The first CPU's registers at the entry; flat segments in either mode, interrupts off.
struct BootEntry {
  enum class Mode : std::uint8_t {
    kProtected,  // 32 bits, no paging
    kLong,       // 64 bits, paging with the tables at `pageTables`
  };
  Mode mode = Mode::kProtected;
  std::uint64_t address = 0;
  std::uint64_t rsi = 0;  // Linux: boot_params
  std::uint64_t rbx = 0;  // PVH: start info
  std::uint64_t pageTables = 0;
  std::uint64_t gdt = 0;
  std::uint16_t gdtLimit = 0;
  std::uint16_t codeSelector = 0;
  std::uint16_t dataSelector = 0;
};

struct BootPlan {
  struct Piece {
    std::uint64_t address;
    std::string bytes;
    std::uint64_t zeros = 0;  // after the bytes
  };
  std::vector<Piece> pieces;  // all within RAM
  BootEntry entry;
  std::string protocol;  // for people: "bzImage, protocol 2.15, 64-bit entry"
};

// Where boot structures are; none of a kernel's own pieces may be below 1 MiB.
namespace boot_memory {
constexpr std::uint64_t kGdt = 0x500;
constexpr std::uint64_t kPageTables = 0x9000;  // six pages
constexpr std::uint64_t kParameters = 0x10000;
constexpr std::uint64_t kMap = 0x11000;
constexpr std::uint64_t kCommandLine = 0x20000;
constexpr std::uint64_t kCommandLineSize = 0x10000;
constexpr std::uint64_t kKernelStart = 0x100000;
}  // namespace boot_memory

// Errors: the file is no kernel that this can start, an old protocol, cut short; too little memory for it; the initrd
// does not fit; the command line is too long. Each names the file, what was found and what would do.
Result<BootPlan> planBoot(BootFiles files, const Layout& layout, std::uint64_t rsdp);

// --- the two kinds, for planBoot()
bool isElf(std::string_view kernel);
Result<BootPlan> planLinux(BootFiles files, const Layout& layout, std::uint64_t rsdp);
Result<BootPlan> planPvh(BootFiles files, const Layout& layout, std::uint64_t rsdp);
// The highest place below `limit` for the initrd, above `kernelEnd`. Error: none; says how much room there is.
Result<std::uint64_t> placeInitrd(const BootFiles& files, std::uint64_t kernelEnd, std::uint64_t limit);
Result<void> checkCommandLine(const BootFiles& files, std::uint64_t most);
// The flat segments that both protocols ask for: selectors 0x10 and 0x18.
void addSegments(BootPlan& plan, bool longMode);

}  // namespace rhea::hw
