#include "block/core/disk.h"

#include <fmt/format.h>

#include "block/core/node.h"
#include "emu/base/names.h"

namespace rhea::block {

namespace {
constexpr std::array<std::string_view, 4> kOnErrorNames = {"report", "ignore", "enospc", "stop"};
}

std::string_view toString(OnError policy) { return kOnErrorNames[static_cast<std::size_t>(policy)]; }

Result<OnError> onErrorOf(std::string_view name) {
  for (std::size_t i = 0; i < kOnErrorNames.size(); ++i) {
    if (kOnErrorNames[i] == name) return static_cast<OnError>(i);
  }
  return Error(fmt::format("'{}' is not an error policy", name))
      .expected("report, ignore, enospc or stop")
      .candidates(nearestNames(name, kOnErrorNames));
}

std::string_view toString(IoStatus status) {
  static constexpr std::array<std::string_view, 3> kNames = {"ok", "failed", "nospace"};
  return kNames[static_cast<std::size_t>(status)];
}

std::string_view toString(ErrorAction action) {
  static constexpr std::array<std::string_view, 3> kNames = {"report", "ignore", "stop"};
  return kNames[static_cast<std::size_t>(action)];
}

Disk::Disk(DiskOptions options, GraphObserver& observer, RunStateHook* runState)
    : options_(std::move(options)),
      observer_(observer),
      runState_(runState),
      root_("root", ChildRole::kFiltered),
      hostWriteback_(options_.writeback),
      announcedWriteback_(options_.writeback),
      writeError_(options_.writeError),
      readError_(options_.readError) {
  root_.disk_ = this;
  applyWriteback(gate_.epoch());
}

Disk::~Disk() = default;

std::string Disk::name() const {
  if (!options_.id.empty()) return options_.id;
  if (!deviceId_.empty()) return deviceId_;
  if (!qomPath_.empty()) return qomPath_;
  return hasRoot() ? fmt::format("#disk of node '{}'", root().name()) : "#disk without medium";
}

bool Disk::isReadOnly() const { return options_.readOnly || (root_.isAttached() && root_.node().isReadOnly()); }

std::uint64_t Disk::length() const { return root_.isAttached() ? root_.length() : 0; }

bool Disk::effectiveWriteback() const { return !writeThrough_[gate_.epoch()].load(std::memory_order_relaxed); }

bool Disk::wantsWriteback() const {
  return hostWriteback_ && guestWriteback_ && !pendingGuest_ && (guest_ == nullptr || guest_->canFlush());
}

void Disk::applyWriteback(unsigned epoch) { writeThrough_[epoch].store(!wantsWriteback(), std::memory_order_relaxed); }

void Disk::setDevice(std::string deviceId, std::string qomPath, GuestLink* link) {
  deviceId_ = std::move(deviceId);
  qomPath_ = std::move(qomPath);
  guest_ = link;
  if (link == nullptr) {
    guestWriteback_ = true;
    pendingGuest_ = false;
    forced_ = false;
  }
  applyWriteback(gate_.epoch());
  if (link == nullptr) announcedWriteback_ = wantsWriteback();
}

GuestView Disk::guestView() const {
  if (guest_ == nullptr) return GuestView::kNoGuest;
  if (!guest_->canFlush()) return GuestView::kCannotFlush;
  return guestWriteback_ && guest_->believesVolatile() ? GuestView::kWriteBack : GuestView::kWriteThrough;
}

Node& Disk::accountingNode() const {
  Node* node = &root_.node();
  while (const Child* below = node->passThroughChild()) node = &below->node();
  return *node;
}

void Disk::setErrorPolicies(OnError write, OnError read) {
  writeError_.store(write, std::memory_order_relaxed);
  readError_.store(read, std::memory_order_relaxed);
}

Result<void> Disk::setThrottle(ThrottleGroups& groups, std::string group, const ThrottleLimits& limits) {
  RHEA_CHECK(limits.check());
  ThrottleMember* const current = throttle_.load(std::memory_order_relaxed);
  if (group.empty()) group = current != nullptr ? current->group()->name() : name();
  if (!limits.any()) {
    throttle_.store(nullptr, std::memory_order_release);
  } else if (current != nullptr && current->group()->name() == group) {
    return current->group()->configure(limits);
  } else {
    auto shared = groups.findOrCreate(group);
    RHEA_CHECK(shared->configure(limits));
    throttles_.push_back(std::make_unique<ThrottleMember>(std::move(shared)));
    for (unsigned i = 0; i < throttleDrains_; ++i) throttles_.back()->drainBegin();
    throttle_.store(throttles_.back().get(), std::memory_order_release);
  }
  // Who waits in the old group goes on at once. It can be let go when no request is left that may have seen it.
  ThrottleMember* const now = throttle_.load(std::memory_order_relaxed);
  if (current != nullptr && current != now) current->drainBegin();
  if (gate_.inside() == 0) std::erase_if(throttles_, [now](const auto& member) { return member.get() != now; });
  return success();
}

std::shared_ptr<ThrottleGroup> Disk::throttleGroup() const {
  const ThrottleMember* member = throttle_.load(std::memory_order_relaxed);
  return member == nullptr ? nullptr : member->group();
}

void Disk::drainBegin() {
  gate_.shut();
  ++throttleDrains_;
  if (ThrottleMember* member = throttle_.load(std::memory_order_relaxed)) member->drainBegin();
}

void Disk::drainEnd() {
  if (ThrottleMember* member = throttle_.load(std::memory_order_relaxed)) member->drainEnd();
  --throttleDrains_;
  gate_.open();
}

void Disk::abandonHeld() {
  if (held() == 0) return;
  abandoned_.fetch_add(1, std::memory_order_acq_rel);
  retryHeld();
}

void Disk::retryHeld() {
  std::shared_ptr<Event> waiting;
  {
    const std::lock_guard lock(heldGuard_);
    waiting = std::exchange(retry_, std::make_shared<Event>());
  }
  resetIoStatus();
  waiting->set();
}

}  // namespace rhea::block
