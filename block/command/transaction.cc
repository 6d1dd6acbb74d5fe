// Body: transaction. Actions are prepared in order and then take effect together; a failure undoes those before it.
#include "block/command/support.h"
#include "qapi/commands-transaction.h"

namespace rhea {

namespace block {

namespace {

// One prepared action; destroyed without commit() it leaves everything as it was.
class Action {
 public:
  virtual ~Action() = default;
  virtual Task<Result<void>> prepare() = 0;
  virtual void commit() = 0;
};

// Always fails: for trying whether a transaction is undone.
class AbortAction final : public Action {
 public:
  Task<Result<void>> prepare() override { co_return Error("the action abort asked for it"); }
  void commit() override {}
};

std::unique_ptr<Action> makeAction(const qapi::TransactionAction& action) {
  switch (action.type) {
    case qapi::TransactionActionKind::abort:
      return std::make_unique<AbortAction>();
  }
  std::terminate();
}

}  // namespace

}  // namespace block

Task<Result<void>> Command<qapi::Transaction>::run(CommandContext, qapi::Transaction arguments) {
  std::vector<std::unique_ptr<block::Action>> prepared;
  for (const qapi::TransactionAction& described : arguments.actions) {
    std::unique_ptr<block::Action> action = block::makeAction(described);
    Result<void> outcome = co_await action->prepare();
    if (!outcome) {
      const std::string place = fmt::format("arguments.actions[{}]", prepared.size());
      co_return outcome.takeError().context(fmt::format("action {}", toString(described.type))).where(place);
    }
    prepared.push_back(std::move(action));
  }
  for (const std::unique_ptr<block::Action>& action : prepared) action->commit();
  co_return success();
}

}  // namespace rhea
