// ProgramEnd: the one way in which the program ends: by quit, a signal, later by the guest. A service.
#pragma once

#include "qapi/types-machine.h"

namespace rhea::object {

class ProgramEnd {
 public:
  virtual ~ProgramEnd() = default;
  // Begins the end and returns at once: SHUTDOWN is emitted, disks are flushed for a bounded time, then the process
  // exits. Asked again, it does not wait for the flushes any longer. On the main loop only.
  virtual void request(qapi::ShutdownCause why) = 0;
  // The guest ends the program and chooses its exit status, for where all goes well.
  virtual void requestByGuest(int status) = 0;
};

}  // namespace rhea::object
