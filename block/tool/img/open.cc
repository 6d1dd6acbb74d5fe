#include "block/tool/img/open.h"

#include <sys/stat.h>

#include "block/options/file-name.h"
#include "block/options/node-options-of.h"
#include "block/options/probe.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

// Longer chains than anybody makes; a loop that no comparison of names finds ends here.
constexpr std::size_t kLongestChain = 200;

bool isHostFile(std::string_view driver) {
  return driver == "file" || driver == "host_device" || driver == "host_cdrom";
}

// Options of the node in key=value form, with the protocol below "file." unless the format is one itself.
struct Described {
  Keyval options;
  std::string filePrefix = "file.";
  std::string path;  // of the host file at the bottom; empty where it is something else
};

Result<Described> describe(const ImageName& name) {
  Described described;
  if (name.imageOptions) {
    RHEA_TRY(described.options, Keyval::parse(name.text));
  } else {
    RHEA_TRY(FileName file, parseFileName(name.text));
    const bool whole = name.text.starts_with("json:");
    if (whole && !isProtocolDriver(file.driver)) {
      described.options.set("driver", file.driver);
      for (auto& [key, value] : file.options) described.options.set(key, std::move(value));
    } else {
      if (isProtocolDriver(name.format)) described.filePrefix = "";
      described.options.set(described.filePrefix + "driver", file.driver);
      for (auto& [key, value] : file.options) described.options.set(described.filePrefix + key, std::move(value));
    }
  }
  Keyval& options = described.options;
  // --image-opts filename=x: a file whose format is found out, as with the name alone.
  if (options.find("driver") == nullptr && options.find("filename") != nullptr) {
    options.set("file.filename", *options.take("filename"));
  }
  const Keyval::Entry* const driver = options.find("driver");
  if (driver != nullptr && isProtocolDriver(driver->value)) described.filePrefix = "";
  const std::string driverKey = described.filePrefix + "driver";
  const Keyval::Entry* const path = options.find(described.filePrefix + "filename");
  if (path != nullptr && options.find(driverKey) == nullptr) options.set(driverKey, "file");
  const Keyval::Entry* const protocol = options.find(driverKey);
  if (path != nullptr && protocol != nullptr && isHostFile(protocol->value)) described.path = path->value;
  return described;
}

void setIfMissing(Keyval& options, const std::string& key, std::string value) {
  if (options.find(key) == nullptr) options.set(key, std::move(value));
}

struct Planned {
  NodeOptions node;
  std::string format;
  std::string path;
};

Task<Result<Planned>> plan(ImgSession& session, ImageName name, OpenWish wish) {
  RHEA_CO_TRY(Described described, describe(name));
  Keyval& options = described.options;
  Planned planned;
  planned.path = described.path;
  const Keyval::Entry* const driver = options.find("driver");
  if (driver != nullptr) {
    planned.format = driver->value;
  } else {
    planned.format = name.format;
  }
  if (!described.path.empty()) {
    const bool wantsHead = planned.format.empty();
    const auto look = [path = described.path, wantsHead] { return lookAtImage(path, wantsHead); };
    const ImageLook seen = co_await offload(look);
    const std::string driverKey = described.filePrefix + "driver";
    if (seen.blockDevice && options.find(driverKey)->value == "file") options.set(driverKey, "host_device");
    if (wantsHead) planned.format = probeFormat(session.drivers(), seen.head, described.path);
    setIfMissing(options, described.filePrefix + "aio", wish.aio);
  }
  if (planned.format.empty()) planned.format = "raw";
  RHEA_CO_CHECK(session.drivers().find(planned.format));
  setIfMissing(options, "driver", planned.format);
  setIfMissing(options, "read-only", wish.writable ? "off" : "on");
  setIfMissing(options, "cache.direct", wish.cache.direct ? "on" : "off");
  setIfMissing(options, "cache.no-flush", wish.cache.noFlush ? "on" : "off");
  if (wish.forceShare) options.set("force-share", "on");
  if (wish.discard) setIfMissing(options, "discard", "unmap");
  RHEA_CO_TRY(planned.node, nodeOptionsFrom(options));
  co_return planned;
}

bool hasBacking(const NodeOptions& node) {
  return std::any_of(node.children.begin(), node.children.end(),
                     [](const ChildOptions& child) { return child.name == "backing"; });
}

bool takesBacking(const DriverInfo& driver) {
  return std::any_of(driver.children.begin(), driver.children.end(),
                     [](const ChildSpec& child) { return child.name == "backing"; });
}

DiskOptions attachment(const OpenWish& wish) {
  DiskOptions options;
  options.readOnly = !wish.writable;
  options.writeback = wish.cache.writeback;
  options.writeError = OnError::kReport;
  options.readError = OnError::kReport;
  if (wish.forceShare) options.shared = Permissions::all();
  return options;
}

// What the file below is, where the driver cannot tell.
Task<Result<std::optional<ImageInfo>>> bottomOf(ImgSession& session, Node& node) {
  Node* bottom = &node;
  for (Child* below = bottom->child("file"); below != nullptr && below->isAttached(); below = bottom->child("file")) {
    bottom = &below->node();
  }
  if (bottom->informer() == nullptr || bottom == &node) co_return std::optional<ImageInfo>();
  const NodePtr counted = bottom->shared_from_this();
  RHEA_CO_TRY(const ImageInfo info, co_await session.graph().imageInfo(counted, session.cancel()));
  co_return std::optional<ImageInfo>(info);
}

// The same file under whatever name; nothing where it is no file.
std::optional<std::pair<dev_t, ino_t>> identityOf(const std::string& path) {
  struct stat facts {};
  if (path.empty() || ::stat(path.c_str(), &facts) != 0) return std::nullopt;
  return std::pair(facts.st_dev, facts.st_ino);
}

}  // namespace

Result<NodeOptions> nodeOptionsFrom(Keyval options) {
  RHEA_TRY(const json::Text text, options.toJson());
  RHEA_TRY(const json::Value tree, json::parse(text));
  RHEA_TRY(const qapi::BlockdevOptions node, json::readJson<qapi::BlockdevOptions>(tree, {}, json::Spelling::kKeyval));
  return nodeOptionsOf(node);
}

ImageName imageNameOf(const ImgCall& call, std::size_t word) {
  return ImageName(call.words[word], call.valueOr("format", ""), call.has("image-opts"));
}

Result<CacheSwitches> cacheOption(const ImgCall& call, std::string_view option, std::string_view otherwise) {
  return cacheSwitchesOf(call.valueOr(option, otherwise));
}

Task<Result<ImageFacts>> examineImage(ImgSession& session, ImageName name, OpenWish wish) {
  ImageFacts facts;
  facts.shownName = name.text;
  RHEA_CO_TRY(Planned planned, co_await plan(session, name, wish));
  RHEA_CO_TRY(const DriverInfo* driver, session.drivers().find(planned.format));
  NodeOptions alone = planned.node;
  const bool saysBacking = hasBacking(alone);
  if (!saysBacking && takesBacking(*driver)) alone.children.push_back(ChildOptions::none("backing"));
  facts.name = name;
  facts.name.format = planned.format;
  facts.node = alone;
  alone.readOnly = true;
  RHEA_CO_TRY(NodePtr node, co_await session.graph().addNode(std::move(alone), session.change()));
  Result<ImageInfo> info = co_await session.graph().imageInfo(node, session.cancel());
  if (info.ok() && !info->actualSize) {
    const Result<std::optional<ImageInfo>> below = co_await bottomOf(session, *node);
    if (below.ok() && *below) {
      info->actualSize = (*below)->actualSize;
      if (info->specific.empty()) info->specific = (*below)->specific;
      if (!info->clusterSize) info->clusterSize = (*below)->clusterSize;
    }
  }
  auto* const keeper = abilityThrough<SnapshotAble>(*node);
  if (keeper != nullptr && info.ok() && info->snapshots.empty()) {
    Result<std::vector<SnapshotInfo>> snapshots = co_await keeper->snapshots();
    if (snapshots.ok()) {
      info->snapshots = *std::move(snapshots);
    } else {
      info = snapshots.takeError();
    }
  }
  const std::string nodeName = node->name();
  node.reset();
  RHEA_CO_CHECK(co_await session.graph().removeNode(nodeName, session.change()));
  if (!info.ok()) co_return info.takeError();
  facts.info = *std::move(info);
  // A backing file that the options name is not the image's own business.
  if (saysBacking) facts.info.fullBackingFile.clear();
  co_return facts;
}

Task<Result<std::vector<ImageFacts>>> examineChain(ImgSession& session, ImageName name, OpenWish wish) {
  std::vector<ImageFacts> chain;
  std::vector<std::pair<std::pair<dev_t, ino_t>, std::string>> seen;
  while (true) {
    const std::string text = name.text;
    const std::string path = name.imageOptions || text.starts_with("file:") ? std::string() : text;
    const auto identify = [path] { return identityOf(path); };
    if (const auto identity = co_await offload(identify); identity) {
      for (const auto& [known, knownName] : seen) {
        if (known != *identity) continue;
        co_return Error(
            fmt::format("the backing chain is a loop: '{}' has '{}' behind it, which is the same file as '{}'",
                        chain.back().shownName, text, knownName))
            .hint(fmt::format("rhea-img rebase -u -b '' {} cuts it", chain.back().shownName));
      }
      seen.emplace_back(*identity, text);
    }
    Result<ImageFacts> facts = co_await examineImage(session, std::move(name), wish);
    if (!facts.ok()) {
      if (chain.empty()) co_return facts.takeError();
      co_return facts.takeError().context(fmt::format("backing file of '{}'", chain.back().shownName));
    }
    chain.push_back(*std::move(facts));
    if (chain.back().info.fullBackingFile.empty()) co_return chain;
    if (chain.size() == kLongestChain) {
      co_return Error(
          fmt::format("the backing chain of '{}' has more than {} images", chain.front().shownName, kLongestChain));
    }
    name = ImageName(chain.back().info.fullBackingFile, chain.back().info.backingFormat, false);
  }
}

namespace {

Task<Result<OpenedImage>> attach(ImgSession& session, NodeOptions node, ImageName name, OpenWish wish) {
  Result<DiskPtr> disk = co_await session.graph().addDrive(attachment(wish), std::move(node), session.change());
  if (!disk.ok()) {
    Error error = disk.takeError();
    if (!wish.writable && !wish.forceShare && error.message().find("lock") != std::string::npos) {
      co_return std::move(error).hint("-U reads it all the same, while its content may change");
    }
    co_return error;
  }
  co_return OpenedImage(*std::move(disk), std::move(name));
}

}  // namespace

Task<Result<OpenedImage>> openLayers(ImgSession& session, std::span<const ImageFacts> layers, OpenWish wish) {
  std::optional<NodeOptions> below;
  for (std::size_t i = layers.size(); i-- > 0;) {
    NodeOptions node = layers[i].node;
    if (below) {
      std::erase_if(node.children, [](const ChildOptions& child) { return child.name == "backing"; });
      node.children.push_back(ChildOptions::inlineNode("backing", *std::move(below)));
    }
    node.readOnly = i != 0 || !wish.writable;
    if (i != 0) node.noFlush = false;
    below = std::move(node);
  }
  co_return co_await attach(session, *std::move(below), layers.front().name, wish);
}

Task<Result<OpenedImage>> openImage(ImgSession& session, ImageName name, OpenWish wish) {
  RHEA_CO_TRY(Planned planned, co_await plan(session, name, wish));
  RHEA_CO_TRY(const DriverInfo* driver, session.drivers().find(planned.format));
  const bool alone = wish.chain == OpenChain::kNone && takesBacking(*driver) && !hasBacking(planned.node);
  if (alone) planned.node.children.push_back(ChildOptions::none("backing"));
  name.format = planned.format;
  co_return co_await attach(session, std::move(planned.node), std::move(name), wish);
}

Task<Result<void>> showSnapshot(OpenedImage image, std::optional<std::string> wanted) {
  if (!wanted) co_return success();
  auto* const viewer = image.node().ability<SnapshotViewer>();
  if (viewer == nullptr) co_return notAble(image, "snapshots inside (-l)");
  std::string which = *std::move(wanted);
  for (const std::string_view key : {"snapshot.id=", "snapshot.name="}) {
    if (which.starts_with(key)) which.erase(0, key.size());
  }
  co_return co_await viewer->showSnapshot(std::move(which));
}

Task<Result<void>> closeImage(ImgSession& session, OpenedImage image) {
  Result<void> flushed = success();
  if (!image.disk().isReadOnly()) flushed = co_await image.disk().flush(Origin::kMonitor);
  Result<void> closed = co_await session.graph().removeDisk(image.pointer(), ChangeContext());
  if (!flushed.ok()) co_return flushed.takeError().context(fmt::format("flushing '{}'", image.name().text));
  co_return closed;
}

Task<Result<void>> resizeImage(ImgSession& session, const OpenedImage& image, std::uint64_t length,
                               Preallocation mode) {
  const std::string nodeName = image.node().name();
  RHEA_CO_TRY(const DiskPtr user,
              co_await session.graph().attachMonitor(nodeName, Permissions::resize(), session.change()));
  Result<void> resized = co_await user->rootEdge().resize(length, mode);
  Result<void> gone = co_await session.graph().removeDisk(user, ChangeContext());
  if (!resized.ok()) co_return resized;
  co_return gone;
}

Error notAble(const OpenedImage& image, std::string_view what) {
  return Error(fmt::format("'{}' is of format {}, which has no {}", image.name().text, image.name().format, what));
}

}  // namespace rhea::block
