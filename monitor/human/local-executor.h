// LocalExecutor: runs a human session's commands in this process, on behalf of its caller: with its role, in the audit
// log, listed by query-stuck, as if the caller had sent them over QMP.
#pragma once

#include "monitor/dispatch/dispatcher.h"
#include "monitor/human/executor.h"

namespace rhea::monitor {

class LocalExecutor final : public Executor {
 public:
  LocalExecutor(Dispatcher& dispatcher, std::shared_ptr<const Caller> caller)
      : dispatcher_(dispatcher), caller_(std::move(caller)) {}

  Task<Result<json::Text>> execute(std::string command, json::Text arguments) override;
  Task<Result<HumanOutput>> executeHuman(std::string command, json::Text arguments, std::string line) override;

 private:
  Dispatcher& dispatcher_;
  std::shared_ptr<const Caller> caller_;
};

}  // namespace rhea::monitor
