#include "block/command/what-if.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "block/driver/what-if/recorder.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kAtOnce = 1 << 20;  // bytes

// A new file that is gone again unless it was finished.
class NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)) {}
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    if (fd_.valid() && !finished_) unlink(path_.c_str());
  }

  // All of it blocks.
  Result<void> create() {
    fd_ = Fd(open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (fd_.valid()) return success();
    Error error = Error::fromErrno(errno, fmt::format("cannot make '{}'", path_));
    return errno == EEXIST ? std::move(error).hint("an image is written to a file that does not exist yet") : error;
  }
  Result<void> write(Extent at, const std::byte* from) {
    for (std::uint64_t done = 0; done < at.length;) {
      const ssize_t put = pwrite(fd_.get(), from + done, at.length - done, static_cast<off_t>(at.offset + done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return Error::fromErrno(errno, fmt::format("cannot write '{}'", path_));
      done += static_cast<std::uint64_t>(put);
    }
    return success();
  }
  Result<void> finish(std::uint64_t length) {
    if (ftruncate(fd_.get(), static_cast<off_t>(length)) != 0 || fsync(fd_.get()) != 0) {
      return Error::fromErrno(errno, fmt::format("cannot write '{}'", path_));
    }
    finished_ = true;
    return success();
  }

 private:
  const std::string path_;
  Fd fd_;
  bool finished_ = false;
};

Task<Result<void>> copyTo(std::shared_ptr<NewFile> file, DiskPtr from, CancelToken cancel) {
  const std::uint64_t length = from->length();
  const auto memory = std::make_shared<std::vector<std::byte>>(std::min(kAtOnce, length));
  for (std::uint64_t at = 0; at < length;) {
    RHEA_CO_CHECK(cancel.check());
    RHEA_CO_TRY(const BlockStatus status, co_await from->rootEdge().status(Extent(at, length - at), true));
    if (status.zero) {
      at += status.length;
      continue;
    }
    const Extent part(at, std::min(kAtOnce, status.length));
    const IoVector into(memory->data(), part.length);
    RHEA_CO_CHECK(co_await from->read(part, into, Origin::kMonitor));
    if (!into.isZero()) {
      std::function<Result<void>()> write = [file, memory, part] { return file->write(part, memory->data()); };
      RHEA_CO_CHECK(co_await offload(std::move(write)));
    }
    at += part.length;
  }
  std::function<Result<void>()> finish = [file, length] { return file->finish(length); };
  co_return co_await offload(std::move(finish));
}

// Copies what a node shows into a new file, holes as holes. Error: the file exists; it cannot be written, and is gone.
Task<Result<void>> writeNodeTo(BlockGraph& graph, std::string nodeName, std::string path, ChangeContext context) {
  auto file = std::make_shared<NewFile>(std::move(path));
  std::function<Result<void>()> create = [file] { return file->create(); };
  RHEA_CO_CHECK(co_await offload(std::move(create)));
  create = nullptr;
  RHEA_CO_TRY(const DiskPtr disk,
              co_await graph.attachMonitor(std::move(nodeName), Permissions::consistentRead(), context));
  Result<void> copied = co_await copyTo(file, disk, context.cancel);
  std::function<void()> close = [held = std::move(file)]() mutable { held.reset(); };
  co_await offload(std::move(close));
  // Whatever the client wishes: an attachment that stayed would keep the node in use for ever.
  Result<void> detached = co_await graph.removeDisk(disk, ChangeContext(context.who, CancelToken()));
  RHEA_CO_CHECK(std::move(copied));
  co_return detached;
}

// The format over the view, alone: what stands behind it does not matter to its check.
NodeOptions formatOver(const Node& format, const std::string& view) {
  NodeOptions node(std::string(format.info().name), format.options().specific);
  node.readOnly = true;
  node.children.push_back(ChildOptions::reference("file", view));
  const auto takesBacking = [](const ChildSpec& spec) { return spec.role == ChildRole::kBacking; };
  if (std::ranges::any_of(format.info().children, takesBacking)) {
    node.children.push_back(ChildOptions::none("backing"));
  }
  return node;
}

Task<Result<void>> lookAt(BlockGraph& graph, const Node& format, std::string view, WhatIfOutcome& outcome,
                          ChangeContext context) {
  Result<NodePtr> opened = co_await graph.addNode(formatOver(format, view), context);
  if (!opened) {
    RHEA_CO_CHECK(context.cancel.check());
    outcome.unusable = opened.takeError().context("it cannot be opened").message();
    co_return success();
  }
  Result<void> done = success();
  if (auto* const checker = (*opened)->ability<ImageChecker>(); checker != nullptr) {
    Progress progress;
    Result<CheckReport> report = co_await checker->check(CheckWish(), progress, context.cancel);
    if (!report) {
      done = context.cancel.check();
      outcome.unusable = report.takeError().context("it cannot be checked").message();
    } else {
      outcome.leaks = report->leaks;
      if (report->corruptions + report->checkErrors > 0) {
        outcome.unusable =
            fmt::format("its check finds {} corruptions and {} errors{}", report->corruptions, report->checkErrors,
                        report->findings.empty() ? "" : ", first: " + report->findings.front());
      }
    }
  }
  const std::string name = (*opened)->name();
  *opened = nullptr;
  Result<void> closed = co_await graph.removeNode(name, ChangeContext(context.who, CancelToken()));
  RHEA_CO_CHECK(std::move(done));
  co_return closed;
}

Error outgrown(const what_if::UndoLog& log, const Node& file) {
  Error error(fmt::format("more was written over than the {} that may be kept", humanBytes(log.limit())));
  if (file.isNoFlush()) {
    return std::move(error).hint(
        "in mode unsafe nothing is ever forgotten: what-if arm begins anew, and takes a larger limit");
  }
  return std::move(error).hint(
      "after the guest's next flush, or block_flush, it can be told again; what-if arm takes a larger limit");
}

}  // namespace

void addWhatIfDrivers(DriverRegistry& drivers) {
  drivers.add(what_if::recorderDriver());
  drivers.add(what_if::crashViewDriver());
}

Result<WhatIfPlace> whatIfPlace(const BlockGraph& graph, const Disk& disk) {
  if (!disk.hasRoot()) return Error(fmt::format("disk '{}' has no medium", disk.name()));
  WhatIfPlace place;
  const Node* node = &disk.root();
  while (true) {
    if (node->ability<what_if::Recorder>() != nullptr) place.recorder = graph.findNode(node->name());
    const Child* next = node->passThroughChild();
    if (place.format == nullptr && node->info().kind == DriverKind::kFormat) {
      place.format = graph.findNode(node->name());
      next = node->child("file");
    }
    if (next == nullptr || !next->isAttached()) break;
    node = &next->node();
  }
  place.file = graph.findNode(node->name());
  if (place.format == nullptr) place.format = place.file;
  if (place.file == nullptr || place.format == nullptr) {
    return Error(fmt::format("the chain of disk '{}' is being changed", disk.name())).hint("try again");
  }
  return place;
}

Task<Result<WhatIfOutcome>> buildCrashImage(BlockGraph& graph, WhatIfPlace place, CrashWish wish,
                                            ChangeContext context) {
  auto* const recorder = place.recorder->ability<what_if::Recorder>();
  RHEA_CO_TRY(what_if::Moment moment, co_await recorder->stopped(context.cancel));
  WhatIfOutcome outcome;
  outcome.image =
      std::make_shared<const what_if::CrashImage>(recorder->log(), std::move(moment), wish.spare, wish.seed);
  const what_if::UndoLog& log = *outcome.image->log;
  if (!log.isWhole(outcome.image->moment)) co_return outgrown(log, *place.file);
  NodeOptions options = what_if::crashViewNode(outcome.image, place.file->name());
  RHEA_CO_TRY(NodePtr view, co_await graph.addNode(std::move(options), context));
  const std::string name = view->name();
  view.reset();
  Result<void> done = success();
  if (!wish.path.empty()) done = co_await writeNodeTo(graph, name, wish.path, context);
  if (done && place.format != place.file) done = co_await lookAt(graph, *place.format, name, outcome, context);
  // Asked at the end: what was written meanwhile had to be kept too.
  if (done && !log.isWhole(outcome.image->moment)) done = outgrown(log, *place.file);
  Result<void> closed = co_await graph.removeNode(name, ChangeContext(context.who, CancelToken()));
  if (!done && !wish.path.empty() && done.error().code() != EEXIST) {
    std::function<void()> remove = [path = wish.path] { unlink(path.c_str()); };
    co_await offload(std::move(remove));
  }
  RHEA_CO_CHECK(std::move(done));
  RHEA_CO_CHECK(std::move(closed));
  co_return outcome;
}

}  // namespace rhea::block
