#include "emu/machine/guest-memory.h"

namespace rhea::machine {

namespace {

constexpr std::uint64_t kVideoHole = 0xa0000;
constexpr std::uint64_t kVideoHoleEnd = 0xc0000;

}  // namespace

GuestMemory::GuestMemory(mem::AddressSpace& space, mem::RamBlockPtr block, const hw::Layout& layout)
    : space_(space), block_(std::move(block)) {
  const mem::AddressSpace::Change change(space_);
  const auto map = [this](std::uint64_t base, std::uint64_t size, std::uint64_t offset) {
    mappings_.push_back(space_.map(mem::AddressSpace::Region("pc.ram", base, size, mem::Target::ram(block_, offset))));
  };
  map(0, kVideoHole, 0);
  map(kVideoHoleEnd, layout.lowEnd - kVideoHoleEnd, kVideoHoleEnd);
  if (layout.highEnd > hw::Layout::kFourGiB) {
    map(hw::Layout::kFourGiB, layout.highEnd - hw::Layout::kFourGiB, layout.lowEnd);
  }
}

void GuestMemory::setA20(bool open) {
  constexpr std::uint64_t kMiB = 0x100000;
  constexpr int kAboveRam = 1;
  const std::scoped_lock lock(a20Guard_);
  if (open == wrapped_.empty()) return;
  const mem::AddressSpace::Change change(space_);
  if (open) return wrapped_.clear();
  const auto wrap = [this](std::uint64_t first, std::uint64_t end) {
    mem::AddressSpace::Region region("pc.ram below A20", kMiB + first, end - first, mem::Target::ram(block_, first),
                                     kAboveRam);
    wrapped_.push_back(space_.map(std::move(region)));
  };
  wrap(0, kVideoHole);
  wrap(kVideoHoleEnd, kMiB);
}

void GuestMemory::put(std::uint64_t address, std::string_view bytes, std::uint64_t zeros) {
  space_.write(address, std::as_bytes(std::span(bytes)));
  if (zeros == 0) return;
  constexpr std::uint64_t kPortion = 0x10000;
  const std::vector<std::byte> nothing(std::min(zeros, kPortion));
  for (std::uint64_t at = address + bytes.size(); zeros != 0;) {
    const std::uint64_t length = std::min(zeros, kPortion);
    space_.write(at, std::span(nothing).first(length));
    at += length;
    zeros -= length;
  }
}

}  // namespace rhea::machine
