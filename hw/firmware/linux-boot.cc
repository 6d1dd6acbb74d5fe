// The Linux boot protocol: bzImage by its 64-bit entry where it has one, else by its 32-bit entry.
#include "emu/base/bytes.h"
#include "hw/firmware/boot-plan.h"

namespace rhea::hw {

namespace {

// Offsets in the setup header, and in boot_params, which holds the header at the same place.
enum Field : std::size_t {
  kAcpiRsdp = 0x070,
  kExtendedMemory = 0x1e0,
  kMapCount = 0x1e8,
  kSetupSectors = 0x1f1,
  kBootFlag = 0x1fe,
  kJump = 0x200,
  kMagic = 0x202,
  kVersion = 0x206,
  kLoaderType = 0x210,
  kLoadFlags = 0x211,
  kCode32Start = 0x214,
  kRamdisk = 0x218,
  kRamdiskSize = 0x21c,
  kHeapEnd = 0x224,
  kCommandLine = 0x228,
  kRamdiskMax = 0x22c,
  kAlignment = 0x230,
  kRelocatable = 0x234,
  kXLoadFlags = 0x236,
  kCommandLineSize = 0x238,
  kPreferred = 0x258,
  kInitSize = 0x260,
  kMap = 0x2d0,
};
constexpr std::size_t kParametersSize = 0x1000;
constexpr std::size_t kLeastFile = 0x268;
constexpr std::size_t kSector = 512;
constexpr std::uint16_t kOldest = 0x206, kHasPreferred = 0x20a, kHasXLoadFlags = 0x20c, kHasRsdp = 0x20e;
constexpr std::uint8_t kLoadedHigh = 1;
constexpr std::uint16_t kHas64BitEntry = 1;
constexpr std::uint64_t k64BitEntry = 0x200;

template <class T>
T field(std::string_view bytes, std::size_t at) {
  return loadLittle<T>(bytes.data() + at);
}

Error noKernel(const BootFiles& files, std::string found) {
  return Error(fmt::format("'{}' is no kernel that this machine can start: {}", files.kernelName, std::move(found)))
      .expected("a bzImage of boot protocol 2.06 or later, or an ELF file with a PVH entry")
      .where("-kernel");
}

struct Header {
  std::uint16_t version = 0;
  std::size_t setupSize = 0;  // of what comes before the protected-mode code
  std::uint64_t codeSize = 0;
  std::uint64_t load = 0;
  std::uint64_t end = 0;  // of what the kernel uses before it looks at the memory map
  bool longEntry = false;
};

Result<Header> readHeader(const BootFiles& files) {
  const std::string& kernel = files.kernel;
  if (kernel.size() < kLeastFile) return noKernel(files, fmt::format("it has {} bytes", kernel.size()));
  if (field<std::uint16_t>(kernel, kBootFlag) != 0xaa55 || kernel.compare(kMagic, 4, "HdrS") != 0) {
    return noKernel(files, "it has neither a bzImage's header nor an ELF file's");
  }
  Header header;
  header.version = field<std::uint16_t>(kernel, kVersion);
  if (header.version < kOldest) {
    return noKernel(files, fmt::format("its boot protocol is {}.{:02}", header.version >> 8, header.version & 0xff));
  }
  if ((field<std::uint8_t>(kernel, kLoadFlags) & kLoadedHigh) == 0) return noKernel(files, "it is a zImage");
  const std::uint8_t sectors = field<std::uint8_t>(kernel, kSetupSectors);
  header.setupSize = (std::size_t{sectors == 0 ? std::uint8_t{4} : sectors} + 1) * kSector;
  if (header.setupSize >= kernel.size()) {
    return noKernel(
        files, fmt::format("it is cut short: {} bytes, of which {} are setup code", kernel.size(), header.setupSize));
  }
  header.codeSize = kernel.size() - header.setupSize;
  header.longEntry =
      header.version >= kHasXLoadFlags && (field<std::uint16_t>(kernel, kXLoadFlags) & kHas64BitEntry) != 0;
  if (header.longEntry && header.codeSize <= k64BitEntry) return noKernel(files, "it ends before its 64-bit entry");
  return header;
}

// Where the kernel wants to be, or, where it can be moved and that is not RAM, as low as it can be.
Result<void> placeKernel(const BootFiles& files, const Layout& layout, Header& header) {
  const std::string& kernel = files.kernel;
  header.load = boot_memory::kKernelStart;
  std::uint64_t size = header.codeSize;
  if (header.version >= kHasPreferred) {
    size = std::max<std::uint64_t>(size, field<std::uint32_t>(kernel, kInitSize));
    const std::uint64_t preferred = field<std::uint64_t>(kernel, kPreferred);
    const std::uint64_t alignment = field<std::uint32_t>(kernel, kAlignment);
    const bool fits =
        preferred >= boot_memory::kKernelStart && preferred <= layout.lowEnd && size <= layout.lowEnd - preferred;
    const bool relocatable = field<std::uint8_t>(kernel, kRelocatable) != 0;
    if (relocatable && alignment != 0 && (alignment & (alignment - 1)) != 0) {
      return noKernel(files, fmt::format("its alignment, {:#x}, is no power of two", alignment));
    }
    if (fits || !relocatable) {
      header.load = preferred;
    } else if (alignment != 0) {
      header.load = alignUp<std::uint64_t>(boot_memory::kKernelStart, alignment);
    }
  }
  header.end = header.load + size;
  if (header.load >= boot_memory::kKernelStart && header.load < layout.lowEnd && size <= layout.lowEnd - header.load) {
    return success();
  }
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  return Error(fmt::format("there is too little memory for the kernel '{}': it needs {} MiB from {:#x} on, and memory "
                           "below 4 GiB ends at {:#x}",
                           files.kernelName, (size + kMiB - 1) / kMiB, header.load, layout.lowEnd))
      .hint(fmt::format("give the machine more with -m: {}M at least", (header.end + kMiB - 1) / kMiB + 16));
}

// The first 4 GiB mapped to themselves by pages of 2 MiB.
std::string identityTables(std::uint64_t at) {
  constexpr std::uint64_t kTable = 0x1000, kPresentWritable = 3, kLarge = 0x83;
  std::string bytes(6 * kTable, '\0');
  const auto set = [&bytes](std::uint64_t where, std::uint64_t entry) {
    storeLittle<std::uint64_t>(bytes.data() + where, entry);
  };
  set(0, (at + kTable) | kPresentWritable);
  for (std::uint64_t i = 0; i < 4; ++i) set(kTable + 8 * i, (at + (2 + i) * kTable) | kPresentWritable);
  for (std::uint64_t i = 0; i < 2048; ++i) set(2 * kTable + 8 * i, i << 21 | kLarge);
  return bytes;
}

}  // namespace

Result<BootPlan> planLinux(BootFiles files, const Layout& layout, std::uint64_t rsdp) {
  RHEA_TRY(Header header, readHeader(files));
  RHEA_CHECK(placeKernel(files, layout, header));
  const std::string& kernel = files.kernel;
  const std::uint32_t lineSize = field<std::uint32_t>(kernel, kCommandLineSize);
  RHEA_CHECK(checkCommandLine(files, lineSize == 0 ? 255 : lineSize));

  std::string parameters(kParametersSize, '\0');
  const auto put = [&parameters]<class T>(std::size_t at, T value) { storeLittle<T>(parameters.data() + at, value); };
  // The header ends where its jump leads to.
  const std::size_t headerEnd = std::min<std::size_t>(kMagic + field<std::uint8_t>(kernel, kJump + 1), kMap);
  parameters.replace(kSetupSectors, headerEnd - kSetupSectors, kernel, kSetupSectors, headerEnd - kSetupSectors);
  put(kLoaderType, std::uint8_t{0xff});
  put(kLoadFlags, static_cast<std::uint8_t>(field<std::uint8_t>(kernel, kLoadFlags) | kLoadedHigh));
  put(kCode32Start, static_cast<std::uint32_t>(header.load));
  put(kCommandLine, static_cast<std::uint32_t>(boot_memory::kCommandLine));
  put(kExtendedMemory,
      static_cast<std::uint32_t>(std::min<std::uint64_t>((layout.lowEnd - Layout::kBiosEnd) >> 10, 0xffffffff)));
  // Older kernels look for the RSDP in the BIOS area, where it is.
  if (header.version >= kHasRsdp) put(kAcpiRsdp, rsdp);

  BootPlan plan;
  if (files.initrd) {
    const std::uint64_t most = std::uint64_t{field<std::uint32_t>(kernel, kRamdiskMax)} + 1;
    RHEA_TRY(const std::uint64_t at, placeInitrd(files, header.end, std::min(layout.lowEnd, most)));
    put(kRamdisk, static_cast<std::uint32_t>(at));
    put(kRamdiskSize, static_cast<std::uint32_t>(files.initrd->size()));
    plan.pieces.push_back({at, *std::move(files.initrd)});
  }
  const std::vector<MapEntry> map = memoryMap(layout);
  put(kMapCount, static_cast<std::uint8_t>(map.size()));
  std::size_t at = kMap;
  for (const MapEntry& entry : map) {
    put(at, entry.base);
    put(at + 8, entry.size);
    put(at + 16, static_cast<std::uint32_t>(entry.kind));
    at += 20;
  }

  plan.protocol = fmt::format("bzImage, protocol {}.{:02}, {}-bit entry", header.version >> 8, header.version & 0xff,
                              header.longEntry ? 64 : 32);
  plan.entry.rsi = boot_memory::kParameters;
  plan.entry.address = header.load;
  addSegments(plan, header.longEntry);
  if (header.longEntry) {
    plan.entry.mode = BootEntry::Mode::kLong;
    plan.entry.address = header.load + k64BitEntry;
    plan.entry.pageTables = boot_memory::kPageTables;
    plan.pieces.push_back({boot_memory::kPageTables, identityTables(boot_memory::kPageTables)});
  }
  plan.pieces.push_back({boot_memory::kParameters, std::move(parameters)});
  plan.pieces.push_back({boot_memory::kCommandLine, std::move(files.commandLine), 1});
  plan.pieces.push_back({header.load, kernel.substr(header.setupSize)});
  return plan;
}

}  // namespace rhea::hw
