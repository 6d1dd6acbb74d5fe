// Bodies: the verbs of jobs, query-jobs, query-block-jobs and blockdev-create.
#include "block/command/support.h"
#include "block/job/create-job.h"
#include "block/job/job-table.h"
#include "qapi/commands-block-core.h"
#include "qapi/commands-jobs.h"

namespace rhea {

using block::JobTable;

Task<Result<std::vector<qapi::JobInfo>>> Command<qapi::QueryJobs>::run(CommandContext context, qapi::QueryJobs) {
  std::vector<qapi::JobInfo> list;
  for (const block::Job* job : context.get<JobTable>().jobs()) {
    qapi::JobInfo info;
    info.id = job->id();
    info.type = job->type();
    info.status = job->status();
    info.currentProgress = static_cast<std::int64_t>(job->progress());
    info.totalProgress = static_cast<std::int64_t>(job->total());
    if (job->error()) info.error = job->error()->message();
    list.push_back(std::move(info));
  }
  co_return list;
}

Task<Result<std::vector<qapi::BlockJobInfo>>> Command<qapi::QueryBlockJobs>::run(CommandContext, qapi::QueryBlockJobs) {
  // No kind of job works on a disk's data yet: creating images, the only kind, is none of these.
  co_return std::vector<qapi::BlockJobInfo>();
}

Task<Result<void>> Command<qapi::JobPause>::run(CommandContext context, qapi::JobPause arguments) {
  co_return context.get<JobTable>().pause(arguments.id);
}
Task<Result<void>> Command<qapi::JobResume>::run(CommandContext context, qapi::JobResume arguments) {
  co_return context.get<JobTable>().resume(arguments.id);
}
Task<Result<void>> Command<qapi::JobCancel>::run(CommandContext context, qapi::JobCancel arguments) {
  co_return context.get<JobTable>().cancel(arguments.id);
}
Task<Result<void>> Command<qapi::JobComplete>::run(CommandContext context, qapi::JobComplete arguments) {
  co_return context.get<JobTable>().complete(arguments.id);
}
Task<Result<void>> Command<qapi::JobFinalize>::run(CommandContext context, qapi::JobFinalize arguments) {
  co_return context.get<JobTable>().finalize(arguments.id);
}
Task<Result<void>> Command<qapi::JobDismiss>::run(CommandContext context, qapi::JobDismiss arguments) {
  co_return context.get<JobTable>().dismiss(arguments.id);
}

Task<Result<void>> Command<qapi::BlockdevCreate>::run(CommandContext context, qapi::BlockdevCreate arguments) {
  block::BlockGraph& graph = context.get<block::BlockGraph>();
  RHEA_CO_TRY(std::unique_ptr<block::Job> job,
              block::makeCreateJob(graph, context.services(), arguments.jobId, arguments.options, context.peer().who));
  co_return context.get<JobTable>().start(std::move(job));
}

}  // namespace rhea
