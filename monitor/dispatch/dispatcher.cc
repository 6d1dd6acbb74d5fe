#include "monitor/dispatch/dispatcher.h"

#include "emu/base/json-writer.h"
#include "emu/base/names.h"

namespace rhea::monitor {

namespace {

using namespace std::chrono_literals;

// What has been told to end has this long to say that it did before its client is told that it goes on.
constexpr Duration kGrace = 20ms;

constexpr EventInfo kOperationCompleted{"OPERATION_COMPLETED", 0ms};

std::string secondsText(Duration duration) {
  return fmt::format("{:g} s", std::chrono::duration<double>(duration).count());
}

// A command that execute() waits for.
struct InnerCall {
  struct Awaiter {
    explicit Awaiter(InnerCall& theCall) : call(theCall) {}
    bool await_ready() const noexcept { return call.outcome.has_value(); }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { call.waiter = handle; }
    void await_resume() const noexcept {}
    InnerCall& call;
  };
  std::optional<Dispatcher::Outcome> outcome;
  std::coroutine_handle<> waiter;
};

}  // namespace

// A command under way. Shared by its coroutine and its timer.
struct Dispatcher::Job {
  Job(Dispatcher& theDispatcher, Call theCall, std::shared_ptr<CommandContext::State> state, Done theDone)
      : dispatcher(theDispatcher),
        entry(theCall.entry),
        arguments(std::move(theCall.arguments)),
        timeout(theCall.timeout),
        context(std::move(state)),
        done(std::move(theDone)) {}

  Dispatcher& dispatcher;
  const CommandEntry& entry;
  json::Value arguments;
  std::optional<Duration> timeout;
  CommandContext context;
  Done done;  // empty once the client was answered
  RunningCommands::Entry row;
  std::optional<CancelSource> cancel;  // where there is a deadline
  std::unique_ptr<Loop::Watch> timer;
  bool late = false;
};

Dispatcher::Dispatcher(Loop& loop, const Services& services, EventSink& events, std::span<const CommandEntry> table)
    : loop_(loop), services_(services), events_(events), table_(table) {}

const CommandEntry* Dispatcher::find(std::string_view name) const {
  const auto nameOf = [](const CommandEntry& entry) { return entry.info->name; };
  const auto found = std::ranges::lower_bound(table_, name, std::less<>(), nameOf);
  return found != table_.end() && nameOf(*found) == name ? &*found : nullptr;
}

Result<const CommandEntry*> Dispatcher::lookUp(std::string_view name) const {
  if (const CommandEntry* entry = find(name)) return entry;
  std::vector<std::string_view> names;
  for (const CommandEntry& entry : table_) names.push_back(entry.info->name);
  std::vector<std::string> near = nearestNames(name, names);
  std::string hint = near.empty() ? "query-commands lists what there is" : fmt::format("did you mean '{}'?", near[0]);
  return Error(ErrorClass::kCommandNotFound, fmt::format("there is no command '{}'", name.substr(0, 80)))
      .candidates(std::move(near))
      .hint(std::move(hint));
}

Result<void> Dispatcher::check(const Caller& caller, const CommandInfo& info) const {
  if (info.effect == Effect::kChange && !caller.peer.mayChange) {
    return Error(fmt::format("'{}' changes something, and this client may only read", info.name))
        .hint("connect to a monitor without role=read-only");
  }
  if (preconfig_ && !info.allowPreconfig) {
    return Error(fmt::format("'{}' is not possible before the machine is made", info.name));
  }
  return success();
}

CommandContext Dispatcher::contextFor(const Caller& caller) const {
  auto state = std::make_shared<CommandContext::State>(services_, events_);
  state->peer = caller.peer;
  state->fds = caller.fds;
  return CommandContext(std::move(state));
}

void Dispatcher::start(std::shared_ptr<const Caller> caller, Call call, Done done) {
  const CommandInfo& info = *call.entry.info;
  if (Result<void> allowed = check(*caller, info); !allowed.ok()) {
    return done(Outcome(Result<json::Text>(allowed.takeError())));
  }
  if (!call.timeout && info.deadline > 0s) call.timeout = info.deadline;
  auto state = std::make_shared<CommandContext::State>(services_, events_);
  state->peer = caller->peer;
  state->fds = caller->fds;
  auto job = std::make_shared<Job>(*this, std::move(call), state, std::move(done));
  job->row.command = info.name;
  job->row.context = &job->context;
  job->row.since = Clock::now();
  if (job->timeout) {
    job->cancel.emplace();
    state->deadline = job->row.since + *job->timeout;
    state->cancel = job->cancel->token();
  }
  running_.add(job->row);
  run(job);
  // Most commands have ended by now; a timer costs more than they do.
  if (job->done && job->timeout) {
    job->timer = loop_.timer(*job->timeout, [this, weak = std::weak_ptr(job)] {
      if (const auto late = weak.lock()) deadlinePassed(late);
    });
  }
}

Detached Dispatcher::run(std::shared_ptr<Job> job) {
  Result<json::Text> result = co_await job->entry.invoke(job->context, job->arguments);
  co_await job->dispatcher.loop_.enter();
  job->dispatcher.ended(job, std::move(result));
}

void Dispatcher::ended(const std::shared_ptr<Job>& job, Result<json::Text> result) {
  RunningCommands::remove(job->row);
  job->timer.reset();
  if (job->entry.info->effect == Effect::kChange) audit(*job, result.ok() ? nullptr : &result.error());
  if (!job->done) return tellOperation(*job, result);
  if (job->late && !result.ok()) {
    std::string message = fmt::format("'{}' was given up after {}: {}", job->entry.info->name,
                                      secondsText(*job->timeout), result.error().message());
    Error told = Error(result.error().errorClass(), std::move(message));
    if (const std::string what = job->context.waitingFor(); !what.empty()) {
      told = std::move(told).where("waiting for " + what);
    }
    result = std::move(told).hint(
        "nothing of it takes effect; give a longer timeout, or look for what hangs with query-stuck");
  }
  std::exchange(job->done, nullptr)(Outcome(std::move(result)));
}

void Dispatcher::deadlinePassed(const std::shared_ptr<Job>& job) {
  job->late = true;
  job->timer = loop_.timer(kGrace, [this, weak = std::weak_ptr(job)] {
    if (const auto late = weak.lock()) goesOn(late);
  });
  // The body may end inside this call, and the job with it.
  const CancelSource cancel = *job->cancel;
  cancel.cancel(Error(fmt::format("the deadline of {} has passed", secondsText(*job->timeout))));
}

void Dispatcher::goesOn(const std::shared_ptr<Job>& job) {
  job->timer.reset();
  job->row.operation = fmt::format("operation-{}", ++operations_);
  const std::string what = job->context.waitingFor();
  const std::string waiting = what.empty() ? "" : ", waiting for " + what;
  Outcome outcome(
      Result<json::Text>(Error(fmt::format("'{}' has not ended within {}{}; it goes on as {}", job->entry.info->name,
                                           secondsText(*job->timeout), waiting, job->row.operation))
                             .hint(fmt::format("query-stuck lists {0}, the event OPERATION_COMPLETED tells how it ends",
                                               job->row.operation))));
  outcome.operation = job->row.operation;
  if (job->entry.info->effect == Effect::kChange) audit(*job, nullptr, true);
  std::exchange(job->done, nullptr)(std::move(outcome));
}

void Dispatcher::tellOperation(const Job& job, const Result<json::Text>& result) {
  const auto duration = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - job.row.since);
  json::Writer writer;
  writer.beginObject();
  writer.member("operation", std::string_view(job.row.operation));
  writer.member("command", job.entry.info->name);
  writer.member("duration-us", duration.count());
  if (result.ok()) {
    writer.key("result");
    writer.raw(*result);
  } else {
    writer.key("error");
    writeError(writer, result.error());
  }
  writer.endObject();
  events_.emit(kOperationCompleted, writer.take(), {});
}

void Dispatcher::audit(const Job& job, const Error* error, bool goesOn) const {
  if (audit_ == nullptr) return;
  AuditLog::Line line{*job.entry.info, job.context.peer(), job.arguments, Clock::now() - job.row.since};
  line.error = error;
  line.operation = job.row.operation;
  line.goesOn = goesOn;
  audit_->write(line);
}

Task<Result<json::Text>> Dispatcher::execute(std::shared_ptr<const Caller> caller, std::string name,
                                             json::Value arguments) {
  RHEA_CO_TRY(const CommandEntry* entry, lookUp(name));
  co_return co_await execute(std::move(caller), *entry, std::move(arguments));
}

Task<Result<json::Text>> Dispatcher::execute(std::shared_ptr<const Caller> caller, const CommandEntry& entry,
                                             json::Value arguments) {
  const auto call = std::make_shared<InnerCall>();
  Done done = [call](Outcome outcome) {
    call->outcome.emplace(std::move(outcome));
    if (call->waiter) call->waiter.resume();
  };
  start(std::move(caller), Call(entry, std::move(arguments)), std::move(done));
  // By its own name and not as *call: GCC 12 awaits a copy of what it is given as an expression.
  InnerCall::Awaiter ended(*call);
  co_await ended;
  co_return std::move(call->outcome->result);
}

namespace {

// What clients quote can be as long as a message.
std::string clipped(std::string_view text) {
  constexpr std::size_t kLongest = 4096;
  if (text.size() <= kLongest) return std::string(text);
  std::size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return fmt::format("{}... ({} bytes)", text.substr(0, end), text.size());
}

}  // namespace

void writeError(json::Writer& to, const Error& error, std::string_view operation) {
  to.beginObject();
  to.member("class", toString(error.errorClass()));
  to.member("desc", std::string_view(clipped(error.message())));
  if (!error.whereText().empty()) to.member("where", std::string_view(clipped(error.whereText())));
  if (!error.expectedText().empty()) to.member("expected", error.expectedText());
  if (!error.candidateNames().empty()) {
    to.key("candidates");
    to.beginArray();
    for (const std::string& name : error.candidateNames()) to.string(name);
    to.endArray();
  }
  if (!error.hintText().empty()) to.member("hint", error.hintText());
  if (!operation.empty()) to.member("operation", operation);
  to.endObject();
}

}  // namespace rhea::monitor
