// PerfMap: /tmp/perf-PID.map, by which perf knows code that was made while the program runs. A line for each piece; one
// that lies where an older one lay is written again, and perf takes the later.
#pragma once

#include "emu/base/result.h"
#include "emu/io/fd.h"

namespace rhea::cpu {

class PerfMap {
 public:
  // Error: the file cannot be made.
  static Result<std::unique_ptr<PerfMap>> create();

  // Any thread.
  void add(std::uint64_t address, std::size_t size, std::string_view name);

 private:
  explicit PerfMap(Fd file) : file_(std::move(file)) {}

  std::mutex mutex_;
  Fd file_;
};

}  // namespace rhea::cpu
