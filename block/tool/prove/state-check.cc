#include "block/tool/prove/state-check.h"

namespace rhea::block::prove {

namespace {

constexpr const char* kNode = "crash-state";
constexpr std::uint64_t kReadAtOnce = 1 << 20;

// What opening, checking and reading gave; the error says why the image is not usable.
struct Looked {
  std::vector<std::byte> content;
  std::uint64_t leaks = 0;
};

Task<Result<Looked>> readAll(BlockGraph& graph, std::uint64_t diskBytes) {
  RHEA_CO_TRY(const DiskPtr disk, co_await graph.attachMonitor(kNode, Permissions::consistentRead(), ChangeContext()));
  Looked looked;
  Result<void> done = success();
  if (disk->length() != diskBytes) {
    done = Error(fmt::format("the disk has {} bytes now", disk->length())).expected(fmt::format("{}", diskBytes));
  } else {
    looked.content.resize(diskBytes);
    for (std::uint64_t at = 0; at < diskBytes && done; at += kReadAtOnce) {
      const Extent part(at, std::min(kReadAtOnce, diskBytes - at));
      done = co_await disk->read(part, IoVector(looked.content.data() + at, part.length), Origin::kMonitor);
      if (!done) done = done.takeError().context(fmt::format("reading {} bytes at {}", part.length, part.offset));
    }
  }
  static_cast<void>(co_await graph.removeDisk(disk, ChangeContext()));
  RHEA_CO_CHECK(std::move(done));
  co_return looked;
}

Task<Result<CheckReport>> checked(BlockGraph& graph, NodePtr node) {
  RHEA_CO_TRY(const ImageInfo info, co_await graph.imageInfo(node, CancelToken()));
  Progress progress;
  CheckWish wish;
  auto* const checker = node->ability<ImageChecker>();
  if (!info.dirty.value_or(false)) co_return co_await checker->check(wish, progress, CancelToken());
  // An image that says that it was not closed (lazy refcounts) is mended by whoever writes to it first.
  wish.repairErrors = true;
  const Permissions writing = Permissions::consistentRead() | Permissions::write() | Permissions::resize();
  RHEA_CO_TRY(const DiskPtr disk, co_await graph.attachMonitor(kNode, writing, ChangeContext()));
  Result<CheckReport> report = co_await checker->check(wish, progress, CancelToken());
  RHEA_CO_CHECK(co_await graph.removeDisk(disk, ChangeContext()));
  co_return report;
}

Task<Result<std::uint64_t>> leaksOf(BlockGraph& graph, NodePtr node) {
  if (node->ability<ImageChecker>() == nullptr) co_return std::uint64_t{0};
  RHEA_CO_TRY(const CheckReport report, co_await checked(graph, node));
  if (report.corruptions + report.checkErrors > 0) {
    co_return Error(fmt::format("the check finds {} corruptions and {} errors: {}", report.corruptions,
                                report.checkErrors, report.findings.empty() ? "" : report.findings.front()));
  }
  co_return report.leaks;
}

Task<Result<Looked>> lookAt(BlockGraph& graph, const Subject& subject, MemoryImagePtr image, std::uint64_t diskBytes) {
  NodeOptions options = subject.over(memoryImageNode(std::move(image)));
  options.nodeName = kNode;
  Result<NodePtr> opened = co_await graph.addNode(std::move(options), ChangeContext());
  if (!opened) co_return opened.takeError().context("it cannot be opened");
  NodePtr node = *std::move(opened);
  Result<std::uint64_t> leaks = co_await leaksOf(graph, node);
  node.reset();
  Result<Looked> looked = Error("not read");
  if (leaks.ok()) {
    looked = co_await readAll(graph, diskBytes);
    if (looked.ok()) looked->leaks = *leaks;
  } else {
    looked = leaks.takeError();
  }
  Result<void> closed = co_await graph.removeNode(kNode, ChangeContext());
  if (!closed && looked.ok()) co_return closed.takeError().context("it cannot be closed");
  co_return looked;
}

// Sectors that show the same loss make one sentence.
void compare(const History& history, const CrashState& state, const std::vector<std::byte>& content,
             StateVerdict& verdict) {
  const bool mustBeUsable = history.usable(state.cut, state.position);
  std::uint32_t told = 0;
  for (std::uint64_t at = 0; at < content.size(); at += kSector) {
    const auto found = stampOf(std::span(content).subspan(at, kSector), at);
    const History::Finding finding = history.look(at / kSector, found, state.position);
    verdict.completedLost = verdict.completedLost || finding.completedLost;
    verdict.flushedLost = verdict.flushedLost || finding.flushedLost;
    if (finding.damaged) {
      ++verdict.damaged;
      if (mustBeUsable && verdict.damaged == 1) {
        verdict.broken.push_back(fmt::format("{}: the sector at {} holds what no request put there", state.how, at));
      }
    }
    const std::uint32_t lost = finding.lost[static_cast<std::size_t>(state.cut)];
    // Where the image need not even be usable, what was promised in a mode before is not either.
    if (!mustBeUsable || lost == 0 || lost == told) continue;
    told = lost;
    verdict.broken.push_back(
        fmt::format("{}: the sector at {} does not hold {}", state.how, at, history.describe(lost)));
  }
}

}  // namespace

Task<StateVerdict> checkState(BlockGraph& graph, const Subject& subject, const History& history, CrashState state) {
  StateVerdict verdict;
  Result<Looked> looked = co_await lookAt(graph, subject, state.image, history.diskBytes());
  if (!looked) {
    verdict.unusable = looked.error().message();
    // Nothing can be read, so all that was there is lost.
    verdict.completedLost = verdict.flushedLost = true;
    if (history.usable(state.cut, state.position)) {
      verdict.broken.push_back(fmt::format("{}: the image cannot be used: {}", state.how, verdict.unusable));
    }
    co_return verdict;
  }
  verdict.leaks = looked->leaks;
  compare(history, state, looked->content, verdict);
  co_return verdict;
}

}  // namespace rhea::block::prove
