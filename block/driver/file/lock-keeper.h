// LockKeeper: the image locks of one node, kept in step with its rights over all descriptors that the node has open.
//
// While a node is reopened it has two open file descriptions of the same file, and each would see the other's locks as
// a stranger's. So one of them, the primary, is the one that claims and looks; the others carry the same bytes, except
// for the moment of a look, so that the node is never unlocked when one of them is closed.
//
// Functions that say "blocking" run on workers; the others never wait. Thread-safe.
#pragma once

#include "block/driver/file/image-lock.h"
#include "emu/io/fd.h"
#include "emu/io/task.h"

namespace rhea {
class WorkerPool;
}

namespace rhea::block {

class LockKeeper : public std::enable_shared_from_this<LockKeeper> {
 public:
  // `local`: locking is done by the kernel alone and cannot hang, so that giving back may happen in place.
  LockKeeper(std::string path, bool local) : path_(std::move(path)), local_(local) {}

  // Blocking. The first descriptor becomes the primary; the others take the bytes that are held, without a look.
  Result<void> add(std::shared_ptr<Fd> carrier);
  // Blocking. Gives back this descriptor's bytes and forgets it.
  void remove(const std::shared_ptr<Fd>& carrier);
  void makePrimary(const std::shared_ptr<Fd>& carrier);

  // Blocking. Takes what `wanted` needs in addition to what is held. Error: names the holder; nothing changed.
  Result<void> claim(LockSet wanted);
  // What was claimed last is what is needed from now on; the rest is given back soon (at once when `local`).
  void commit(WorkerPool& workers);
  // What was needed before is needed; the rest of the claim is given back.
  void abort(WorkerPool& workers);

  LockSet needed() const;

 private:
  void reconcile();        // blocking; gives back what is neither needed nor claimed
  void reconcileLocked();  // with working_ held
  void scheduleReconcile(WorkerPool& workers);
  std::vector<std::shared_ptr<Fd>> others() const;

  const std::string path_;
  const bool local_;
  std::mutex working_;        // held over system calls, by workers only (or in place where local_)
  mutable std::mutex guard_;  // held for a few instructions
  std::vector<std::shared_ptr<Fd>> carriers_;
  std::shared_ptr<Fd> primary_;
  LockSet held_;     // under working_: what every carrier holds
  LockSet needed_;   // of the rights in force
  LockSet claimed_;  // of the rights being prepared
};

// Gives back the locks (`keeper` may be null) and closes, on a worker: the last reference must not end on a loop, where
// a close that hangs would hang everything.
Task<void> releaseOffLoop(std::shared_ptr<LockKeeper> keeper, std::shared_ptr<Fd> fd);

}  // namespace rhea::block
