// rhea: composes everything; decides nothing.
#include <unistd.h>

#include <cstdio>

#include "block/command/throttle-object.h"
#include "emu/arguments.h"
#include "emu/daemon.h"
#include "emu/machine/chardev-objects.h"
#include "emu/mem/memory-backend.h"
#include "emu/object/iothread.h"
#include "emu/object/rng.h"
#include "emu/object/secret.h"
#include "emu/program.h"
#include "hw/devices.h"
#include "qapi/options.h"

namespace rhea {
namespace {

void addClasses(object::ClassTable& classes) {
  object::IoThread::addClass(classes);
  object::RngSource::addClasses(classes);
  object::Secret::addClass(classes);
  block::ThrottleGroupObject::addClass(classes);
  mem::MemoryBackend::addClasses(classes);
  machine::ChardevObjects::addClasses(classes);
  machine::addBoardClasses(classes);
  hw::addDeviceClasses(classes);
}

Result<int> runRhea(std::span<const std::string_view> words, Log& log) {
  object::ClassTable classes;
  addClasses(classes);
  RHEA_TRY(object::CommandLine line, readArguments(qapi::options(), words));
  if (const std::optional<std::string> answer = answerQuestions(line, classes)) {
    return std::fputs(answer->c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 1 : 0;
  }
  RHEA_TRY(Settings settings, readSettings(line));
  log.configure(settings.log);
  const bool daemonize = settings.daemonize;
  Program::Given given(line, std::move(settings), classes);
  if (daemonize) {
    log.flush();  // the writing thread would not come along
    RHEA_TRY(given.daemon, Daemon::start());
  }
  RHEA_TRY(const std::unique_ptr<Program> program, Program::create(std::move(given), log));
  return program->run();
}

}  // namespace
}  // namespace rhea

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  rhea::Log log;
  rhea::Result<int> status = rhea::runRhea(words, log);
  if (status.ok()) return *status;
  log.error(status.error());
  log.flush();
  return status.error().exitCode();
}
