// The Linux native AIO engine (aio=native): requests on files opened with O_DIRECT run in the kernel without a thread.
//
// On files that are not direct the kernel does the whole request inside io_submit() and so blocks the loop: the file
// driver refuses that pairing. What native AIO cannot do (fallocate; fdatasync before Linux 4.18) goes to workers.
#pragma once

#include "emu/base/base.h"
#include "emu/io/file-engine.h"

namespace rhea {

// Error: the kernel gives no context (fs.aio-max-nr is used up, a sandbox).
Result<std::unique_ptr<FileEngine>> makeNativeEngine(Loop& loop);
Result<void> probeNativeEngine();

}  // namespace rhea
