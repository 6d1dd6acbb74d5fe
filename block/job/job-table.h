// JobTable: all jobs of a machine, and the verbs that clients steer them with. Lives on the main loop.
#pragma once

#include "block/job/job.h"

namespace rhea::block {

class JobTable {
 public:
  using Observer = std::function<void(const Job&)>;

  explicit JobTable(Loop& loop) : loop_(loop) {}
  // Every job has ended: stop() was awaited.
  ~JobTable();

  // Told after every change of a job's status.
  void setObserver(Observer observer) { observer_ = std::move(observer); }

  // Takes the job and starts it. Error: the id is malformed or taken.
  Result<void> start(std::unique_ptr<Job> job);
  std::vector<const Job*> jobs() const;
  // Error: no job has the id; names those that exist.
  Result<const Job*> find(const std::string& id) const;

  // Errors: no such job; a state in which the verb means nothing.
  Result<void> pause(const std::string& id);
  Result<void> resume(const std::string& id);
  Result<void> cancel(const std::string& id);
  Result<void> complete(const std::string& id);
  Result<void> finalize(const std::string& id);
  Result<void> dismiss(const std::string& id);

  // Cancels all jobs and waits for them.
  Task<void> stop();

 private:
  friend class Job;
  enum class Verb : std::uint8_t { kCancel, kPause, kResume, kComplete, kFinalize, kDismiss };

  Result<Job*> findFor(Verb verb, const std::string& id) const;
  Task<void> drive(std::shared_ptr<Job> job);
  Task<Result<void>> finish(Job& job);
  void change(Job& job, qapi::JobStatus status);
  void remove(Job& job);

  Loop& loop_;
  Observer observer_;
  std::map<std::string, std::shared_ptr<Job>> jobs_;
  TaskGroup running_;
};

}  // namespace rhea::block
