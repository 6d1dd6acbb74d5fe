#include "block/tool/io/io-program.h"

#include <cstdio>

#include "block/driver/table.h"
#include "block/options/node-options-of.h"
#include "block/options/open-drive.h"
#include "block/tool/io/io-lines.h"
#include "emu/base/visible-text.h"

namespace rhea::block {

namespace {

void print(std::string_view text) {
  const std::string shown = visible(text);
  std::fwrite(shown.data(), 1, shown.size(), stdout);
  std::fflush(stdout);
}

void complain(std::string_view text) {
  std::fflush(stdout);
  const std::string shown = visible(text);
  std::fwrite(shown.data(), 1, shown.size(), stderr);
}

}  // namespace

class IoProgram::Observer final : public GraphObserver {
 public:
  void note(const std::string& line) override { complain(fmt::format("rhea-io: {}\n", line)); }
  void flushLatched(std::string_view nodeName, const std::string& why) override {
    complain(fmt::format("rhea-io: node '{}' lost data that was written: {}\n", nodeName, why));
  }
};

IoProgram::IoProgram(Loop& loop, const Services& services)
    : observer_(std::make_unique<Observer>()),
      drivers_(allDrivers()),
      graph_(GraphContext(loop, drivers_, services, *observer_)) {}

IoProgram::~IoProgram() = default;

void IoProgram::fail(const Error& error) {
  failed_ = true;
  complain(fmt::format("rhea-io: {}\n", error.describe()));
}

void IoProgram::tell(const Result<IoOutcome>& outcome) {
  if (!outcome) return fail(outcome.error());
  print(outcome->text);
  if (!outcome->error) return;
  failed_ = true;
  if (!outcome->error->hintText().empty()) complain(fmt::format("rhea-io: {}\n", outcome->error->hintText()));
}

Task<int> IoProgram::run(IoArguments arguments, IoLines& lines, std::string prompt) {
  if (!arguments.image.name.empty()) {
    const std::string name = arguments.image.name;
    Result<void> opened = co_await open(std::move(arguments.image));
    if (!opened) fail(opened.takeError().context(fmt::format("can't open device {}", name)));
  }
  const bool usable = !failed_;
  for (std::string& command : arguments.commands) {
    if (!usable || quits_) break;
    co_await runLine(std::move(command));
  }
  while (usable && arguments.commands.empty() && !quits_) {
    std::optional<std::string> line = co_await lines.next(prompt);
    if (!line) break;
    if (line->find_first_not_of(" \t") != std::string::npos) co_await runLine(*std::move(line));
  }
  Result<void> closed = co_await close();
  if (!closed) fail(closed.error());
  closed = co_await graph_.shutdown(CancelToken());
  if (!closed) fail(closed.error());
  co_return failed_ ? 1 : 0;
}

Task<void> IoProgram::runLine(std::string line) {
  IoTarget target(graph_, disk_);
  target.host = this;
  target.context.who = "rhea-io";
  const Result<IoOutcome> outcome = co_await runIoLine(std::move(target), std::move(line));
  tell(outcome);
}

void IoProgram::begin(Task<Result<IoOutcome>> request) { background_.spawn(follow(std::move(request))); }

Task<void> IoProgram::follow(Task<Result<IoOutcome>> request) {
  const Result<IoOutcome> outcome = co_await std::move(request);
  tell(outcome);
}

Task<Result<void>> IoProgram::open(IoOpening wish) {
  if (disk_) co_return Error("file open already").hint("close it first");
  co_return co_await openNow(std::move(wish));
}

Task<Result<void>> IoProgram::openNow(IoOpening wish) {
  RHEA_CO_TRY(DriveOptions options, parseDrive(driveText(wish), 0));
  options.disk.writeError = OnError::kReport;
  NoteSink note = [](const std::string& line) { complain(fmt::format("rhea-io: {}\n", line)); };
  RHEA_CO_TRY(disk_, co_await openDrive(graph_, std::move(options), ChangeContext(), std::move(note)));
  opened_ = std::move(wish);
  // What was found out stays so.
  if (opened_.format.empty() && !opened_.snapshot && !opened_.imageOptions && opened_.options.empty() &&
      disk_->hasRoot()) {
    opened_.format = disk_->root().info().name;
  }
  co_return success();
}

Task<Result<void>> IoProgram::close() {
  co_await settle();
  if (!disk_) co_return success();
  Result<void> flushed = success();
  if (!disk_->isReadOnly()) flushed = co_await disk_->flush(Origin::kMonitor);
  DiskPtr disk = std::exchange(disk_, nullptr);
  Result<void> removed = co_await graph_.removeDisk(std::move(disk), ChangeContext());
  if (!flushed) co_return flushed.takeError().context("the last flush failed");
  co_return removed;
}

Task<Result<void>> IoProgram::reopen(IoReopening wish) {
  if (!disk_) co_return Error("no file open").hint("open one: help open");
  // The cache mode changes under the requests that run.
  if (wish.cache) {
    CacheRequest request;
    request.mode = *wish.cache;
    RHEA_CO_CHECK(co_await graph_.setCache(disk_->id(), std::move(request), ChangeContext()));
    opened_.cache = *wish.cache;
  }
  if (wish.options.empty() && !wish.readOnly) co_return success();
  if (opened_.snapshot) {
    co_return Error("the image is under a temporary overlay, which would be lost").hint("close it and open it again");
  }
  co_await settle();
  if (!wish.options.empty()) {
    IoOpening changed = opened_;
    changed.options.insert(changed.options.end(), wish.options.begin(), wish.options.end());
    RHEA_CO_TRY(const DriveOptions options, parseDrive(driveText(changed), 0));
    NodeOptions root = nodeOptionsOf(options.node);
    root.nodeName = disk_->root().name();
    std::vector<NodeOptions> nodes(1, std::move(root));
    RHEA_CO_CHECK(co_await graph_.reopen(std::move(nodes), ChangeContext()));
    opened_ = std::move(changed);
  }
  if (!wish.readOnly || *wish.readOnly == opened_.readOnly) co_return success();
  // The attachment itself changes its rights: nobody else uses it here, so it is made anew.
  RHEA_CO_CHECK(co_await close());
  const IoOpening before = opened_;
  IoOpening after = opened_;
  after.readOnly = *wish.readOnly;
  Result<void> opened = co_await openNow(std::move(after));
  if (opened) co_return success();
  Result<void> again = co_await openNow(before);
  if (!again) co_return opened.takeError().context("the image is closed now");
  co_return opened;
}

}  // namespace rhea::block
