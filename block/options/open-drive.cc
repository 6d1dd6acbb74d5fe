#include "block/options/open-drive.h"

#include "block/options/node-options-of.h"
#include "block/options/probe.h"
#include "block/options/temporary-overlay.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

// What a format that -drive names or guesses stands on; null where the node is no such format.
qapi::BlockdevRef* below(qapi::BlockdevOptions& node) {
  if (auto* raw = std::get_if<qapi::BlockdevOptionsRaw>(&node.u)) return &raw->file;
  if (auto* qcow2 = std::get_if<qapi::BlockdevOptionsQcow2>(&node.u)) return &qcow2->file;
  return nullptr;
}

// The node was described as raw, because its format was not known.
Result<void> useFormat(qapi::BlockdevOptions& node, std::string_view format) {
  auto& raw = std::get<qapi::BlockdevOptionsRaw>(node.u);
  if (format == "raw") return success();
  if (format != "qcow2") {
    return Error(fmt::format("the image looks like one of format {}, which -drive cannot open by itself", format))
        .hint("say format=raw if its bytes are the disk's");
  }
  qapi::BlockdevOptionsQcow2 own;
  own.file = std::move(raw.file);
  node.driver = qapi::BlockdevDriver::qcow2;
  node.u = std::move(own);
  return success();
}

// Puts the copy-on-read filter on top; the switches that every node has stay with the node below it too.
qapi::BlockdevOptions withCopyOnRead(qapi::BlockdevOptions node) {
  qapi::BlockdevOptions filter;
  filter.driver = qapi::BlockdevDriver::copyOnRead;
  filter.readOnly = node.readOnly;
  filter.cache = node.cache;
  qapi::BlockdevOptionsCor own;
  own.file.u = json::Box<qapi::BlockdevOptions>(std::move(node));
  filter.u = std::move(own);
  return filter;
}

Task<Result<DiskPtr>> openNodes(BlockGraph& graph, DriveOptions options, ChangeContext context) {
  if (options.copyOnRead) options.node = withCopyOnRead(std::move(options.node));
  co_return co_await graph.addDrive(options.disk, nodeOptionsOf(options.node), std::move(context));
}

Task<Result<DiskPtr>> openOverlaid(BlockGraph& graph, DriveOptions options, ChangeContext context) {
  RHEA_CO_TRY(TemporaryOverlay overlay, co_await TemporaryOverlay::make(graph, options, context));
  options.node = overlay.node();
  options.disk.temporary = true;
  Result<DiskPtr> disk = co_await openNodes(graph, std::move(options), std::move(context));
  if (disk.ok()) {
    overlay.opened();
  } else {
    co_await overlay.giveUp();
  }
  co_return disk;
}

}  // namespace

qapi::BlockdevOptions* fileBelow(qapi::BlockdevOptions& node) {
  if (std::holds_alternative<qapi::BlockdevOptionsFile>(node.u)) return &node;
  qapi::BlockdevRef* const reference = below(node);
  auto* inner = reference == nullptr ? nullptr : std::get_if<json::Box<qapi::BlockdevOptions>>(&reference->u);
  return inner != nullptr && std::holds_alternative<qapi::BlockdevOptionsFile>((*inner)->u) ? &**inner : nullptr;
}

Task<Result<DiskPtr>> openDrive(BlockGraph& graph, DriveOptions options, ChangeContext context, NoteSink note) {
  if (options.empty) co_return graph.addEmptyDisk(options.disk);
  std::string guess;
  if (qapi::BlockdevOptions* file = fileBelow(options.node); file != nullptr) {
    const std::string path = std::get<qapi::BlockdevOptionsFile>(file->u).filename;
    const bool wantsHead = !options.formatKnown;
    const auto look = [path, wantsHead] { return lookAtImage(path, wantsHead); };
    const ImageLook seen = co_await offload(look);
    if (seen.blockDevice && file->driver == qapi::BlockdevDriver::file) file->driver = qapi::BlockdevDriver::hostDevice;
    if (!options.formatKnown) {
      const std::string_view format = probeFormat(graph.drivers(), seen.head, path);
      RHEA_CO_CHECK(useFormat(options.node, format));
      if (format == "raw") {
        guess = fmt::format(
            "drive '{}': the format of '{}' was not given and is taken for raw from its first bytes, "
            "which a guest can change. Say format=raw to be safe and rid of this line.",
            options.disk.id, path);
      }
    }
  }
  // Nothing is written to a drive that can only be read.
  const bool isTemporary = options.snapshot.value_or(false) && !options.disk.readOnly;
  auto* const open = isTemporary ? openOverlaid : openNodes;
  RHEA_CO_TRY(DiskPtr disk, co_await open(graph, options, context));
  if (note && !guess.empty()) note(std::move(guess));
  if (options.throttle.any()) {
    Result<void> limited = disk->setThrottle(graph.throttleGroups(), options.throttleGroup, options.throttle);
    if (!limited) {
      [[maybe_unused]] const Result<void> gone = co_await graph.removeDisk(disk, context);
      co_return limited.takeError();
    }
  }
  co_return disk;
}

Result<NodeOptions> parseBlockdev(std::string_view text) {
  RHEA_TRY(const json::Value tree, parseOption(text, "driver"));
  const json::Spelling spelling = text.starts_with("{") ? json::Spelling::kJson : json::Spelling::kKeyval;
  RHEA_TRY(const qapi::BlockdevOptions options, json::readJson<qapi::BlockdevOptions>(tree, {}, spelling));
  if (!options.nodeName) {
    return Error("the node has no name, so nothing could use it").where("-blockdev").expected("node-name=NAME");
  }
  return nodeOptionsOf(options);
}

}  // namespace rhea::block
