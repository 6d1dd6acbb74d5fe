#include "block/tool/img/session.h"

#include <csignal>
#include <cstdio>

#include "block/driver/table.h"
#include "emu/base/keyval.h"
#include "emu/base/visible-text.h"
#include "emu/io/offload.h"
#include "emu/object/secret.h"
#include "emu/object/tree.h"

namespace rhea::block {

// What the graph has to say goes to standard error.
class ImgSession::Observer final : public GraphObserver {
 public:
  explicit Observer(ImgSession& session) : session_(session) {}
  void note(const std::string& line) override { session_.warn(line); }
  void flushLatched(std::string_view nodeName, const std::string& why) override {
    session_.warn(fmt::format("node '{}' lost data that was written: {}", nodeName, why));
  }

 private:
  ImgSession& session_;
};

ImgSession::ImgSession(unsigned threads)
    : workers_(std::make_unique<WorkerPool>(threads, "rhea-img")),
      drivers_(allDrivers()),
      observer_(std::make_unique<Observer>(*this)) {}

ImgSession::~ImgSession() = default;

Result<std::unique_ptr<ImgSession>> ImgSession::create(const ImgCommand& command) {
  constexpr unsigned kThreads = 32;
  std::unique_ptr<ImgSession> session(new ImgSession(command.threads ? kThreads : 0));
  RHEA_TRY(session->loop_, Loop::create("rhea-img", *session->workers_));
  const GraphContext context(*session->loop_, session->drivers_, session->services_, *session->observer_);
  session->graph_ = std::make_unique<BlockGraph>(context);
  return session;
}

Result<int> ImgSession::run(const ImgCommand& command, ImgCall call) {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a write beyond `ulimit -f` fails with EFBIG, like any other full disk
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    const auto end = [this, number] {
      stop_.cancel(Error(fmt::format("ended by signal {}", number)).withExitCode(128 + number));
    };
    signals_.push_back(loop_->signal(number, end));
  }
  loop_->spawn(follow(command, std::move(call)));
  loop_->run();
  signals_.clear();
  if (std::fflush(stdout) != 0 && outcome_->ok()) return Error::fromErrno(errno, "cannot write to standard output");
  return *std::move(outcome_);
}

Task<void> ImgSession::follow(const ImgCommand& command, ImgCall call) {
  Result<void> made = co_await makeObjects(call);
  Result<int> status = made.ok() ? Result<int>(0) : Result<int>(made.takeError());
  if (status.ok()) status = co_await command.run(*this, std::move(call));
  Result<void> closed = co_await graph_->shutdown(CancelToken());
  if (!closed.ok() && status.ok()) status = closed.takeError();
  if (objects_ != nullptr) co_await objects_->removeAll();
  outcome_.emplace(std::move(status));
  loop_->stop();
}

void ImgSession::print(std::string_view text) {
  const std::string shown = visible(text);
  std::fwrite(shown.data(), 1, shown.size(), stdout);
}

void ImgSession::flush() { std::fflush(stdout); }

void ImgSession::warn(std::string_view text) {
  std::fflush(stdout);
  const std::string line = visible(fmt::format("rhea-img: warning: {}\n", text));
  std::fwrite(line.data(), 1, line.size(), stderr);
}

Task<Result<void>> ImgSession::makeObjects(const ImgCall& call) {
  for (const std::string& text : call.values("object")) {
    if (objects_ == nullptr) {
      classes_ = std::make_unique<object::ClassTable>();
      object::Secret::addClass(*classes_);
      objects_ = std::make_unique<object::ObjectTree>(*classes_, services_);
      services_.provide(*objects_);
    }
    RHEA_CO_TRY(json::Value options, parseOption(text, "qom-type"));
    const json::Spelling spelling = text.starts_with("{") ? json::Spelling::kJson : json::Spelling::kKeyval;
    Result<void> made = co_await objects_->create(std::move(options), spelling);
    if (!made.ok()) co_return made.takeError().context("--object");
  }
  co_return success();
}

}  // namespace rhea::block
