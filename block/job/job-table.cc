#include "block/job/job-table.h"

#include "emu/base/names.h"
#include "emu/io/loop.h"

namespace rhea::block {

namespace {

using Status = qapi::JobStatus;

// Which verb a job hears in which state.
struct VerbRow {
  std::string_view name;
  std::vector<Status> states;
};

// "complete" is for kinds of jobs that go on until they are told to end; there is none yet.
const std::array<VerbRow, 6>& verbRows() {
  static const std::array<VerbRow, 6> kRows = {{
      {"cancel", {Status::created, Status::running, Status::paused, Status::waiting, Status::pending}},
      {"pause", {Status::created, Status::running, Status::paused}},
      {"resume", {Status::created, Status::running, Status::paused}},
      {"complete", {}},
      {"finalize", {Status::pending}},
      {"dismiss", {Status::concluded}},
  }};
  return kRows;
}

}  // namespace

Task<Result<void>> Job::prepare() { co_return success(); }

Task<Result<void>> Job::pausePoint() {
  RHEA_CO_CHECK(cancelToken().check());
  if (!isPauseWanted()) co_return success();
  table_->change(*this, Status::paused);
  unpaused_.reset();
  const Result<void> woken = co_await unpaused_.wait(cancelToken());
  table_->change(*this, Status::running);
  co_return woken;
}

JobTable::~JobTable() = default;

Result<void> JobTable::start(std::unique_ptr<Job> job) {
  RHEA_CHECK(checkId(job->id()));
  if (jobs_.contains(job->id())) {
    return Error(fmt::format("a job '{}' exists already", job->id()))
        .hint("choose another id, or job-dismiss the old one when it is concluded");
  }
  std::shared_ptr<Job> shared = std::move(job);
  shared->table_ = this;
  jobs_.emplace(shared->id(), shared);
  change(*shared, Status::created);
  running_.spawnOn(loop_, drive(shared));
  return success();
}

std::vector<const Job*> JobTable::jobs() const {
  std::vector<const Job*> all;
  for (const auto& [id, job] : jobs_) all.push_back(job.get());
  return all;
}

Result<const Job*> JobTable::find(const std::string& id) const {
  const auto found = jobs_.find(id);
  if (found != jobs_.end()) return static_cast<const Job*>(found->second.get());
  std::vector<std::string> names;
  for (const auto& [name, job] : jobs_) names.push_back(name);
  Error error(fmt::format("there is no job '{}'", id));
  if (names.empty()) return std::move(error).hint("no job exists now");
  return std::move(error).candidates(std::move(names));
}

Result<Job*> JobTable::findFor(Verb verb, const std::string& id) const {
  RHEA_TRY(const Job* found, find(id));
  Job& job = *jobs_.at(found->id());
  const VerbRow& row = verbRows()[static_cast<std::size_t>(verb)];
  if (std::find(row.states.begin(), row.states.end(), job.status()) != row.states.end()) return &job;
  std::string states;
  for (const Status status : row.states) states.append(states.empty() ? "" : ", ").append(toString(status));
  Error error(fmt::format("job '{}' is {}: '{}' means nothing to it now", id, toString(job.status()), row.name));
  if (states.empty())
    return std::move(error).hint(fmt::format("jobs of kind {} end by themselves", toString(job.type())));
  return std::move(error).expected("a job that is " + states);
}

Result<void> JobTable::pause(const std::string& id) {
  RHEA_TRY(Job * job, findFor(Verb::kPause, id));
  if (job->isPauseWanted()) return Error(fmt::format("job '{}' is paused already", id));
  ++job->pauses_;
  return success();
}

Result<void> JobTable::resume(const std::string& id) {
  RHEA_TRY(Job * job, findFor(Verb::kResume, id));
  if (!job->isPauseWanted()) return Error(fmt::format("job '{}' is not paused", id));
  --job->pauses_;
  job->unpaused_.set();
  return success();
}

Result<void> JobTable::cancel(const std::string& id) {
  RHEA_TRY(Job * job, findFor(Verb::kCancel, id));
  job->cancelled_ = true;
  job->cancel_.cancel(Error(fmt::format("job '{}' was cancelled", id)));
  job->finalizeAsked_.set();
  return success();
}

Result<void> JobTable::complete(const std::string& id) {
  RHEA_TRY([[maybe_unused]] Job * job, findFor(Verb::kComplete, id));
  return success();
}

Result<void> JobTable::finalize(const std::string& id) {
  RHEA_TRY(Job * job, findFor(Verb::kFinalize, id));
  job->finalizeAsked_.set();
  return success();
}

Result<void> JobTable::dismiss(const std::string& id) {
  RHEA_TRY(Job * job, findFor(Verb::kDismiss, id));
  remove(*job);
  return success();
}

Task<void> JobTable::stop() {
  for (const auto& [id, job] : jobs_) {
    job->cancelled_ = true;
    job->cancel_.cancel(Error("the program ends"));
    job->finalizeAsked_.set();
  }
  co_await running_.join();
  jobs_.clear();
}

Task<void> JobTable::drive(std::shared_ptr<Job> job) {
  change(*job, Status::running);
  Result<void> outcome = co_await job->pausePoint();
  if (outcome) outcome = co_await job->run();
  co_await loop_.enter();
  if (outcome) outcome = co_await finish(*job);
  if (outcome) {
    job->commit();
  } else {
    job->error_ = outcome.takeError();
    change(*job, Status::aborting);
    job->abort();
  }
  change(*job, Status::concluded);
  if (job->autoDismiss()) remove(*job);
}

// From the end of the work to the decision: waits for the user where the job does not finalize by itself.
Task<Result<void>> JobTable::finish(Job& job) {
  change(job, Status::waiting);
  change(job, Status::pending);
  if (!job.autoFinalize()) RHEA_CO_CHECK(co_await job.finalizeAsked_.wait());
  RHEA_CO_CHECK(job.cancelToken().check());
  co_return co_await job.prepare();
}

void JobTable::change(Job& job, Status status) {
  job.status_ = status;
  if (observer_) observer_(job);
}

void JobTable::remove(Job& job) {
  change(job, Status::null);
  const std::string id = job.id();
  jobs_.erase(id);
}

}  // namespace rhea::block
