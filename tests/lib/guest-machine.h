// GuestMachine: rhea with a guest in it: a kernel that boots, its serial console read and typed on, the monitor beside.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/lib/emulator.h"

namespace rhea::test {

class GuestMachine {
 public:
  // -machine q35 with these options; the guest runs from when the console is connected.
  explicit GuestMachine(std::vector<std::string> options);
  ~GuestMachine();
  GuestMachine(const GuestMachine&) = delete;
  GuestMachine& operator=(const GuestMachine&) = delete;

  Emulator& emulator() { return emulator_; }
  QmpClient& qmp() { return *qmp_; }

  // Reads the console until `text` comes, and forgets all up to its end; what came before it is returned. An exception
  // with the end of the console's output when it does not come within `seconds`, or when the machine ends before.
  std::string await(const std::string& text, double seconds = 60);
  void type(const std::string& keys);
  // A command for the shell of the Linux guest: what it printed, without the end of line. An exception with that where
  // its status is not 0.
  std::string shell(const std::string& command, double seconds = 60);
  // Whether this build translates guest code; one with sanitizers does not.
  bool translates() { return qmp().execute("x-query-jit").find("return").has_value(); }
  // Everything that the console has said so far.
  const std::string& transcript() const { return transcript_; }

 private:
  bool readMore(double seconds);

  Emulator emulator_;
  std::unique_ptr<QmpClient> qmp_;
  int console_ = -1;
  std::string transcript_;
  std::size_t seen_ = 0;
  int commands_ = 0;
};

// The folder with vmlinuz, initrd and disk.ext4 of the Linux guest, fetched and made at the first call of a build.
// Empty where that cannot be had; why() tells, for GTEST_SKIP.
struct LinuxGuest {
  LinuxGuest();
  std::string folder;
  std::string why;
};

// Path of the built-in guest's kernel.
std::string builtInGuest();

}  // namespace rhea::test
