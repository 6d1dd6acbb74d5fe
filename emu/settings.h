// Settings: what the options say about the program and the machine as a whole, checked before anything is made.
#pragma once

#include "emu/base/base.h"
#include "emu/base/log.h"
#include "emu/cpu/trace-log.h"
#include "emu/machine/board.h"
#include "emu/machine/identity.h"
#include "emu/machine/pc-options.h"
#include "emu/object/command-line.h"

namespace rhea {

struct Settings {
  const machine::Board* board = nullptr;
  std::optional<machine::Accelerator> accelerator;  // as asked for; else the translator, where it can run
  std::optional<machine::PcOptions> pc;             // of a board with CPUs
  machine::Identity identity;
  Log::Settings log;
  cpu::TraceLog::Settings trace;
  std::optional<std::string> processName;
  std::optional<std::string> pidFile;
  std::optional<std::string> auditLog;
  std::chrono::milliseconds flushTime{};  // at the end, for the disks
  bool daemonize = false;
  bool startStopped = false;
  bool defaultMonitor = false;  // nothing else was asked for: the human monitor on the terminal
  bool defaultSerial = false;   // the same for the first serial port: it shares the terminal with that monitor
};

// Errors name the option, what exists, and have exit status 2.
Result<Settings> readSettings(const object::CommandLine& line);

}  // namespace rhea
