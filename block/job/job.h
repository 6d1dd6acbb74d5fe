// Job: a long operation that users watch and steer: pause, resume, cancel, finalize, dismiss.
//
// The states and their changes are those that QMP clients know (JobStatus). A job's body is one coroutine, run(); it
// calls pausePoint() where it may be stopped for a while. What happens at the end is in two steps, so that several jobs
// can end together later: prepare() may still fail, then commit() or abort() cannot.
#pragma once

#include "emu/base/base.h"
#include "emu/io/cancel.h"
#include "emu/io/sync.h"
#include "emu/io/task.h"
#include "qapi/types-jobs.h"

namespace rhea::block {

struct JobOptions {
  explicit JobOptions(std::string jobId) : id(std::move(jobId)) {}
  std::string id;
  bool autoFinalize = true;
  bool autoDismiss = true;
};

class JobTable;

class Job {
 public:
  explicit Job(JobOptions options) : options_(std::move(options)) {}
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  virtual qapi::JobType type() const = 0;
  // Units of the job's own choice; total may grow while it runs.
  virtual std::uint64_t progress() const = 0;
  virtual std::uint64_t total() const = 0;

  const std::string& id() const { return options_.id; }
  qapi::JobStatus status() const { return status_; }
  // Why it failed; only once it is aborting or concluded.
  const std::optional<Error>& error() const { return error_; }
  bool autoFinalize() const { return options_.autoFinalize; }
  bool autoDismiss() const { return options_.autoDismiss; }
  bool isPauseWanted() const { return pauses_ > 0; }

 protected:
  // The work. Runs on the main loop until it hops; must end soon after the wish to cancel came.
  virtual Task<Result<void>> run() = 0;
  virtual Task<Result<void>> prepare();
  virtual void commit() {}
  virtual void abort() {}

  // Waits while the job is paused. Error: the wish to cancel.
  Task<Result<void>> pausePoint();
  CancelToken cancelToken() const { return cancel_.token(); }

 private:
  friend class JobTable;

  JobOptions options_;
  JobTable* table_ = nullptr;
  qapi::JobStatus status_ = qapi::JobStatus::created;
  std::optional<Error> error_;
  unsigned pauses_ = 0;
  Event unpaused_;
  Event finalizeAsked_;
  CancelSource cancel_;
  bool cancelled_ = false;
};

}  // namespace rhea::block
