#include "block/options/temporary-overlay.h"

#include <cstdlib>
#include <filesystem>

#include "block/driver/file/temporary-file.h"
#include "block/options/node-options-of.h"
#include "block/options/open-drive.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kSector = 512;

std::string temporaryFolder() {
  const char* const named = std::getenv("TMPDIR");
  return named != nullptr && *named != '\0' ? named : "/var/tmp";
}

Error inFolder(Error error) {
  return std::move(error)
      .context(fmt::format("the overlay of snapshot=on, in '{}'", temporaryFolder()))
      .hint("name a folder with room for what will be written by the environment variable TMPDIR");
}

// Of the image's own file, where it is one.
std::optional<FileEngineKind> engineOf(DriveOptions& options) {
  const qapi::BlockdevOptions* const node = fileBelow(options.node);
  if (node == nullptr) return std::nullopt;
  const auto& file = std::get<qapi::BlockdevOptionsFile>(node->u);
  return file.aio ? std::optional(fileEngineOf(*file.aio)) : std::nullopt;
}

// What the header says is behind it: for those who look, nobody opens it by that.
std::string backingName(const Node& backing, bool isFile) {
  std::string name = backing.fileName();
  constexpr std::size_t kLongest = 1023;
  if (isFile && !name.empty()) name = std::filesystem::absolute(name).lexically_normal();
  return name.size() > kLongest ? std::string() : name;
}

}  // namespace

Task<Result<TemporaryOverlay>> TemporaryOverlay::make(BlockGraph& graph, DriveOptions options, ChangeContext context) {
  TemporaryOverlay overlay(graph, std::move(context));
  qapi::BlockdevOptions image = options.node;
  image.readOnly = true;
  image.autoReadOnly.reset();
  image.discard.reset();
  image.detectZeroes.reset();
  if (image.cache) image.cache->noFlush = false;
  RHEA_CO_TRY(overlay.backing_, co_await graph.addNode(nodeOptionsOf(image), overlay.context_));
  Result<void> made = co_await overlay.openFile(options);
  if (made.ok()) made = co_await overlay.createImage(options);
  if (!made.ok()) {
    co_await overlay.giveUp();
    co_return inFolder(made.takeError());
  }
  overlay.describe(options);
  co_return overlay;
}

Task<Result<void>> TemporaryOverlay::openFile(DriveOptions& options) {
  const std::string folder = temporaryFolder();
  const auto make = [folder] { return makeTemporaryFile(folder); };
  RHEA_CO_TRY(TemporaryFile file, co_await offload(make));
  NodeOptions node("file", optionsOf(file, engineOf(options)));
  node.readOnly = false;
  node.direct = options.cache.direct;
  node.noFlush = options.cache.noFlush || options.cache.writeback;
  node.discard = DiscardPolicy::kUnmap;
  Result<NodePtr> opened = co_await graph_->addNode(std::move(node), context_);
  co_await closeOffLoop(std::move(file.fd));
  RHEA_CO_TRY(file_, std::move(opened));
  co_return success();
}

Task<Result<void>> TemporaryOverlay::createImage(DriveOptions& options) {
  RHEA_CO_TRY(const DriverInfo* format, graph_->drivers().find("qcow2"));
  qapi::BlockdevCreateOptionsQcow2 image;
  image.size = (backing_->length() + kSector - 1) / kSector * kSector;
  if (std::string name = backingName(*backing_, fileBelow(options.node) != nullptr); !name.empty()) {
    image.backingFile = std::move(name);
    image.backingFmt = options.node.driver;
  }
  const Permissions used = Permissions::consistentRead() | Permissions::write() | Permissions::resize();
  RHEA_CO_TRY(DiskPtr writer, co_await graph_->attachMonitor(file_->name(), used, context_));
  Progress progress;
  CreateContext create(graph_->loop(), graph_->services(), progress);
  create.children.add("file", &writer->rootEdge());
  create.cancel = context_.cancel;
  Result<void> created = co_await format->create(std::move(create), DriverOptions::of(std::move(image)));
  Result<void> detached = co_await graph_->removeDisk(std::move(writer), ChangeContext());
  if (!created.ok()) co_return created;
  co_return detached;
}

void TemporaryOverlay::describe(const DriveOptions& options) {
  node_.driver = qapi::BlockdevDriver::qcow2;
  node_.readOnly = false;
  node_.discard = options.node.discard;
  node_.detectZeroes = options.node.detectZeroes;
  node_.cache.emplace();
  node_.cache->direct = file_->isDirect();
  node_.cache->noFlush = file_->isNoFlush();
  qapi::BlockdevOptionsQcow2 own;
  own.file.u = file_->name();
  own.backing.emplace();
  own.backing->u = backing_->name();
  node_.u = std::move(own);
}

void TemporaryOverlay::opened() {
  BlockGraph::leaveToUsers(file_);
  BlockGraph::leaveToUsers(backing_);
}

Task<void> TemporaryOverlay::giveUp() {
  const std::array<NodePtr, 2> made{std::exchange(file_, nullptr), std::exchange(backing_, nullptr)};
  for (const NodePtr& node : made) {
    if (node == nullptr) continue;
    // Without the wish to cancel: what was made has to go.
    [[maybe_unused]] const Result<void> gone = co_await graph_->removeNode(node->name(), ChangeContext());
  }
}

}  // namespace rhea::block
