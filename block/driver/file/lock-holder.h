// Who holds an image: found by inode through /proc/locks and the descriptors of every process that /proc shows.
//
// The kernel gives pid -1 for open-file-description locks, but /proc/PID/fdinfo/FD lists the locks of each descriptor.
// Processes of other users, containers or hosts cannot be seen; the text says so. Blocking: call off the loop.
#pragma once

#include <sys/types.h>

#include "block/driver/file/image-lock.h"

namespace rhea::block {

struct LockHolder {
  pid_t pid = 0;
  std::string command;  // the kernel's name of the process, at most 15 characters
  std::string since;    // local time the process began, "10:31:07", with the date when that was not today
  LockSet held;
};

// Everybody but the open file description of `fd` who holds lock bytes on its file. A process appears once.
std::vector<LockHolder> findHolders(int fd);

// One line, without a final stop: "process 4711 (qemu-system-x86), since 10:31:07, holds it for writing".
std::string describeHolders(int fd, LockConflict conflict);

// The bytes of the lock protocol in a file range [first, last]; `last` -1 = to the end of the file.
LockSet lockSetOfRange(std::int64_t first, std::int64_t last);

}  // namespace rhea::block
