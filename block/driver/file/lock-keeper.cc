#include "block/driver/file/lock-keeper.h"

#include "emu/io/offload.h"

namespace rhea::block {

Result<void> LockKeeper::add(std::shared_ptr<Fd> carrier) {
  const std::lock_guard working(working_);
  RHEA_CHECK(takeLocks(carrier->get(), held_));
  const std::lock_guard lock(guard_);
  if (primary_ == nullptr) primary_ = carrier;
  carriers_.push_back(std::move(carrier));
  return success();
}

void LockKeeper::remove(const std::shared_ptr<Fd>& carrier) {
  const std::lock_guard working(working_);
  {
    const std::lock_guard lock(guard_);
    std::erase(carriers_, carrier);
    if (primary_ == carrier) primary_ = carriers_.empty() ? nullptr : carriers_.back();
  }
  // By name, not by closing: a member of a descriptor set has duplicates that would keep the locks alive.
  static_cast<void>(dropLocks(carrier->get(), held_));
}

void LockKeeper::makePrimary(const std::shared_ptr<Fd>& carrier) {
  const std::lock_guard lock(guard_);
  primary_ = carrier;
}

std::vector<std::shared_ptr<Fd>> LockKeeper::others() const {
  std::vector<std::shared_ptr<Fd>> found;
  const std::lock_guard lock(guard_);
  for (const auto& carrier : carriers_) {
    if (carrier != primary_) found.push_back(carrier);
  }
  return found;
}

Result<void> LockKeeper::claim(LockSet wanted) {
  const std::lock_guard working(working_);
  std::shared_ptr<Fd> primary;
  {
    const std::lock_guard lock(guard_);
    primary = primary_;
  }
  if (primary == nullptr) return success();
  const auto shadows = others();
  for (const auto& shadow : shadows) static_cast<void>(dropLocks(shadow->get(), held_));
  auto claimed = claimLocks(primary->get(), held_, wanted, path_);
  if (claimed.ok()) held_ = held_ | wanted;
  for (const auto& shadow : shadows) static_cast<void>(takeLocks(shadow->get(), held_));
  if (!claimed.ok()) return claimed;
  const std::lock_guard lock(guard_);
  claimed_ = wanted;
  return success();
}

void LockKeeper::commit(WorkerPool& workers) {
  {
    const std::lock_guard lock(guard_);
    needed_ = std::exchange(claimed_, {});
  }
  scheduleReconcile(workers);
}

void LockKeeper::abort(WorkerPool& workers) {
  {
    const std::lock_guard lock(guard_);
    claimed_ = {};
  }
  scheduleReconcile(workers);
}

LockSet LockKeeper::needed() const {
  const std::lock_guard lock(guard_);
  return needed_;
}

void LockKeeper::scheduleReconcile(WorkerPool& workers) {
  if (local_ && working_.try_lock()) {
    const std::lock_guard working(working_, std::adopt_lock);
    reconcileLocked();
    return;
  }
  workers.submit([self = shared_from_this()] { self->reconcile(); });
}

void LockKeeper::reconcile() {
  const std::lock_guard working(working_);
  reconcileLocked();
}

void LockKeeper::reconcileLocked() {
  // What is asked for is read here, not when this was scheduled: a claim may have come in between.
  LockSet keep;
  std::vector<std::shared_ptr<Fd>> carriers;
  {
    const std::lock_guard lock(guard_);
    keep = needed_ | claimed_;
    carriers = carriers_;
  }
  const LockSet unwanted = held_.without(keep);
  for (const auto& carrier : carriers) static_cast<void>(dropLocks(carrier->get(), unwanted));
  held_ = held_.without(unwanted);
}

Task<void> releaseOffLoop(std::shared_ptr<LockKeeper> keeper, std::shared_ptr<Fd> fd) {
  auto release = [keeper = std::move(keeper), fd = std::move(fd)]() mutable {
    if (keeper != nullptr) keeper->remove(fd);
    fd.reset();
  };
  co_await offload(std::move(release));
}

}  // namespace rhea::block
