// Dispatcher: the one way in which monitor commands run, whoever asks: QMP sessions, the human monitor, start-up.
//
// It looks the command up, checks the caller's role, keeps its deadline, lists it as running and writes the audit log.
// Belongs to the main loop.
#pragma once

#include "emu/base/base.h"
#include "emu/base/json.h"
#include "emu/io/command.h"
#include "emu/io/loop.h"
#include "emu/io/running-commands.h"
#include "monitor/dispatch/audit.h"

namespace rhea::monitor {

// On whose behalf a command runs.
struct Caller {
  Caller() = default;
  explicit Caller(Peer thePeer, std::shared_ptr<SessionFds> theFds = nullptr)
      : peer(std::move(thePeer)), fds(std::move(theFds)) {}
  Peer peer;
  std::shared_ptr<SessionFds> fds;  // null: no descriptors can come
};

class Dispatcher {
 public:
  // How a command ended for its caller.
  struct Outcome {
    explicit Outcome(Result<json::Text> theResult) : result(std::move(theResult)) {}
    Result<json::Text> result;  // what stands under "return"
    std::string operation;      // the deadline came, and the work goes on under this id
  };
  // Called exactly once, on the main loop, from start() itself where the command completes at once.
  using Done = std::function<void(Outcome outcome)>;

  struct Call {
    Call(const CommandEntry& theEntry, json::Value theArguments)
        : entry(theEntry), arguments(std::move(theArguments)) {}
    const CommandEntry& entry;
    json::Value arguments;            // an object or null
    std::optional<Duration> timeout;  // the client's own; else the command's
  };

  // `table` is sorted by name. All of them outlive the dispatcher.
  Dispatcher(Loop& loop, const Services& services, EventSink& events, std::span<const CommandEntry> table);

  void setAudit(AuditLog* audit) { audit_ = audit; }
  // Before the machine is made only commands that the schema marks so are run.
  void setPreconfig(bool preconfig) { preconfig_ = preconfig; }
  RunningCommands& running() { return running_; }
  std::span<const CommandEntry> table() const { return table_; }
  Loop& loop() const { return loop_; }

  // Null where there is none.
  const CommandEntry* find(std::string_view name) const;
  // With the error that names the nearest commands (CommandNotFound).
  Result<const CommandEntry*> lookUp(std::string_view name) const;

  // Checks role and state, then runs. What is refused was not run at all.
  void start(std::shared_ptr<const Caller> caller, Call call, Done done);
  // The same for callers inside: gives what stands under "return".
  Task<Result<json::Text>> execute(std::shared_ptr<const Caller> caller, std::string name, json::Value arguments);
  // The same for an entry of another table: a human-command.
  Task<Result<json::Text>> execute(std::shared_ptr<const Caller> caller, const CommandEntry& entry,
                                   json::Value arguments);
  // A context for bodies that are no QMP commands (human-commands).
  CommandContext contextFor(const Caller& caller) const;

 private:
  struct Job;
  Result<void> check(const Caller& caller, const CommandInfo& info) const;
  static Detached run(std::shared_ptr<Job> job);
  void ended(const std::shared_ptr<Job>& job, Result<json::Text> result);
  void deadlinePassed(const std::shared_ptr<Job>& job);
  void goesOn(const std::shared_ptr<Job>& job);
  void tellOperation(const Job& job, const Result<json::Text>& result);
  void audit(const Job& job, const Error* error, bool goesOn = false) const;

  Loop& loop_;
  const Services& services_;
  EventSink& events_;
  std::span<const CommandEntry> table_;
  AuditLog* audit_ = nullptr;
  bool preconfig_ = false;
  std::uint64_t operations_ = 0;
  RunningCommands running_;
};

// {"class": .., "desc": ..} with where, expected, candidates and hint where they are there.
void writeError(json::Writer& to, const Error& error, std::string_view operation = {});

}  // namespace rhea::monitor
