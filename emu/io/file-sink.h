// FileSink: text on its way to a descriptor that may hang (a file on a dead server), written on a worker thread in
// order.
//
//   if (sink->append(text)) workers.submit([sink] { sink->writeAll(); });
//
// Shared with the worker: what was appended is written even when the owner has let go of it.
#pragma once

#include <condition_variable>

#include "emu/base/base.h"
#include "emu/io/fd.h"
#include "emu/io/loop.h"

namespace rhea {

class FileSink {
 public:
  explicit FileSink(Fd fd) : fd_(std::move(fd)) {}

  // True when nobody writes: the caller lets a worker run writeAll(). Any thread. Unbounded: the caller looks at
  // pending(). After a failure everything is dropped.
  [[nodiscard]] bool append(std::string_view text);
  // Writes until there is nothing left; blocks.
  void writeAll();

  std::size_t pending() const;  // bytes
  bool failed() const;
  // Waits until all is written, or until then.
  void wait(TimePoint until);

 private:
  Fd fd_;
  mutable std::mutex guard_;
  std::condition_variable idle_;
  std::string queued_;
  std::size_t inFlight_ = 0;  // bytes that the worker took and has not written
  bool writing_ = false;
  bool failed_ = false;
};

}  // namespace rhea
