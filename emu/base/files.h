// Small files as wholes. Blocking: on a loop, through offload() only.
#pragma once

#include <sys/types.h>

#include "emu/base/base.h"

namespace rhea {

// Replaces `path` so that a reader, or a machine that loses power, sees the old or the new text, never a part: written
// and synced beside it, then renamed. Errors name the file and leave it as it was.
Result<void> writeFileAtomically(const std::string& path, std::string_view text, mode_t mode = 0644);

// The whole file. Error: it cannot be read, or is longer than `most` bytes.
Result<std::string> readFile(const std::string& path, std::size_t most = std::size_t{64} << 20);

}  // namespace rhea
