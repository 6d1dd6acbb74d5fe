#include "block/tool/prove/recording.h"

#include "block/driver/write-log/reader.h"
#include "block/driver/write-log/write-log.h"
#include "emu/base/files.h"
#include "emu/io/offload.h"
#include "qapi/types-block-options.h"

namespace rhea::block::prove {

namespace {

constexpr const char* kRecorder = "recorder";

NodeOptions fileNode(const std::string& path) {
  qapi::BlockdevOptionsFile own;
  own.filename = path;
  return NodeOptions("file", DriverOptions::of(own));
}

NodeOptions recorderNode(NodeOptions file, MemoryImagePtr log) {
  qapi::BlockdevOptionsBlklogwrites own;
  own.logSectorSize = kSector;
  NodeOptions node("blklogwrites", DriverOptions::of(own));
  node.nodeName = kRecorder;
  node.children.push_back(ChildOptions::inlineNode("file", std::move(file)));
  node.children.push_back(ChildOptions::inlineNode("log", memoryImageNode(std::move(log))));
  return node;
}

NodeOptions lyingNode(NodeOptions below, std::uint64_t lieAt) {
  qapi::BlockdevOptionsBlkdebug own;
  own.injectError.emplace();
  for (const auto event : {qapi::BlkdebugEvent::flushToDisk, qapi::BlkdebugEvent::pwritev}) {
    qapi::BlkdebugInjectErrorOptions rule;
    rule.event = event;
    rule.lie = true;
    rule.once = true;
    rule.skip = lieAt - 1;
    own.injectError->push_back(rule);
  }
  NodeOptions node("blkdebug", DriverOptions::of(own));
  node.children.push_back(ChildOptions::inlineNode("image", std::move(below)));
  return node;
}

Task<Result<std::vector<std::byte>>> contentOf(std::string path) {
  std::function<Result<std::string>()> whole = [path] { return readFile(path, std::size_t{4} << 30); };
  RHEA_CO_TRY(const std::string text, co_await offload(std::move(whole)));
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  co_return bytes;
}

Result<std::vector<LoggedChange>> changesOf(std::vector<std::byte> log) {
  RHEA_TRY(WriteLogReader reader, WriteLogReader::over(std::move(log)));
  std::vector<LoggedChange> changes;
  while (true) {
    RHEA_TRY(const auto item, reader.next());
    if (!item) return changes;
    LoggedChange change;
    change.issued = item->entry.issued.value_or(item->index);
    change.at = Extent(item->offset, item->length);
    change.stable = item->entry.has(kLogStable);
    change.discard = item->entry.has(kLogDiscard);
    change.flush = item->entry.has(kLogFlush) && item->length == 0;
    if (item->entry.has(kLogFlush) && item->length != 0) return Error("a change in the log is a flush as well");
    if (!change.discard && !change.flush) {
      RHEA_TRY(change.data, reader.data(*item));
      const auto isZero = [](std::byte byte) { return byte == std::byte{0}; };
      if (std::all_of(change.data.begin(), change.data.end(), isZero)) change.data = {};
    }
    changes.push_back(std::move(change));
  }
}

}  // namespace

Task<Result<Recording>> record(BlockGraph& graph, const Subject& subject, RecordPlan plan) {
  RHEA_CO_CHECK(co_await subject.create(graph, plan.path));
  RHEA_CO_TRY(std::vector<std::byte> initial, co_await contentOf(plan.path));

  const auto log = std::make_shared<MemoryImage>();
  NodeOptions below = recorderNode(fileNode(plan.path), log);
  if (plan.lieAt != 0) below = lyingNode(std::move(below), plan.lieAt);
  NodeOptions root = subject.over(std::move(below));
  root.direct = plan.mode.direct;
  root.noFlush = plan.mode.noFlush;
  root.discard = DiscardPolicy::kUnmap;
  DiskOptions options("proof");
  options.writeback = plan.mode.writeback;
  options.writeError = OnError::kReport;
  RHEA_CO_TRY(const DiskPtr disk, co_await graph.addDrive(std::move(options), std::move(root), ChangeContext()));

  const NodePtr recorder = graph.findNode(kRecorder);
  const auto& driver = dynamic_cast<const WriteLogDriver&>(recorder->driver());
  Recording recording(History(disk->length(), subject.keepsMetadata, plan.mode));
  recording.initial = std::move(initial);
  Position position = [&driver] { return driver.entries(); };
  Result<void> ran =
      co_await runWorkload(graph, disk, std::move(plan.workload), recording.history, std::move(position));
  // Closing flushes and hands over what is left; the cuts while it does belong to the recording.
  Result<void> closed = co_await graph.removeDisk(disk, ChangeContext());
  RHEA_CO_CHECK(std::move(ran));
  RHEA_CO_CHECK(std::move(closed));
  RHEA_CO_TRY(recording.log, changesOf(std::move(log->bytes)));
  co_return recording;
}

}  // namespace rhea::block::prove
