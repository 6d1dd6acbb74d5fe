// Desk: questions to the cluster beside a disk's data: names, inodes, making and deleting.
#pragma once

#include "block/driver/sheepdog/inode.h"
#include "block/driver/sheepdog/link.h"
#include "block/driver/sheepdog/result-code.h"

namespace rhea::block::sheepdog {

// Which VDI: the working one of that name, or its snapshot by number or tag.
struct VdiName {
  VdiName() = default;
  explicit VdiName(std::string vdi, std::uint32_t number = 0, std::string snapshot = {})
      : name(std::move(vdi)), snapId(number), tag(std::move(snapshot)) {}
  std::string name;
  std::uint32_t snapId = 0;
  std::string tag;
  // "VDI 'x'", "snapshot 'y' of VDI 'x'".
  std::string text() const;
};

class Desk {
 public:
  enum class Use : std::uint8_t { kGreeting, kNormal };
  explicit Desk(Link& link, Use use = Use::kNormal) : link_(link), use_(use) {}

  Link& link() { return link_; }
  // Any result but those that say "in a moment" (asked again, but for greetings); `payload` and `room` stay until then.
  // Error: no answer.
  Task<Result<Reply>> ask(Request request, IoVector payload, IoVector room);
  // The same, for what must not be done twice. None: the connection was lost, and nobody knows.
  Task<Result<std::optional<Reply>>> askOnce(Request request, IoVector payload);

  // GET_VDI_INFO; LOCK_VDI. Any result.
  Task<Result<Reply>> find(VdiName which);
  Task<Result<Reply>> lock(VdiName which);
  // Never fails where the daemon answers at all.
  Task<Result<void>> release(std::string name, std::uint32_t vdi);
  // The same at the end of a connection. Error: it was lost, and nobody knows.
  Task<Result<void>> releaseOnce(std::string name, std::uint32_t vdi);
  // The header; then as many slots of the index as the disk has objects. Errors: damaged; missing.
  Task<Result<Inode>> readInode(std::uint32_t vdi, std::uint16_t flags);
  Task<Result<std::vector<std::uint32_t>>> readIndex(const Inode& inode, std::uint16_t flags);
  Task<Result<std::vector<std::byte>>> readObject(ObjectRange at, std::uint16_t flags);
  // WRITE_OBJ; past any object cache, stable when it is answered.
  Task<Result<void>> writeStable(std::uint64_t oid, std::uint32_t offset, std::vector<std::byte> bytes);
  // The numbers in use, as a bitmap.
  Task<Result<std::vector<std::byte>>> readVdis();
  // The cluster's object size as a power of two; none: a daemon before 1.0, which has 2^22 alone.
  Task<Result<std::optional<std::uint8_t>>> defaultShift();

  // Takes all data away, then the VDI, on daemons of all ages. Objects that others share stay: `heirs` says whether
  // there can be such. Error: also where the daemon says yes and the VDI is there still.
  enum class Heirs : std::uint8_t { kNone, kPossible };
  Task<Result<void>> remove(VdiName which, Heirs heirs);

  // "the Sheepdog server 127.0.0.1:7000, VDI 'x'".
  std::string where(const VdiName& which) const;
  Error refused(const Reply& reply, std::string_view doing, const VdiName& which) const;

 private:
  Task<Result<void>> removeData(const Inode& inode, bool modern);
  Link& link_;
  Use use_;
};

}  // namespace rhea::block::sheepdog
