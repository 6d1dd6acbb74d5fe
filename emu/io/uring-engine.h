// The io_uring engine: requests become entries of a ring that is shared with the kernel, handed over in batches.
//
// Requests made in a round of the loop are submitted together at its end, with one system call. What the kernel can
// answer at once (the page cache has it) is answered within that call and taken from the ring right behind it, so that
// its waiter goes on without a trip through epoll. Completions that come later make the ring's descriptor readable.
#pragma once

#include "emu/base/base.h"
#include "emu/io/file-engine.h"

namespace rhea {

// Errors: no liburing in this build, or why the kernel gives no ring (with what to do about it).
Result<std::unique_ptr<FileEngine>> makeUringEngine(Loop& loop);

// Makes a ring, sees that it knows the operations that are needed, and sends one empty request through it.
Result<void> probeUringEngine();

}  // namespace rhea
