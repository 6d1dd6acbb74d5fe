// QmpClient: the client's side of a QMP session, over a unix or TCP socket, for rhea-shell.
#pragma once

#include "emu/base/json-framer.h"
#include "emu/io/fd.h"
#include "emu/io/loop.h"
#include "emu/io/sync.h"
#include "monitor/human/executor.h"

namespace rhea::monitor {

class QmpClient final : public Executor {
 public:
  struct Callbacks {
    std::function<void(json::Value event)> onEvent;
    std::function<void(std::string reason)> onClosed;  // once, when the other side went or spoke nonsense
  };

  // Connects, reads the greeting and negotiates. `address`: a path, "unix:PATH" or "tcp:HOST:PORT".
  // Errors: nobody listens there; what answers is no QMP server; `patience` ran out.
  static Task<Result<std::unique_ptr<QmpClient>>> connect(Loop& loop, std::string address, Duration patience);
  ~QmpClient() override;

  void setCallbacks(Callbacks callbacks) { callbacks_ = std::move(callbacks); }

  Task<Result<json::Text>> execute(std::string command, json::Text arguments) override;
  // Runs the line over there, by human-monitor-command.
  Task<Result<HumanOutput>> executeHuman(std::string command, json::Text arguments, std::string line) override;

 private:
  struct Pending {
    Event done;
    Result<json::Text> reply = json::Text();
  };

  QmpClient(Loop& loop, Fd fd) : loop_(loop), fd_(std::move(fd)) {}
  void start();
  void readable();
  void writable();
  void received(json::Value message);
  void send(std::string_view text);
  void fail(std::string reason);

  Loop& loop_;
  Fd fd_;
  std::unique_ptr<Loop::Watch> readWatch_;
  std::unique_ptr<Loop::Watch> writeWatch_;
  json::Framer framer_;
  std::string output_;
  std::map<std::uint64_t, std::shared_ptr<Pending>> pending_;
  std::uint64_t lastId_ = 0;
  std::shared_ptr<Pending> greeting_ = std::make_shared<Pending>();
  std::optional<std::string> closed_;
  Callbacks callbacks_;
};

// The error of a QMP reply, with what it carries besides class and text.
Error errorOfReply(json::View error);

}  // namespace rhea::monitor
