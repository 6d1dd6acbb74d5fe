// GuestMemory: a PC's RAM in its places: below the hole, above 4 GiB, with the first MiB's gap.
#pragma once

#include "emu/mem/address-space.h"
#include "hw/acpi/layout.h"
#include "hw/firmware/boot-plan.h"

namespace rhea::machine {

class GuestMemory {
 public:
  // `block` is as large as the layout's RAM.
  GuestMemory(mem::AddressSpace& space, mem::RamBlockPtr block, const hw::Layout& layout);

  const mem::RamBlockPtr& block() const { return block_; }
  // While the A20 gate is closed, the second MiB shows the first, as programs of the 8086 expect of addresses that run
  // over. Odd MiBs above it are left alone: nobody has got there with the gate closed. Any thread.
  void setA20(bool open);
  // Copies into RAM, as firmware would.
  void put(std::uint64_t address, std::string_view bytes, std::uint64_t zeros = 0);

 private:
  mem::AddressSpace& space_;
  mem::RamBlockPtr block_;
  std::vector<mem::AddressSpace::Mapping> mappings_;
  std::mutex a20Guard_;
  std::vector<mem::AddressSpace::Mapping> wrapped_;  // while it is closed
};

}  // namespace rhea::machine
