// Bodies: what-if-arm, what-if-disarm, what-if-power-fail.
#include "block/command/chain.h"
#include "block/command/support.h"
#include "block/command/what-if.h"
#include "block/driver/what-if/recorder.h"
#include "qapi/commands-block-what-if.h"

namespace rhea {

namespace block {

namespace {

constexpr Duration kPatience = std::chrono::milliseconds(200);  // for facts of the host

// Why what would be kept could say nothing.
Result<void> checkArming(const Disk& disk, const WhatIfPlace& place) {
  if (disk.isReadOnly() || place.file->isReadOnly()) {
    return Error(fmt::format("disk '{}' is read-only: a power cut takes nothing from it", disk.name()));
  }
  const Child* const data = place.format->child("data-file");
  if (data != nullptr && data->isAttached()) {
    return Error(fmt::format("disk '{}' keeps its data in a file besides its image; what-if knows of one file only",
                             disk.name()));
  }
  return success();
}

void keepPlaces(const BlockGraph& graph, const Disk& disk, bool keep) {
  for (const NodePtr& node : storingNodes(graph, disk.root())) node->ledger().keepPlaces(keep);
}

Task<Result<void>> flushDisk(BlockGraph& graph, std::string name, ChangeContext context) {
  RHEA_CO_TRY(const std::vector<FlushOutcome> outcomes, co_await graph.flush(std::move(name), std::move(context)));
  for (const FlushOutcome& each : outcomes) RHEA_CO_CHECK(each.result);
  co_return success();
}

Task<Result<void>> takeOut(BlockGraph& graph, DiskPtr disk, NodePtr recorder, ChangeContext context) {
  keepPlaces(graph, *disk, false);
  co_return co_await graph.removeFilter(std::move(disk), std::move(recorder), std::move(context));
}

Task<Result<void>> arm(BlockGraph& graph, std::string name, std::uint64_t limit, ChangeContext context) {
  RHEA_CO_TRY(const DiskPtr disk, graph.disk(name));
  RHEA_CO_TRY(const WhatIfPlace place, whatIfPlace(graph, *disk));
  RHEA_CO_CHECK(checkArming(*disk, place));
  if (place.recorder != nullptr) RHEA_CO_CHECK(co_await takeOut(graph, disk, place.recorder, context));
  // What the format holds in memory would count as written after the beginning, and no flush would ever cover it.
  if (BlockGraph::cacheOf(*disk).noFlush) RHEA_CO_CHECK(co_await flushDisk(graph, name, context));
  NodeOptions options(std::string(what_if::recorderDriver().name), DriverOptions::of(limit));
  RHEA_CO_TRY(const NodePtr recorder, co_await graph.insertFilter(disk, place.file, std::move(options), context));
  keepPlaces(graph, *disk, true);
  Result<void> flushed = co_await flushDisk(graph, std::move(name), context);
  if (flushed.ok()) co_return success();
  const Result<void> out = co_await takeOut(graph, disk, recorder, ChangeContext(context.who, CancelToken()));
  if (!out.ok()) co_return flushed.takeError().context("it stays armed, as it cannot be taken out");
  co_return flushed.takeError().context("nothing is armed");
}

std::vector<qapi::WhatIfNode> placesOf(const BlockGraph& graph, const Disk& disk) {
  std::vector<qapi::WhatIfNode> nodes;
  for (const NodePtr& node : storingNodes(graph, disk.root())) {
    if (node->isReadOnly()) continue;
    const FlushLedger::Places places = node->ledger().places();
    qapi::WhatIfNode made;
    made.nodeName = node->name();
    made.drv = node->info().name;
    for (const Extent& each : places.extents) {
      qapi::WhatIfExtent extent;
      extent.offset = each.offset;
      extent.length = each.length;
      made.extents.push_back(extent);
    }
    made.complete = places.complete;
    nodes.push_back(std::move(made));
  }
  return nodes;
}

qapi::WhatIfImage describeImage(const WhatIfOutcome& outcome, const CrashWish& wish, const Node& format) {
  qapi::WhatIfImage image;
  if (!wish.path.empty()) image.file = wish.path;
  image.format = format.info().kind == DriverKind::kFormat ? std::string(format.info().name) : "raw";
  image.changes = outcome.image->parts.size();
  image.kept = outcome.image->spared();
  image.seed = wish.seed;
  image.usable = outcome.unusable.empty();
  if (!image.usable) image.problem = outcome.unusable;
  image.leaks = outcome.leaks;
  return image;
}

std::string sentenceOf(const qapi::WhatIfImage& image) {
  std::string text = fmt::format("The image with {} of {} unflushed changes {}", image.kept, image.changes,
                                 image.usable ? "opens" : "is not usable: " + image.problem.value_or(""));
  if (image.usable && image.leaks) {
    text += *image.leaks == 0
                ? ", and its check is clean"
                : fmt::format(", and its check finds {} clusters that nobody uses, no more", *image.leaks);
  }
  if (image.file) text += fmt::format("; it is in '{}'", *image.file);
  return text;
}

Task<Result<qapi::WhatIfLoss>> lossOf(BlockGraph& graph, DiskPtr disk, CrashWish wish, ChangeContext context) {
  RHEA_CO_TRY(const WhatIfPlace place, whatIfPlace(graph, *disk));
  const std::string name = disk->name();
  if (place.recorder == nullptr && !wish.path.empty()) {
    co_return Error(fmt::format("disk '{}' is not armed: what its unflushed writes wrote over is not known", name))
        .hint(fmt::format("what-if arm {}, let the guest write, then try again", name));
  }
  qapi::WhatIfLoss loss;
  loss.device = disk->id();
  loss.nodeName = disk->root().name();
  loss.armed = place.recorder != nullptr;
  std::optional<Error> why;
  if (loss.armed) {
    // Where first: what is flushed while the image is made cannot be told afterwards.
    loss.nodes = placesOf(graph, *disk);
    Result<WhatIfOutcome> built = co_await buildCrashImage(graph, place, wish, context);
    if (built.ok()) {
      loss.image = describeImage(*built, wish, *place.format);
    } else if (!wish.path.empty() || !context.cancel.check()) {
      co_return built.takeError();
    } else {
      why = built.takeError();
    }
  }
  const DiskDurability durability = co_await graph.durability(disk, kPatience);
  loss.unflushed = toSchema(durability.unflushed, Clock::now());
  loss.inFlight = durability.inFlight;
  loss.verdict = durability.verdict;
  if (!loss.armed) {
    loss.verdict +=
        fmt::format(". Where, and what image it would leave, is not known: it is not armed (what-if arm {})", name);
  }
  if (loss.image) loss.verdict += ". " + sentenceOf(*loss.image);
  if (loss.image && BlockGraph::cacheOf(*disk).noFlush) {
    loss.verdict +=
        ". In mode unsafe that is one image of many: of what was written before what-if arm nothing is "
        "promised either, and it is taken to be there";
  }
  if (why) loss.verdict += fmt::format(". No image can be built: {}", why->message());
  co_return loss;
}

std::vector<DiskPtr> withMedium(const BlockGraph& graph) {
  std::vector<DiskPtr> disks = graph.disks();
  std::erase_if(disks, [](const DiskPtr& disk) { return !disk->hasRoot(); });
  return disks;
}

CrashWish wishOf(const qapi::WhatIfPowerFail& arguments) {
  static_assert(static_cast<int>(what_if::Spare::kSome) == static_cast<int>(qapi::WhatIfKeep::some));
  CrashWish wish;
  wish.spare = static_cast<what_if::Spare>(arguments.keep.value_or(qapi::WhatIfKeep::nothing));
  wish.seed = arguments.seed.value_or(1);
  wish.path = arguments.file.value_or("");
  return wish;
}

}  // namespace

}  // namespace block

using block::BlockGraph;

Task<Result<qapi::WhatIfArmed>> Command<qapi::WhatIfArm>::run(CommandContext context, qapi::WhatIfArm arguments) {
  constexpr std::uint64_t kUsualLimit = 256 << 20;
  BlockGraph& graph = context.get<BlockGraph>();
  RHEA_CO_TRY(const block::DiskPtr disk, graph.disk(arguments.device));
  context.setWaitingFor(fmt::format("a flush of '{}'", arguments.device));
  const TimePoint began = Clock::now();
  qapi::WhatIfArmed armed;
  armed.limit = arguments.limit.value_or(kUsualLimit);
  RHEA_CO_CHECK(co_await block::arm(graph, arguments.device, armed.limit, block::changeContext(context)));
  RHEA_CO_TRY(const block::WhatIfPlace place, block::whatIfPlace(graph, *disk));
  armed.device = disk->id();
  armed.nodeName = place.file->name();
  armed.durationUs = block::microseconds(Clock::now() - began);
  co_return armed;
}

Task<Result<void>> Command<qapi::WhatIfDisarm>::run(CommandContext context, qapi::WhatIfDisarm arguments) {
  BlockGraph& graph = context.get<BlockGraph>();
  RHEA_CO_TRY(const block::DiskPtr disk, graph.disk(arguments.device));
  RHEA_CO_TRY(const block::WhatIfPlace place, block::whatIfPlace(graph, *disk));
  if (place.recorder == nullptr) co_return Error(fmt::format("disk '{}' is not armed", disk->name()));
  co_return co_await block::takeOut(graph, disk, place.recorder, block::changeContext(context));
}

Task<Result<std::vector<qapi::WhatIfLoss>>> Command<qapi::WhatIfPowerFail>::run(CommandContext context,
                                                                                qapi::WhatIfPowerFail arguments) {
  BlockGraph& graph = context.get<BlockGraph>();
  std::vector<block::DiskPtr> disks = block::withMedium(graph);
  if (arguments.device) {
    RHEA_CO_TRY(block::DiskPtr disk, graph.disk(*arguments.device));
    disks.assign(1, std::move(disk));
  } else if (arguments.file) {
    co_return Error("a file is given, but no device")
        .where("arguments.file")
        .expected("the disk to write the image of");
  }
  context.setWaitingFor("the images that a power cut would leave");
  std::vector<qapi::WhatIfLoss> losses;
  for (const block::DiskPtr& disk : disks) {
    block::CrashWish wish = block::wishOf(arguments);
    RHEA_CO_TRY(qapi::WhatIfLoss loss,
                co_await block::lossOf(graph, disk, std::move(wish), block::changeContext(context)));
    losses.push_back(std::move(loss));
  }
  co_return losses;
}

}  // namespace rhea
