// One verb of the io language: its switches, its usage and its body; and what the bodies share.
#pragma once

#include <sys/uio.h>

#include "block/tool/io/io-command.h"

namespace rhea::block {

// A line taken apart by its verb's switches.
struct IoCall {
  std::string verb;
  std::map<char, std::string> switches;  // letter to its value, "" for one that takes none
  std::vector<std::string> words;

  bool has(char letter) const { return switches.contains(letter); }
  // Errors name the switch or word.
  Result<std::uint64_t> sizeOf(char letter, std::uint64_t otherwise) const;
  Result<std::uint64_t> size(std::size_t word, std::string_view what) const;
};

// What a verb came to. `text` is all that is to be shown, `error` says that it failed nevertheless.
struct IoOutcome {
  IoOutcome(std::string shown) : text(std::move(shown)) {}  // NOLINT: implicit on purpose
  std::string text;
  std::optional<Error> error;
};

// Where a verb makes sense.
enum class IoPlace : std::uint8_t {
  kDisk,      // on a disk
  kAnywhere,  // needs none
  kProgram,   // in rhea-io, which opens and closes its image itself
};

struct IoVerb {
  std::string_view name;
  std::string_view alias;    // "r"; may be empty
  std::string_view letters;  // as for getopt: "qvP:"
  std::size_t leastWords;
  std::size_t mostWords;
  std::string_view usage;  // "read [-qv] [-P pattern] offset length"
  std::string_view doc;
  Task<Result<IoOutcome>> (*run)(IoTarget target, IoCall call);
  IoPlace place = IoPlace::kDisk;
};

std::span<const IoVerb> ioVerbTable();

// Bodies, by file.
Task<Result<IoOutcome>> ioRead(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioWrite(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioReadVector(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioWriteVector(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioAioRead(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioAioWrite(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioAioFlush(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioFlush(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioDiscard(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioMap(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioAlloc(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioLength(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioInfo(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioTruncate(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioSleep(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioLoad(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioBreak(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioResume(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioWaitBreak(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioOpen(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioClose(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioReopen(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioQuit(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioAbort(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioRaise(IoTarget target, IoCall call);
Task<Result<IoOutcome>> ioHelp(IoTarget target, IoCall call);

// Page-aligned memory: what direct I/O takes without a bounce buffer.
class IoMemory {
 public:
  IoMemory(std::size_t size, std::uint8_t fill);
  std::span<std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte[], Free> data_;
  std::size_t size_;
};

// "4 KiB", "1.500 MiB", "512 bytes", as the classic tool writes them.
std::string classicSize(double bytes);

// The two lines behind a request: "read 4096/4096 bytes at offset 0", and the rates; one line of numbers with -C,
// nothing with -q.
struct IoReport {
  IoReport(const IoCall& theCall, std::string_view what, Extent where)
      : call(theCall), operation(what), at(where), began(Clock::now()) {}
  std::string text() const;
  const IoCall& call;
  std::string_view operation;
  Extent at;
  TimePoint began;
};

// "read failed: Input/output error".
IoOutcome ioFailed(std::string_view operation, const Error& why);
// Sixteen bytes a line, in hex and as letters, with offsets from `first`.
std::string hexDump(std::span<const std::byte> bytes, std::uint64_t first);

}  // namespace rhea::block
