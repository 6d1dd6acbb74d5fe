// IoProgram: rhea-io: an image that lines of the io language work on, one after the other.
#pragma once

#include "block/core/graph.h"
#include "block/tool/io/io-host.h"
#include "block/tool/io/io-verb.h"
#include "emu/io/services.h"
#include "emu/io/sync.h"

namespace rhea::block {

class IoLines;

// What the command line asks for.
struct IoArguments {
  bool help = false;
  bool version = false;
  IoOpening image;                    // opened at the start where it has a name
  std::vector<std::string> commands;  // -c; without any, lines are read
};

// Error: an unknown option with the nearest as candidates, a missing value, too many words.
Result<IoArguments> readIoArguments(std::span<const std::string_view> words);
std::string ioUsage();

class IoProgram final : public IoHost {
 public:
  IoProgram(Loop& loop, const Services& services);
  ~IoProgram() override;

  // `prompt`: "rhea-io> ". Gives the exit status: 0, or 1 where a line failed.
  Task<int> run(IoArguments arguments, IoLines& lines, std::string prompt);

  Task<Result<void>> open(IoOpening wish) override;
  Task<Result<void>> close() override;
  Task<Result<void>> reopen(IoReopening wish) override;
  void quit() override { quits_ = true; }
  void begin(Task<Result<IoOutcome>> request) override;
  Task<void> settle() override { return background_.join(); }

 private:
  class Observer;
  Task<void> runLine(std::string line);
  Task<void> follow(Task<Result<IoOutcome>> request);
  Task<Result<void>> openNow(IoOpening wish);
  // Shows what came of a line.
  void tell(const Result<IoOutcome>& outcome);
  void fail(const Error& error);

  std::unique_ptr<Observer> observer_;
  DriverRegistry drivers_;
  BlockGraph graph_;
  DiskPtr disk_;
  IoOpening opened_;
  TaskGroup background_;
  bool quits_ = false;
  bool failed_ = false;
};

}  // namespace rhea::block
