// What a monitor must go on doing while a file system has stopped answering: one row per command that needs the file
// system, with an emulator and a file system of its own. The test holds every row to the other clients being answered;
// the benchmark prints how fast.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/lib/emulator.h"
#include "tests/lib/frozen-fs.h"

namespace rhea::test {

struct FrozenRow {
  const char* name;
  unsigned operations;    // what of the file system hangs: FrozenFs::Operation
  const char* command;    // what a client asks for meanwhile
  const char* arguments;  // "%s": the folder of the file system
};

std::span<const FrozenRow> frozenRows();

// One row under way: `begin` freezes and asks; `question` is another client's query-status; `end` thaws.
class FrozenMachine {
 public:
  // Why it cannot be had (no FUSE here) is in why().
  explicit FrozenMachine(const FrozenRow& row);
  const std::string& why() const { return host_.why(); }
  const FrozenRow& row() const { return row_; }

  // Freezes, sends the command, and waits until the file system holds an operation of it. False: nothing came.
  bool begin();
  // Asks once for the machine's state and notes how long the answer took. False: the program has ended (quit).
  bool question();
  // Whether the command has been answered, thawed or not, within `seconds`.
  bool answered(double seconds);
  // What it was answered with; null before.
  const json::Value& answer() const { return answer_; }
  std::size_t held() const { return host_.held(); }
  void end() { host_.thaw(); }

  // In milliseconds, sorted.
  std::vector<double> waits() const;

 private:
  const FrozenRow& row_;
  FrozenFs host_;
  std::unique_ptr<Emulator> emulator_;
  std::unique_ptr<QmpClient> asking_;
  std::unique_ptr<QmpClient> watching_;
  std::vector<double> waits_;
  json::Value answer_;
};

}  // namespace rhea::test
