// Jobs' changes of state, told to QMP clients.
#pragma once

#include "block/job/job-table.h"
#include "emu/io/event-sink.h"

namespace rhea::block {

// From now on every change raises JOB_STATUS_CHANGE; `events` outlives the table.
void announceJobs(JobTable& jobs, EventSink& events);

}  // namespace rhea::block
