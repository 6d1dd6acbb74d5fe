#include "hw/pci/bar.h"

namespace rhea::pci {

namespace {
// Above what the board itself has there, so that a guest that puts a window over RAM sees its window.
constexpr int kPriority = 1;
}  // namespace

std::uint32_t Bar::typeBits() const {
  static constexpr std::array<std::uint32_t, 5> kBits = {0, 1, 0, 4, 12};
  return kBits[static_cast<std::size_t>(kind_)];
}

void Bar::addPart(std::string name, std::uint64_t offset, std::uint64_t size, mem::Target target) {
  parts_.push_back({std::move(name), offset, size, std::move(target)});
}

void Bar::moveTo(std::optional<std::uint64_t> address, mem::AddressSpace& space) {
  if (address == at_) return;
  const mem::AddressSpace::Change change(space);
  mappings_.clear();
  at_ = address;
  if (!at_) return;
  for (const Part& part : parts_) {
    mappings_.push_back(
        space.map(mem::AddressSpace::Region(part.name, *at_ + part.offset, part.size, part.target, kPriority)));
  }
}

}  // namespace rhea::pci
