// Files without a name: what is in one goes with its last descriptor, however the process ends.
#pragma once

#include "block/core/node-options.h"
#include "emu/io/fd.h"
#include "emu/io/file-engine.h"

namespace rhea::qapi {
enum class BlockdevAioOptions : std::uint16_t;
}

namespace rhea::block {

struct TemporaryFile {
  Fd fd;
  std::string name;  // as /proc shows it, "/var/tmp/#131 (deleted)"; for people
};

// Blocking. Where the file system cannot make a file without a name, it has one until this returns. Errors: the
// folder's, with its name.
Result<TemporaryFile> makeTemporaryFile(const std::string& folder);

// For the driver `file`, in the place of its own options. The driver opens a description of its own, so that the one of
// `file` is needed until then only.
DriverOptions optionsOf(const TemporaryFile& file, std::optional<FileEngineKind> aio);

// What aio= says; defined in options.cc.
FileEngineKind fileEngineOf(qapi::BlockdevAioOptions value);

}  // namespace rhea::block
