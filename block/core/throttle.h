// Throttle groups: limits shared by several disks and throttle nodes, each of them a member.
//
// Members of one group take turns, so that a deep queue does not starve a shallow one. A request that may pass at once
// costs the group's lock for a moment; disks without limits have no group and touch nothing shared.
#pragma once

#include <deque>

#include "block/core/throttle-bucket.h"
#include "emu/base/base.h"
#include "emu/io/loop.h"
#include "emu/io/task.h"

namespace rhea::block {

class ThrottleGroup;

// One user of a group: a disk or a throttle node. Must outlive its waiting requests.
class ThrottleMember {
 public:
  explicit ThrottleMember(std::shared_ptr<ThrottleGroup> group);
  ~ThrottleMember();
  ThrottleMember(const ThrottleMember&) = delete;
  ThrottleMember& operator=(const ThrottleMember&) = delete;

  const std::shared_ptr<ThrottleGroup>& group() const { return group_; }
  // Waits for this request's turn; on any loop, returns on the same. FIFO per member and direction.
  Task<void> pass(bool write, std::uint64_t bytes);
  // While drained (nested) everything passes, what waits at once.
  void drainBegin();
  void drainEnd();
  std::size_t waiting() const;

 private:
  friend class ThrottleGroup;
  struct Waiting;
  static void wake(const std::vector<Waiting*>& granted);
  std::shared_ptr<ThrottleGroup> group_;
  std::array<std::deque<Waiting*>, 2> queues_;  // by direction; guarded by the group
  unsigned drains_ = 0;                         // guarded by the group
};

class ThrottleGroup {
 public:
  // `home` runs the timer; it outlives the group.
  ThrottleGroup(std::string name, Loop& home);
  ~ThrottleGroup();

  const std::string& name() const { return name_; }
  ThrottleLimits limits() const;
  // Live: those that wait are weighed again. Error: as ThrottleLimits::check().
  Result<void> configure(const ThrottleLimits& limits);
  std::size_t members() const;

 private:
  friend class ThrottleMember;
  struct State;
  static Task<void> pump(std::shared_ptr<State> state);
  std::string name_;
  std::shared_ptr<State> state_;
};

// The groups of one graph by name; made at first use, gone with the last user. The graph's loop only.
class ThrottleGroups {
 public:
  explicit ThrottleGroups(Loop& home) : home_(home) {}
  std::shared_ptr<ThrottleGroup> findOrCreate(const std::string& name);
  std::shared_ptr<ThrottleGroup> find(const std::string& name) const;

 private:
  Loop& home_;
  std::map<std::string, std::weak_ptr<ThrottleGroup>> groups_;
};

}  // namespace rhea::block
