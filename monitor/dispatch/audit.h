// The audit log: who changed what, when, how long it took, and how it ended. One JSON object a line.
//
//   {"time": "2026-11-22T05:43:33.012345Z", "session": "qmp0#3", "who": "pid 4711 (virsh) uid 0",
//    "command": "block_resize", "arguments": {...}, "duration-us": 812, "result": "done"}
//
// Secrets stand as "(secret)". Lines are appended by a worker thread: a log on a dead file system stops nobody.
#pragma once

#include "emu/base/base.h"
#include "emu/base/json.h"
#include "emu/base/log.h"
#include "emu/io/command-context.h"
#include "emu/io/command.h"
#include "emu/io/file-sink.h"
#include "emu/io/offload.h"

namespace rhea::monitor {

class AuditLog {
 public:
  struct Line {
    const CommandInfo& command;
    const Peer& peer;
    json::View arguments;  // null: none
    Duration duration;
    const Error* error = nullptr;  // null: it succeeded
    std::string operation = {};    // its id where the client was answered at the deadline
    bool goesOn = false;           // it has not ended
  };

  // Into the program's log, at its debug level.
  explicit AuditLog(Log& log) : log_(&log) {}
  // Appended to a file, made with mode 0600. Error: what the host says. May block: called before the loop runs.
  static Result<std::unique_ptr<AuditLog>> open(const std::string& path, WorkerPool& workers);
  ~AuditLog();  // waits up to a second for what is queued
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void write(const Line& line);
  // One line as it is written, without its end; `arguments` redacted.
  static json::Text render(const Line& line);

 private:
  AuditLog(std::shared_ptr<FileSink> file, WorkerPool& workers) : file_(std::move(file)), workers_(&workers) {}

  Log* log_ = nullptr;  // or
  std::shared_ptr<FileSink> file_;
  std::uint64_t lost_ = 0;  // lines, not told yet
  WorkerPool* workers_ = nullptr;
};

}  // namespace rhea::monitor
