// Daemon: -daemonize. The command that the user typed waits in the parent until the child is ready or has failed.
#pragma once

#include "emu/base/base.h"
#include "emu/io/fd.h"

namespace rhea {

class Daemon {
 public:
  // Forks; before any thread exists. The parent does not return: it ends with status 0 when the child calls ready(),
  // or with the child's own exit status when that ends before. Until then the child's messages go to the parent's
  // standard error. The current folder stays, so that relative names keep their meaning in later commands.
  static Result<Daemon> start();
  // The child is in service: lets the parent go and leaves the terminal.
  void ready();

 private:
  explicit Daemon(Fd parent) : parent_(std::move(parent)) {}
  Fd parent_;  // a pipe to the waiting parent
};

}  // namespace rhea
