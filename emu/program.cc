#include "emu/program.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "block/command/graph-events.h"
#include "block/command/job-events.h"
#include "block/command/what-if.h"
#include "block/driver/table.h"
#include "emu/creation.h"
#include "emu/object/version.h"
#include "emu/service-manager.h"
#include "qapi/dispatch.h"

namespace rhea {

namespace {

using namespace std::chrono_literals;

constexpr auto kLastReplies = 500ms;  // for clients to take what was sent to them
constexpr auto kTeardown = 3s;        // for closing what was flushed

// Disks and sockets need descriptors; the soft limit is for programs that use select().
void raiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

machine::Ending::Settings endingSettings(const Settings& settings) {
  machine::Ending::Settings ending;
  ending.flushTime = settings.flushTime;
  ending.teardownTime = kTeardown;
  return ending;
}

std::string historyFile() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state != nullptr && *state == '/') return std::string(state) + "/rhea/history";
  if (home != nullptr && *home == '/') return std::string(home) + "/.local/state/rhea/history";
  return {};
}

}  // namespace

Result<std::unique_ptr<Program>> Program::create(Given given, Log& log) {
  raiseFileLimit();
  // A client that vanishes is an error of a write, not the end of the process.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a write beyond `ulimit -f` fails with EFBIG, like any other full disk
  if (given.settings.processName) ::prctl(PR_SET_NAME, given.settings.processName->c_str());
  auto workers = std::make_unique<WorkerPool>();
  RHEA_TRY(std::unique_ptr<Loop> loop, Loop::create("rhea", *workers));
  std::unique_ptr<Program> program(new Program(std::move(given), log, std::move(workers), std::move(loop)));
  if (program->given_.settings.auditLog) {
    RHEA_TRY(program->audit_, monitor::AuditLog::open(*program->given_.settings.auditLog, *program->workers_));
  } else {
    program->audit_ = std::make_unique<monitor::AuditLog>(log);
  }
  RHEA_CHECK(program->trace_.configure(program->given_.settings.trace));
  program->dispatcher_.setAudit(program->audit_.get());
  program->provideServices();
  program->watchSignals();
  return program;
}

Program::Program(Given given, Log& log, std::unique_ptr<WorkerPool> workers, std::unique_ptr<Loop> loop)
    : given_(std::move(given)),
      log_(log),
      workers_(std::move(workers)),
      loop_(std::move(loop)),
      events_(*loop_),
      fileEngine_(log),
      tree_(given_.classes, services_),
      chardevObjects_(tree_),
      runState_(*loop_, events_, given_.settings.startStopped),
      devices_(tree_, services_, *loop_, events_),
      disks_(runState_),
      ending_(*loop_, events_, log, endingSettings(given_.settings)),
      drivers_(block::allDrivers()),
      graphEvents_(std::make_unique<block::GraphEvents>(events_, log)),
      jobs_(*loop_),
      chardevs_(std::make_unique<chardev::ChardevTable>(*loop_, fdSets_)),
      dispatcher_(*loop_, services_, events_, qapi::commands()),
      qmp_(dispatcher_, events_, clients_, qapi::toText(object::versionInfo())),
      human_(dispatcher_, clients_) {
  block::addWhatIfDrivers(drivers_);
  block::GraphContext context(*loop_, drivers_, services_, *graphEvents_);
  context.runState = &disks_;
  graph_ = std::make_unique<block::BlockGraph>(context);
  disks_.setGraph(*graph_);
  ending_.setRunState(&runState_);
  ending_.setData(&disks_);
  block::announceJobs(jobs_, events_);
  machine::makeMachine(*given_.settings.board, tree_);
  const std::string& name = given_.settings.identity.name;
  human_.greeting = fmt::format("rhea {}: help lists the commands{}\n", name.empty() ? "monitor" : name,
                                given_.settings.defaultMonitor ? ", Ctrl-A h the keys, Ctrl-A x ends it" : "");
  human_.historyFile = historyFile();
  human_.noColor = std::getenv("NO_COLOR") != nullptr;
  human_.log = &log_;
  chardev::MuxActions actions;
  actions.quit = [this] { ending_.request(qapi::ShutdownCause::hostQmpQuit); };
  actions.saveDisks = [this] {
    auto flush = [](machine::Disks& disks) -> Task<void> { static_cast<void>(co_await disks.flush(CancelToken())); };
    loop_->spawn(flush(disks_));
  };
  chardevs_->setMuxActions(std::move(actions));
  chardevs_->setObserver(chardevObjects_);
}

Program::~Program() = default;

void Program::provideServices() {
  services_.provide(log_);
  services_.provide(trace_);
  services_.provide(fdSets_);
  services_.provide(fileEngine_);
  services_.provide(given_.line);
  services_.provide(given_.settings.identity);
  services_.provide(tree_);
  services_.provide(runState_);
  services_.provide(networks_);
  services_.provide(devices_);
  services_.provide(migration_);
  services_.provide<object::ProgramEnd>(ending_);
  services_.provide(*graph_);
  services_.provide(jobs_);
  services_.provide(*chardevs_);
  services_.provide(clients_);
  services_.provide(dispatcher_);
  services_.provide(dispatcher_.running());
}

void Program::watchSignals() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    signals_.push_back(loop_->signal(number, [this] { ending_.request(qapi::ShutdownCause::hostSignal); }));
  }
}

Result<int> Program::run() {
  loop_->spawn(endWhenAsked());
  loop_->spawn(start());
  loop_->run();
  return *std::move(outcome_);
}

Task<void> Program::start() {
  Result<void> made = co_await makeEverything();
  if (ending_.requested()) co_return;  // endWhenAsked() has the word
  if (made.ok()) {
    started_ = true;
    if (given_.daemon) given_.daemon->ready();
    notifyServiceManager(fmt::format("READY=1\nMAINPID={}\nSTATUS=serving", ::getpid()));
    co_return;
  }
  outcome_ = made.takeError();
  if (!co_await closeEverything()) {
    log_.error(outcome_->error());
    leave(outcome_->error().exitCode());
  }
  notStarted_.cancel(Error("the program could not be started"));
}

Task<Result<void>> Program::makeEverything() {
  Creation creation(given_.line, *chardevs_);
  if (given_.settings.defaultMonitor) creation.wantDefaultMonitor();
  RHEA_CO_CHECK(creation.descriptors(fdSets_));
  RHEA_CO_CHECK(co_await creation.chardevs(!given_.daemon.has_value()));
  RHEA_CO_CHECK(co_await creation.objects(tree_));
  RHEA_CO_CHECK(co_await creation.disks(*graph_, log_));
  if (given_.settings.pc) {
    if (given_.settings.defaultSerial) creation.wantDefaultSerial();
    RHEA_CO_TRY(machine::Pc::Serials serials, co_await creation.serials());
    machine::Pc::Surroundings around(*loop_, tree_, services_, runState_, events_, ending_, log_, trace_);
    RHEA_CO_TRY(pc_, co_await machine::Pc::create(around, *given_.settings.pc, std::move(serials)));
    services_.provide(*pc_);
    disks_.setQuiesce([this]() -> Task<void> { co_await pc_->halt(); });
  }
  // vCPUs stop before disks are flushed.
  runState_.observe(disks_, object::RunState::Layer::kDisks);
  RHEA_CO_CHECK(co_await creation.networks(networks_, devices_));
  RHEA_CO_CHECK(co_await creation.devices(devices_));
  devices_.machineStarts();
  RHEA_CO_CHECK(co_await creation.monitors(monitors_, qmp_, human_));
  for (const std::string& socket : creation.unusedSockets()) {
    log_.warning("the socket '{}' of the service manager is used by no option; -qmp fd:{},server=on serves it", socket,
                 socket);
  }
  if (given_.settings.pidFile) {
    RHEA_CO_TRY(PidFile file, PidFile::create(*given_.settings.pidFile));
    pidFile_.emplace(std::move(file));
    ending_.setLastWords([this] { pidFile_->remove(); });
  }
  RHEA_CO_CHECK(co_await chardevs_->waitForClients(ending_.token()));
  if (pc_) RHEA_CO_CHECK(pc_->start());
  co_return success();
}

Task<void> Program::endWhenAsked() {
  if (const Result<void> asked = co_await ending_.asked(notStarted_.token()); !asked.ok()) {
    loop_->stop();
    co_return;
  }
  machine::Ending::Outcome ended = co_await ending_.wait();
  notifyServiceManager("STOPPING=1");
  if (!started_ || !ended.complete || !co_await closeEverything()) leave(ended.status);
  outcome_ = ended.status;
  loop_->stop();
}

Task<bool> Program::closeEverything() {
  if (pc_) co_await pc_->halt();
  chardevs_->drain(kLastReplies);
  monitors_.clear();
  if (!dispatcher_.running().list(Duration::zero()).empty()) co_return false;
  co_await jobs_.stop();
  const CancelSource giveUp;
  std::function<void()> expire = [&giveUp] { giveUp.cancel(Error("the time for closing the disks is over")); };
  const std::unique_ptr<Loop::Watch> timer = loop_->timer(kTeardown, expire);
  Result<void> removed = co_await devices_.removeAll(giveUp.token());
  if (!removed.ok()) co_return false;
  Result<void> closed = co_await graph_->shutdown(giveUp.token());
  if (!closed.ok()) co_return false;
  co_await tree_.removeAll();
  co_return true;
}

void Program::leave(int status) {
  chardevs_->drain(kLastReplies);
  monitors_.clear();
  chardevs_.reset();
  if (pidFile_) pidFile_->remove();
  dispatcher_.setAudit(nullptr);
  audit_.reset();  // waits for its last lines
  log_.flush();
  ::_exit(status);
}

}  // namespace rhea
