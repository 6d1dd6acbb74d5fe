// What a sheepdog node tells of itself: to people and to query-durability.
#include "block/driver/sheepdog/sheepdog.h"
#include "block/driver/sheepdog/uri.h"
#include "qapi/types-block-types.h"

namespace rhea::block {

using sheepdog::Era;
using sheepdog::Volume;

namespace {

std::string daemonOf(const Volume& volume) {
  switch (volume.era()) {
    case Era::kModern:
      return "Sheepdog 1.0 or later";
    case Era::kOld:
      return "Sheepdog before 1.0";
    case Era::kUnknown:
      break;
  }
  return "unknown";
}

std::string cacheNote(const Volume& volume) {
  const std::optional<bool> cache = volume.hasObjectCache();
  if (!cache) {
    return "it may have an object cache, which the first flush tells; until then what is written counts as unflushed";
  }
  if (!*cache)
    return "it has no object cache: every write is on the nodes' disks when it is answered, and a flush has nothing to "
           "do";
  return "it has an object cache: what is written with it stays there until a flush, and is lost with the gateway's "
         "node";
}

std::string modeNote(const Volume& volume) {
  return volume.cacheFlag() == sheepdog::kFlagDirect ? "requests go past any cache" : "requests may be cached";
}

}  // namespace

// The first server, so that the name stays the same wherever the link leads.
std::string SheepdogDriver::fileName() const {
  const sheepdog::Settings& settings = volume_->settings();
  return sheepdog::uriOf(settings.link.servers.front(), settings.vdi, settings.snapId, settings.tag);
}

Task<Result<ImageInfo>> SheepdogDriver::imageInfo() {
  Loop* const back = Loop::current();
  co_await home_->enter();
  const sheepdog::Inode& inode = volume_->inode();
  ImageInfo info;
  info.virtualSize = volume_->length();
  info.clusterSize = volume_->objectSize();
  if (!inode.hyper) {
    const auto slots = volume_->index().slots();
    const auto own = std::count_if(slots.begin(), slots.end(), [](std::uint32_t owner) { return owner != 0; });
    info.actualSize = static_cast<std::uint64_t>(own) * volume_->objectSize();
  }
  qapi::ImageInfoSpecificSheepdog own;
  own.vdi = volume_->settings().vdi;
  own.vdiId = volume_->vdi();
  if (inode.parent != 0) own.parentVdiId = inode.parent;
  if (inode.isSnapshot()) {
    if (!inode.tag.empty()) own.tag = inode.tag;
    own.snapId = inode.snapId;
  }
  own.redundancy = sheepdog::describe(inode.kept);
  own.hyperVolume = inode.hyper;
  own.server = volume_->link().server().text();
  own.daemon = daemonOf(*volume_);
  own.objectCache = volume_->hasObjectCache();
  co_await back->enter();
  qapi::ImageInfoSpecificSheepdogWrapper wrapper;
  wrapper.data = std::move(own);
  qapi::ImageInfoSpecific specific;
  specific.type = qapi::ImageInfoSpecificKind::sheepdog;
  specific.u = std::move(wrapper);
  info.specific = DriverOptions::of(std::move(specific));
  co_return info;
}

Task<Result<StorageFacts>> SheepdogDriver::storageFacts() {
  Loop* const back = Loop::current();
  co_await home_->enter();
  Volume& volume = *volume_;
  StorageFacts facts;
  facts.fileSystem = daemonOf(volume);
  facts.device = volume.link().server().text();
  const std::optional<bool> cache = volume.hasObjectCache();
  if (cache)
    facts.deviceWriteCache = *cache && volume.cacheFlag() == sheepdog::kFlagCache ? "write back" : "write through";
  facts.directPossible = true;
  if (volume.cacheFlag() == sheepdog::kFlagDirect) facts.stableWrites = true;
  facts.engine = "sheepdog";
  const std::string redundancy = sheepdog::describe(volume.inode().kept);
  facts.note = fmt::format("the gateway is {}; {}; {}; the cluster keeps {} {}", daemonOf(volume), cacheNote(volume),
                           modeNote(volume), redundancy,
                           volume.inode().kept.policy == 0 ? "copies of each object" : "strips of data and parity");
  facts.note += "; whether the nodes' disks sync (a daemon started with -n does not) it does not tell";
  if (!volume.link().isUp())
    facts.note += fmt::format("; at the moment there is no connection: {}", volume.link().trouble());
  if (volume.lostWrites()) {
    facts.note += "; a gateway went with what it had in its cache: writes that were not flushed then may be lost";
  }
  co_await back->enter();
  co_return facts;
}

std::vector<std::pair<std::string, std::uint64_t>> SheepdogDriver::counters() const {
  const sheepdog::LinkCounts& counts = volume_->link().counts();
  return {{"requests", counts.requests.load()},
          {"replies", counts.replies.load()},
          {"resent", counts.resent.load()},
          {"connections", counts.connections.load()},
          {"connections-lost", counts.lost.load()},
          {"discard-nb-ok", discards_.load()},
          {"discard-bytes-ok", discardedBytes_.load()}};
}

}  // namespace rhea::block
