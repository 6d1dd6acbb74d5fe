// What makes an image whole again that was not closed.
#pragma once

#include "emu/base/base.h"
#include "emu/io/task.h"

namespace rhea::block::qcow2 {

struct Image;

// Makes the refcounts anew from what the tables point to: those of an image with lazy refcounts that was not closed.
// Before the first write; nothing of the refcounts is in memory then. Error: why not; the image is as before.
Task<Result<void>> repairRefcounts(Image& image);

}  // namespace rhea::block::qcow2
