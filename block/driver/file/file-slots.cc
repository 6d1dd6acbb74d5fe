#include "block/driver/file/file-slots.h"

#include <climits>

namespace rhea::block {

namespace {

// Below what one system call takes (2 GiB less a page), so that even a request of that length is seldom cut.
constexpr std::uint64_t kMaxTransfer = std::uint64_t{1} << 30;

}  // namespace

Limits FileAccess::limits() const {
  Limits limits;
  limits.requestAlignment = direct ? alignment.offset : 1;
  limits.memoryAlignment = direct ? alignment.memory : 1;
  limits.maxTransfer = kMaxTransfer;
  limits.maxPieces = IOV_MAX;
  return limits;
}

bool FileAccess::fits(Extent at, const IoVector& data) const {
  return !direct || (at.isAligned(alignment.offset) && data.isAligned(alignment.memory));
}

void FileSlot::release() {
  // Sequentially consistent on purpose: either retire() sees the count at zero, or this sees that it waits.
  if (users_.fetch_sub(1) == 1 && retiring_.load()) idle_.set();
}

FileUse FileSlots::use() const {
  for (;;) {
    FileSlot* slot = current_.load();
    slot->users_.fetch_add(1);
    FileUse use(*slot);
    if (current_.load() == slot) return use;
  }
}

FileSlot& FileSlots::fill(std::shared_ptr<Fd> fd, const FileAccess& access) {
  const std::lock_guard lock(guard_);
  const auto isFree = [](const std::unique_ptr<FileSlot>& slot) { return slot->fd_ == nullptr; };
  auto found = std::find_if(all_.begin(), all_.end(), isFree);
  if (found == all_.end()) found = all_.insert(all_.end(), std::make_unique<FileSlot>());
  FileSlot& slot = **found;
  slot.fd_ = std::move(fd);
  slot.access_ = access;
  slot.syncFirst = false;
  slot.retiring_ = false;
  return slot;
}

Task<std::shared_ptr<Fd>> FileSlots::retire(FileSlot& slot) {
  slot.retiring_ = true;
  // The event may still be set by a late request of the slot's former life, hence the look after each wake-up.
  while (slot.users_.load() != 0) {
    static_cast<void>(co_await slot.idle_.wait());
    slot.idle_.reset();
  }
  const std::lock_guard lock(guard_);
  co_return std::move(slot.fd_);
}

std::vector<std::shared_ptr<Fd>> FileSlots::descriptors() const {
  std::vector<std::shared_ptr<Fd>> found;
  const std::lock_guard lock(guard_);
  const FileSlot* current = current_.load();
  if (current != nullptr && current->fd_ != nullptr) found.push_back(current->fd_);
  for (const auto& slot : all_) {
    if (slot.get() != current && slot->fd_ != nullptr) found.push_back(slot->fd_);
  }
  return found;
}

}  // namespace rhea::block
