#include "tests/lib/tiny-guest.h"

#include <elf.h>

#include <cstdint>
#include <cstring>

namespace rhea::test {

std::string tinyGuest(std::string_view code) {
  constexpr std::size_t kNote = sizeof(Elf32_Ehdr) + 2 * sizeof(Elf32_Phdr);
  constexpr std::size_t kNoteSize = 20;
  constexpr std::size_t kCode = kNote + kNoteSize;
  Elf32_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS32;
  header.e_machine = EM_386;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf32_Phdr);
  header.e_phnum = 2;
  Elf32_Phdr segments[2] = {};
  segments[0].p_type = PT_LOAD;
  segments[0].p_offset = kCode;
  segments[0].p_paddr = kTinyGuestEntry;
  segments[0].p_filesz = segments[0].p_memsz = static_cast<Elf32_Word>(code.size());
  segments[1].p_type = PT_NOTE;
  segments[1].p_offset = kNote;
  segments[1].p_filesz = kNoteSize;
  segments[1].p_align = 4;
  const std::uint32_t note[] = {4, 4, 18};  // XEN_ELFNOTE_PHYS32_ENTRY
  const std::uint32_t entry = kTinyGuestEntry;
  std::string file(kCode, '\0');
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), segments, sizeof(segments));
  std::memcpy(file.data() + kNote, note, sizeof(note));
  std::memcpy(file.data() + kNote + 12, "Xen", 4);
  std::memcpy(file.data() + kNote + 16, &entry, sizeof(entry));
  return file.append(code);
}

}  // namespace rhea::test
