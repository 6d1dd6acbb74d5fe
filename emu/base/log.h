// Log: what the program tells its operator on standard error, never in the way of what it does.
//
// A message is put into a bounded queue and written by a thread of its own, which exists only while there is something
// to write: a reader that stops (a full pipe, a stopped terminal) blocks nobody, and what it makes fall out of the
// queue is counted and told. The same message again and again is written a few times, then counted.
//
//   log.warning("the image '{}' grows", name);        // rhea: warning: the image ...
//   log.error(error);                                 // with where, expected, candidates and hint
//
// Passed by reference from main; there is no global one.
#pragma once

#include "emu/base/base.h"

namespace rhea {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };
std::string_view toString(LogLevel level);  // "debug", "info", "warning", "error"
Result<LogLevel> parseLogLevel(std::string_view name);

class Log {
 public:
  struct Settings {
    Settings() {}
    int fd = 2;
    std::string program = "rhea";
    std::string guest;        // shown as rhea[GUEST]; -msg guest-name=on and -name
    bool timestamps = false;  // -msg timestamp=on; JSON always has one
    bool json = false;        // --log-format=json: one object per line
    LogLevel least = LogLevel::kInfo;
  };

  explicit Log(Settings settings = {});
  ~Log();  // waits up to a second for what is queued
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Any thread, for all of these.
  void configure(const Settings& settings);
  Settings settings() const;
  void write(LogLevel level, std::string text);
  void write(LogLevel level, const Error& error);
  template <class... Arguments>
  void debug(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    if (wants(LogLevel::kDebug)) write(LogLevel::kDebug, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  template <class... Arguments>
  void info(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    write(LogLevel::kInfo, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  template <class... Arguments>
  void warning(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    write(LogLevel::kWarning, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  template <class... Arguments>
  void error(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    write(LogLevel::kError, fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  void warning(const Error& error) { write(LogLevel::kWarning, error); }
  void error(const Error& error) { write(LogLevel::kError, error); }

  bool wants(LogLevel level) const;
  // Waits until all is written and the thread has ended, or until `patience` is over; then it is false. Before fork()
  // and before the process ends.
  bool flush(std::chrono::milliseconds patience = std::chrono::seconds(1));
  std::uint64_t dropped() const;  // messages that fell out of the queue since the start

 private:
  struct Impl;
  void enqueue(LogLevel level, std::string text, std::optional<Error> error);
  std::shared_ptr<Impl> impl_;
};

}  // namespace rhea
