// WriteLogReader: walks a write log in a file, entry by entry, for tools that rebuild what a power cut could leave.
// Blocking.
#pragma once

#include "block/driver/write-log/layout.h"
#include "emu/io/fd.h"

namespace rhea::block {

class WriteLogReader {
 public:
  struct Item {
    std::uint64_t index = 0;
    LogEntry entry;
    std::uint64_t offset = 0;  // bytes, on the device
    std::uint64_t length = 0;  // bytes
    std::uint64_t dataAt = 0;  // bytes, in the log
  };

  // Errors: cannot be opened, no log.
  static Result<WriteLogReader> open(const std::string& path);
  // A log in memory. Error: no log.
  static Result<WriteLogReader> over(std::vector<std::byte> log);

  const LogSuper& super() const { return super_; }
  // The next entry; empty after the last one that the super block counts. Error: the log is shorter than it says, or an
  // entry is longer than any device.
  Result<std::optional<Item>> next();
  void rewind();
  // The data of a write, `length` bytes.
  Result<std::vector<std::byte>> data(const Item& item) const;

 private:
  // Fills `to` with the log's bytes from an offset on.
  using Source = std::function<Result<void>(std::span<std::byte> to, std::uint64_t offset)>;
  WriteLogReader(Source source, LogSuper super, std::string name);
  static Result<WriteLogReader> begin(Source source, std::string name);
  Source source_;
  LogSuper super_;
  std::string name_;
  std::uint64_t index_ = 0;
  std::uint64_t at_ = 0;
};

}  // namespace rhea::block
