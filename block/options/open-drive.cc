#include "block/options/open-drive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/options/node-options-of.h"
#include "emu/io/fd.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

constexpr std::size_t kProbedBytes = 2048;  // every format shows itself within them

// What a look at the file tells before it is opened for use.
struct Look {
  bool blockDevice = false;
  std::vector<std::byte> head;
};

// Nothing is an error here: opening for use comes after it, and says better what is wrong.
Look lookAt(const std::string& path, bool wantsHead) {
  Look look;
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return look;
  look.blockDevice = S_ISBLK(facts.st_mode);
  if (!wantsHead || (!look.blockDevice && !S_ISREG(facts.st_mode))) return look;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return look;
  look.head.resize(kProbedBytes);
  const ssize_t got = ::pread(fd.get(), look.head.data(), look.head.size(), 0);
  look.head.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return look;
}

// The driver that is surest of the bytes; raw where none is.
std::string_view probe(const DriverRegistry& drivers, std::span<const std::byte> head, const std::string& name) {
  std::string_view best = "raw";
  int bestScore = 0;
  for (const DriverInfo* driver : drivers.all()) {
    const int score = driver->probe == nullptr || driver->name == "raw" ? 0 : driver->probe(head, name);
    if (score > bestScore) {
      best = driver->name;
      bestScore = score;
    }
  }
  return best;
}

// The options of the file at the bottom of what -drive describes; null where it is something else.
qapi::BlockdevOptions* fileNode(qapi::BlockdevOptions& node) {
  if (std::holds_alternative<qapi::BlockdevOptionsFile>(node.u)) return &node;
  auto* raw = std::get_if<qapi::BlockdevOptionsRaw>(&node.u);
  auto* below = raw == nullptr ? nullptr : std::get_if<json::Box<qapi::BlockdevOptions>>(&raw->file.u);
  return below != nullptr && std::holds_alternative<qapi::BlockdevOptionsFile>((*below)->u) ? &**below : nullptr;
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

}  // namespace

Task<Result<DiskPtr>> openDrive(BlockGraph& graph, DriveOptions options, ChangeContext context, NoteSink note) {
  if (options.empty) co_return graph.addEmptyDisk(options.disk);
  if (qapi::BlockdevOptions* file = fileNode(options.node); file != nullptr) {
    const std::string path = std::get<qapi::BlockdevOptionsFile>(file->u).filename;
    const bool wantsHead = !options.formatKnown;
    const auto look = [path, wantsHead] { return lookAt(path, wantsHead); };
    const Look seen = co_await offload(look);
    if (seen.blockDevice && file->driver == qapi::BlockdevDriver::file) file->driver = qapi::BlockdevDriver::hostDevice;
    if (!options.formatKnown) {
      const std::string_view format = probe(graph.drivers(), seen.head, path);
      if (format != "raw") {
        co_return Error(
            fmt::format("'{}' looks like an image of format {}, which -drive cannot open by itself yet", path, format))
            .hint(fmt::format("say format=raw if its bytes are the disk's"));
      }
      if (note) {
        note(
            fmt::format("drive '{}': the format of '{}' was not given and is taken for raw from its first bytes, "
                        "which a guest can change. Say format=raw to be safe and rid of this line.",
                        options.disk.id, path));
      }
    }
  }
  if (options.copyOnRead) options.node = withCopyOnRead(std::move(options.node));
  RHEA_CO_TRY(DiskPtr disk, co_await graph.addDrive(options.disk, nodeOptionsOf(options.node), context));
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
