#include "emu/settings.h"

#include <charconv>

#include "config.h"

namespace rhea {

namespace {

using object::CommandLine;

constexpr int kUsage = 2;  // exit status

bool flagOf(const Keyval& pairs, std::string_view key, bool initial) {
  const Keyval::Entry* entry = pairs.find(key);
  if (entry == nullptr) return initial;
  return entry->value == "on" || entry->value == "yes" || entry->value == "true";
}

// Options for parts that a machine does not have, where `none` is the truth.
Result<void> checkAbsentParts(const CommandLine& line, const machine::Board& board) {
  for (const std::string_view option : {"serial", "parallel", "vga"}) {
    if (option == "serial" && board.mostCpus != 0) continue;
    for (const object::Given* given : line.all(option)) {
      if (given->text == "none") continue;
      return Error(
                 fmt::format("{} {}: the machine `{}` has nothing of the kind", given->origin, given->text, board.name))
          .expected("none")
          .withExitCode(kUsage);
    }
  }
  return success();
}

Result<void> checkDisplay(const CommandLine& line) {
  const std::optional<std::string> display = line.word("display");
  if (!display || *display == "none") return success();
  const std::string_view kind = std::string_view(*display).substr(0, display->find(','));
  Error error(fmt::format("-display {}: there is no such display in this version", *display));
  if (kind == "sdl") {
    error = Error(RHEA_HAVE_SDL ? "-display sdl: no machine with a screen exists yet; this build has SDL2 for it"
                                : "-display sdl: this build is without SDL2, and no machine with a screen exists yet");
  }
  return std::move(error).expected("none").withExitCode(kUsage);
}

Result<void> checkMachine(const CommandLine& line, Settings& settings) {
  const Keyval machine = line.merged("machine");
  Result<const machine::Board*> board = machine::chooseBoard(machine);
  if (!board.ok()) return board.takeError().context(fmt::format("-machine {}", line.last("machine")->written));
  settings.board = *board;
  std::vector<std::string> accelerators;
  if (const Keyval::Entry* entry = machine.find("accel"); entry != nullptr) accelerators.push_back(entry->value);
  for (const object::Given* given : line.all("accel")) {
    if (const Keyval::Entry* entry = given->pairs.find("accel"); entry != nullptr) accelerators.push_back(entry->value);
  }
  // Several -accel are one list. The first of its names that this build has is taken.
  std::optional<machine::Accelerator> chosen;
  for (const std::string& names : accelerators) {
    Result<machine::Accelerator> known = machine::chooseAccelerator(names, *settings.board);
    if (!known.ok()) return known.takeError().context("-accel");
    if (!chosen) chosen = *known;
  }
  settings.accelerator = chosen;
  return success();
}

Result<std::chrono::milliseconds> readFlushTime(const CommandLine& line) {
  const std::string text = line.word("quit-timeout").value_or("30");
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr unsigned kMost = 86400;
  if (error == std::errc() && end == text.data() + text.size() && seconds <= kMost)
    return std::chrono::seconds(seconds);
  return Error(fmt::format("-quit-timeout {}: no number of seconds", text))
      .expected(fmt::format("0 to {}", kMost))
      .withExitCode(kUsage);
}

Result<Log::Settings> readLog(const CommandLine& line, const std::string& guest) {
  Log::Settings log;
  const std::string format = line.word("log-format").value_or("human");
  if (format != "human" && format != "json") {
    return Error(fmt::format("--log-format={}: there is no such format", format))
        .expected("human or json")
        .withExitCode(kUsage);
  }
  log.json = format == "json";
  const Keyval message = line.merged("msg");
  log.timestamps = flagOf(message, "timestamp", false);
  if (flagOf(message, "guest-name", false)) log.guest = guest;
  return log;
}

// -d, -D and -dfilter.
Result<cpu::TraceLog::Settings> readTrace(const CommandLine& line) {
  cpu::TraceLog::Settings trace;
  Result<std::uint32_t> items = cpu::TraceLog::parseItems(line.word("d").value_or(""));
  if (!items.ok()) return items.takeError().context("-d").hint("-d help lists them").withExitCode(kUsage);
  trace.items = *items;
  Result<std::vector<cpu::TraceLog::Range>> ranges = cpu::TraceLog::parseRanges(line.word("dfilter").value_or(""));
  if (!ranges.ok()) return ranges.takeError().context("-dfilter").withExitCode(kUsage);
  trace.ranges = *std::move(ranges);
  trace.file = line.word("D").value_or("");
  return trace;
}

// A port on the terminal leaves no room for a monitor of its own there; on mon:stdio it brings one.
bool serialTakesTerminal(const CommandLine& line) {
  for (const object::Given* given : line.all("serial")) {
    if (given->text.find("stdio") != std::string::npos || given->text.starts_with("mon:")) return true;
  }
  return false;
}

}  // namespace

Result<Settings> readSettings(const CommandLine& line) {
  Settings settings;
  RHEA_CHECK(checkMachine(line, settings));
  RHEA_CHECK(checkDisplay(line));
  RHEA_CHECK(checkAbsentParts(line, *settings.board));
  if (settings.board->mostCpus != 0) {
    RHEA_TRY(settings.pc, machine::readPcOptions(line));
    settings.pc->translate = settings.accelerator != machine::Accelerator::kInterpreter;
    settings.pc->translateAsked = settings.accelerator.has_value();
  } else {
    RHEA_CHECK(machine::refusePcOptions(line, settings.board->name));
  }
  const Keyval name = line.merged("name");
  if (const Keyval::Entry* guest = name.find("guest"); guest != nullptr) settings.identity.name = guest->value;
  if (const Keyval::Entry* process = name.find("process"); process != nullptr) settings.processName = process->value;
  if (const std::optional<std::string> uuid = line.word("uuid")) {
    Result<std::string> read = machine::readUuid(*uuid);
    if (!read.ok()) return read.takeError().context("-uuid");
    settings.identity.uuid = *std::move(read);
  }
  RHEA_TRY(settings.log, readLog(line, settings.identity.name));
  RHEA_TRY(settings.trace, readTrace(line));
  RHEA_TRY(settings.flushTime, readFlushTime(line));
  settings.pidFile = line.word("pidfile");
  settings.auditLog = line.word("audit-log");
  settings.daemonize = line.has("daemonize");
  settings.startStopped = line.has("S");
  settings.defaultMonitor = !line.has("nodefaults") && !line.has("monitor") && !line.has("mon") && !line.has("qmp") &&
                            !line.has("qmp-pretty") && !settings.daemonize && !serialTakesTerminal(line);
  settings.defaultSerial = settings.pc && !line.has("nodefaults") && !line.has("serial") &&
                           (settings.defaultMonitor || (line.has("nographic") && !settings.daemonize));
  return settings;
}

}  // namespace rhea
