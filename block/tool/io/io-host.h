// IoHost: what the io language finds in rhea-io and not in a monitor: an image of its own to open and close, and
// requests that run on while the next line is read.
#pragma once

#include "emu/base/base.h"
#include "emu/io/task.h"

namespace rhea::block {

// How an image is to be opened. Options are texts as after -drive: "key=value,...".
struct IoOpening {
  std::string name;           // a file's; empty: the options say it
  bool imageOptions = false;  // the name is such options itself
  std::string format;         // empty: found out
  bool readOnly = false;
  bool snapshot = false;
  bool copyOnRead = false;
  bool forceShare = false;
  std::string cache = "writeback";
  std::string aio;  // empty: the usual engine
  std::string discard = "unmap";
  std::vector<std::string> options;
};

struct IoReopening {
  std::optional<bool> readOnly;
  std::optional<std::string> cache;
  std::vector<std::string> options;
};

class IoHost {
 public:
  virtual ~IoHost() = default;
  // Error: one is open already.
  virtual Task<Result<void>> open(IoOpening wish) = 0;
  // Waits for requests that run. Error: the last flush failed; it is closed nevertheless.
  virtual Task<Result<void>> close() = 0;
  // Error: the image is as it was, or says that it could not be opened again.
  virtual Task<Result<void>> reopen(IoReopening wish) = 0;
  virtual void quit() = 0;
  // Runs a request while the next lines are read; its text is shown when it ends.
  virtual void begin(Task<Result<struct IoOutcome>> request) = 0;
  // Waits for all of them.
  virtual Task<void> settle() = 0;
};

// The text for parseDrive(). Error: a value that cannot stand in it.
std::string driveText(const IoOpening& wish);

}  // namespace rhea::block
