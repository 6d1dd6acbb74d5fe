#include "block/command/job-events.h"

#include "emu/io/command.h"
#include "qapi/events-jobs.h"

namespace rhea::block {

void announceJobs(JobTable& jobs, EventSink& events) {
  jobs.setObserver([&events](const Job& job) {
    qapi::JobStatusChangeEvent event;
    event.id = job.id();
    event.status = job.status();
    qapi::emit(events, event);
  });
}

}  // namespace rhea::block
