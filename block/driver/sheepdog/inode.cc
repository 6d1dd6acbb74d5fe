#include "block/driver/sheepdog/inode.h"

#include <cerrno>

#include "block/core/extent.h"
#include "emu/base/bytes.h"

namespace rhea::block::sheepdog {

namespace {

std::string textAt(std::span<const std::byte> head, std::size_t at) {
  const char* const text = reinterpret_cast<const char*>(head.data() + at);
  return std::string(text, strnlen(text, kNameBytes));
}

Error absurd(std::uint32_t vdi, std::string_view what) {
  return Error::fromErrno(EIO, fmt::format("the inode of VDI number {:06x} is damaged: {}", vdi, what));
}

}  // namespace

Inode Inode::identify(std::span<const std::byte> head) {
  Inode inode;
  if (head.size() < kInodeHeadBytes) return inode;
  const auto long64 = [&](std::size_t at) { return loadLittle<std::uint64_t>(&head[at]); };
  const auto word = [&](std::size_t at) { return loadLittle<std::uint32_t>(&head[at]); };
  const auto byte = [&](std::size_t at) { return std::to_integer<std::uint8_t>(head[at]); };
  inode.name = textAt(head, 0);
  inode.tag = textAt(head, kTagOffset);
  inode.snapTime = long64(520);
  inode.vmClock = long64(kClockOffset);
  inode.size = long64(kSizeOffset);
  inode.vmStateSize = long64(544);
  inode.kept.policy = byte(552);
  inode.hyper = byte(553) == 1;
  inode.kept.copies = byte(554);
  inode.shift = byte(555);
  inode.snapId = word(556);
  inode.vdi = word(560);
  inode.parent = word(564);
  return inode;
}

Result<Inode> Inode::parse(std::span<const std::byte> head, std::uint32_t vdi) {
  if (head.size() < kInodeHeadBytes) return absurd(vdi, fmt::format("it has {} bytes", head.size()));
  Inode inode = identify(head);
  if (inode.name.empty()) return absurd(vdi, "it has no name: the VDI was deleted");
  if (inode.name.size() >= kNameBytes || inode.tag.size() >= kNameBytes) return absurd(vdi, "a name has no end");
  const unsigned store = std::to_integer<unsigned>(head[553]);
  if (store > 1) return absurd(vdi, fmt::format("its index is of kind {}, known are 0 and 1", store));
  if (inode.shift < kLeastShift || inode.shift > kMostShift) {
    return absurd(vdi, fmt::format("its objects have 2^{} bytes, possible are 2^{} to 2^{}", inode.shift, kLeastShift,
                                   kMostShift));
  }
  if (inode.vdi != vdi) return absurd(vdi, fmt::format("it says to be number {:06x}", inode.vdi));
  if (!inode.hyper && inode.size > mostBytes(inode.shift)) {
    return absurd(vdi, fmt::format("a disk of {} bytes does not fit its index, which holds {}", inode.size,
                                   mostBytes(inode.shift)));
  }
  if (inode.size > Extent::kMost - inode.objectSize() || inode.objects() > std::uint64_t{UINT32_MAX}) {
    return absurd(vdi, fmt::format("a disk of {} bytes cannot be", inode.size));
  }
  return inode;
}

}  // namespace rhea::block::sheepdog
