// The PVH protocol: an ELF file whose Xen note names a 32-bit entry.
#include <elf.h>

#include "emu/base/bytes.h"
#include "hw/firmware/boot-plan.h"

namespace rhea::hw {

namespace {

constexpr std::uint32_t kPhys32Entry = 18;    // XEN_ELFNOTE_PHYS32_ENTRY
constexpr std::uint32_t kMagic = 0x336ec578;  // of hvm_start_info
constexpr std::uint64_t kInfoSize = 56;
constexpr std::uint64_t kModule = 0x40;  // after the start info
constexpr std::uint64_t kModuleSize = 32;

Error badElf(const BootFiles& files, std::string found) {
  return Error(fmt::format("the kernel '{}' is an ELF file that cannot be started: {}", files.kernelName,
                           std::move(found)))
      .expected("an ELF file for x86 with segments in RAM and a Xen note of type 18 (PVH), as a Linux vmlinux has it")
      .where("-kernel");
}

struct Segment {
  std::uint32_t type = 0;
  std::uint64_t offset = 0, address = 0, fileSize = 0, memorySize = 0, alignment = 0;
};

template <class Ehdr, class Phdr>
Result<std::vector<Segment>> readSegments(const BootFiles& files) {
  const std::string& file = files.kernel;
  if (file.size() < sizeof(Ehdr)) return badElf(files, "its header is cut short");
  Ehdr header;
  std::memcpy(&header, file.data(), sizeof(header));
  if (header.e_machine != EM_X86_64 && header.e_machine != EM_386) {
    return badElf(files, fmt::format("it is for machine {}", header.e_machine));
  }
  if (header.e_phentsize != sizeof(Phdr) || header.e_phoff > file.size() ||
      std::uint64_t{header.e_phnum} * sizeof(Phdr) > file.size() - header.e_phoff) {
    return badElf(files, "its program headers are not within the file");
  }
  std::vector<Segment> segments;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Phdr one;
    std::memcpy(&one, file.data() + header.e_phoff + i * sizeof(Phdr), sizeof(one));
    if (one.p_type != PT_LOAD && one.p_type != PT_NOTE) continue;
    if (one.p_offset > file.size() || one.p_filesz > file.size() - one.p_offset) {
      return badElf(files, fmt::format("segment {} is not within the file", i));
    }
    segments.push_back({one.p_type, one.p_offset, one.p_paddr, one.p_filesz, one.p_memsz, one.p_align});
  }
  return segments;
}

// The entry in one PT_NOTE segment, where it is.
std::optional<std::uint64_t> findEntry(std::string_view notes, std::uint64_t alignment) {
  const std::uint64_t step = alignment == 8 ? 8 : 4;
  constexpr std::uint64_t kNoteHeader = 12;
  while (notes.size() >= kNoteHeader) {
    const std::uint64_t nameSize = loadLittle<std::uint32_t>(notes.data());
    const std::uint64_t size = loadLittle<std::uint32_t>(notes.data() + 4);
    const std::uint32_t type = loadLittle<std::uint32_t>(notes.data() + 8);
    const std::uint64_t content = alignUp<std::uint64_t>(kNoteHeader + nameSize, step);
    if (content > notes.size() || size > notes.size() - content) return std::nullopt;
    const std::string_view name = notes.substr(kNoteHeader, nameSize);
    if (type == kPhys32Entry && name == std::string_view("Xen\0", 4)) {
      if (size == 4) return loadLittle<std::uint32_t>(notes.data() + content);
      if (size == 8) return loadLittle<std::uint64_t>(notes.data() + content);
    }
    notes.remove_prefix(std::min<std::uint64_t>(alignUp<std::uint64_t>(content + size, step), notes.size()));
  }
  return std::nullopt;
}

}  // namespace

bool isElf(std::string_view kernel) {
  return kernel.starts_with(
      "\x7f"
      "ELF");
}

Result<BootPlan> planPvh(BootFiles files, const Layout& layout, std::uint64_t rsdp) {
  const std::string& file = files.kernel;
  if (file.size() <= EI_CLASS) return badElf(files, "its header is cut short");
  const bool wide = file[EI_CLASS] == ELFCLASS64;
  Result<std::vector<Segment>> segments =
      wide ? readSegments<Elf64_Ehdr, Elf64_Phdr>(files) : readSegments<Elf32_Ehdr, Elf32_Phdr>(files);
  if (!segments.ok()) return segments.takeError();
  BootPlan plan;
  std::optional<std::uint64_t> entry;
  std::uint64_t end = boot_memory::kKernelStart;
  for (const Segment& segment : *segments) {
    if (segment.type == PT_NOTE) {
      if (!entry) entry = findEntry(std::string_view(file).substr(segment.offset, segment.fileSize), segment.alignment);
      continue;
    }
    if (segment.memorySize == 0) continue;
    if (segment.fileSize > segment.memorySize) return badElf(files, "a segment is larger in the file than in memory");
    if (segment.address < boot_memory::kKernelStart || segment.address >= layout.lowEnd ||
        segment.memorySize > layout.lowEnd - segment.address) {
      return badElf(files, fmt::format("it has {} bytes at {:#x}, and RAM is from {:#x} to {:#x}", segment.memorySize,
                                       segment.address, boot_memory::kKernelStart, layout.lowEnd))
          .hint("more memory (-m) may help");
    }
    end = std::max(end, segment.address + segment.memorySize);
    plan.pieces.push_back(
        {segment.address, file.substr(segment.offset, segment.fileSize), segment.memorySize - segment.fileSize});
  }
  if (!entry) return badElf(files, "it has no PVH entry");
  if (plan.pieces.empty()) return badElf(files, "there is nothing to load");
  if (*entry >= layout.lowEnd) return badElf(files, fmt::format("its entry, {:#x}, is not in RAM", *entry));
  RHEA_CHECK(checkCommandLine(files, boot_memory::kCommandLineSize - 1));

  const std::vector<MapEntry> map = memoryMap(layout);
  std::string info(kModule + kModuleSize, '\0');
  const auto put = [&info]<class T>(std::size_t at, T value) { storeLittle<T>(info.data() + at, value); };
  static_assert(kInfoSize <= kModule);
  put(0, kMagic);
  put(4, std::uint32_t{1});
  put(24, boot_memory::kCommandLine);
  put(32, rsdp);
  put(40, boot_memory::kMap);
  put(48, static_cast<std::uint32_t>(map.size()));
  if (files.initrd) {
    RHEA_TRY(const std::uint64_t at, placeInitrd(files, end, layout.lowEnd));
    put(12, std::uint32_t{1});
    put(16, boot_memory::kParameters + kModule);
    put(kModule, at);
    put(kModule + 8, std::uint64_t{files.initrd->size()});
    plan.pieces.push_back({at, *std::move(files.initrd)});
  }
  std::string entries(map.size() * 24, '\0');
  for (std::size_t i = 0; i < map.size(); ++i) {
    storeLittle<std::uint64_t>(entries.data() + 24 * i, map[i].base);
    storeLittle<std::uint64_t>(entries.data() + 24 * i + 8, map[i].size);
    storeLittle<std::uint32_t>(entries.data() + 24 * i + 16, static_cast<std::uint32_t>(map[i].kind));
  }
  plan.pieces.push_back({boot_memory::kParameters, std::move(info)});
  plan.pieces.push_back({boot_memory::kMap, std::move(entries)});
  plan.pieces.push_back({boot_memory::kCommandLine, std::move(files.commandLine), 1});
  plan.protocol = "ELF, PVH entry";
  plan.entry.address = *entry;
  plan.entry.rbx = boot_memory::kParameters;
  addSegments(plan, false);
  return plan;
}

}  // namespace rhea::hw
