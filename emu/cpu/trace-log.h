// TraceLog: what -d asks to be told about guest code, written to the file of -D or to standard error. Slow by nature:
// whoever writes waits for the file.
//
//   if (trace.wants(TraceLog::kInterrupts)) [[unlikely]] trace.write("...\n");
//
// One for the program, passed by reference; any thread.
#pragma once

#include "emu/base/result.h"
#include "emu/io/fd.h"

namespace rhea::cpu {

class TraceLog {
 public:
  enum Item : std::uint32_t {
    kInterrupts = 1U << 0,
    kReset = 1U << 1,
    kUnimplemented = 1U << 2,
    kInAsm = 1U << 3,
    kOutAsm = 1U << 4,
    kExec = 1U << 5,
    kCpu = 1U << 6,
    kNoChain = 1U << 7,
    kTurns = 1U << 8,
    // Every block is to be seen: none goes on to the next by itself.
    kEachBlock = kExec | kCpu | kNoChain,
  };
  struct Named {
    std::string_view name;
    std::uint32_t items;
    std::string_view doc;
  };
  static std::span<const Named> known();
  static std::string help();

  struct Range {
    std::uint64_t first, last;
  };
  struct Settings {
    std::uint32_t items = 0;
    std::vector<Range> ranges;  // of guest addresses; none: all
    std::string file;           // empty: standard error
  };

  // "int,cpu_reset", "none", "all". Error: the unknown name, with the nearest ones.
  static Result<std::uint32_t> parseItems(std::string_view names);
  // "A..B" (both inclusive), "A+SIZE", "END-SIZE", separated by commas.
  static Result<std::vector<Range>> parseRanges(std::string_view text);

  TraceLog() = default;
  TraceLog(const TraceLog&) = delete;
  TraceLog& operator=(const TraceLog&) = delete;

  // Before anybody writes. May block. Error: the file cannot be opened, by its name.
  Result<void> configure(const Settings& settings);
  // Empties the file and goes on there; %d in the name is the process's number. May block.
  Result<void> openFile(std::string name);

  void setItems(std::uint32_t items) { items_.store(items, std::memory_order_relaxed); }
  std::uint32_t items() const { return items_.load(std::memory_order_relaxed); }
  bool wants(std::uint32_t any) const { return (items() & any) != 0; }
  // Of code at a guest address, which the filter may leave out.
  bool wants(std::uint32_t any, std::uint64_t address) const { return wants(any) && inRanges(address); }
  void write(std::string_view lines);

 private:
  bool inRanges(std::uint64_t address) const;

  std::atomic<std::uint32_t> items_{0};
  std::vector<Range> ranges_;
  std::mutex mutex_;
  Fd file_;
};

}  // namespace rhea::cpu
