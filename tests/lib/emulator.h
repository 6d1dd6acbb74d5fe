// Emulator: the program rhea run by a test, in a folder of its own, with a QMP socket to talk to it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/lib/qmp-client.h"
#include "tests/lib/temp-dir.h"

namespace rhea::test {

class Emulator {
 public:
  // `-nodefaults`, a QMP socket, and these options besides (`-machine none` unless they name a machine); returns when
  // the socket takes connections.
  // Its current folder is folder(). An exception tells what it wrote when it ends before.
  explicit Emulator(const std::vector<std::string>& options = {});
  // Ends it with SIGTERM, and with SIGKILL when that takes longer than a few seconds.
  ~Emulator();
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  pid_t pid() const { return pid_; }
  const TempDir& folder() const { return folder_; }
  const std::string& socketPath() const { return socket_; }
  std::unique_ptr<QmpClient> connect(bool negotiate = true) const {
    return std::make_unique<QmpClient>(socket_, negotiate);
  }
  // What it has written to standard output and standard error.
  std::string output() const;
  // Its exit status, once it has ended within `seconds`; 128 and more for a signal, -1 when it still runs.
  int wait(double seconds);

  // The program under test: $RHEA_BIN, else build/bin/rhea below the source.
  static std::string program();

 private:
  TempDir folder_;
  std::string socket_;
  pid_t pid_ = -1;
  int status_ = -1;
};

}  // namespace rhea::test
