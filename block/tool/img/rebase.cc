// rhea-img rebase: another backing file for an image, whose disk stays as it is (or, with -u, is said to).
#include <sys/stat.h>

#include "block/core/bounce.h"
#include "block/core/chain-status.h"
#include "block/core/image.h"
#include "block/options/named-image.h"
#include "block/tool/img/open.h"
#include "block/tool/img/progress.h"
#include "block/tool/img/verbs.h"
#include "block/tool/img/zero-scan.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kMostUnit = std::uint64_t{2} << 20;

bool sameFile(const std::string& one, const std::string& two) {
  struct stat first {};
  struct stat second {};
  return ::stat(one.c_str(), &first) == 0 && ::stat(two.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

// Gives the image what its old backing file showed and the new one does not.
class Rebase {
 public:
  Rebase(ImgSession& session, const OpenedImage& image, const OpenedImage& behind, std::uint64_t unit)
      : session_(session), image_(image), behind_(behind), unit_(unit), old_(unit, 4096), new_(unit, 4096) {}

  Task<Result<void>> run(Progress& progress) {
    if (!old_.ok() || !new_.ok()) co_return Error::fromErrno(ENOMEM);
    const std::uint64_t length = image_.length();
    progress.set(0, length);
    for (std::uint64_t at = 0; at < length;) {
      RHEA_CO_CHECK(session_.cancel().check());
      const Extent rest(at, length - at);
      RHEA_CO_TRY(const ChainStatus status, co_await longestStatus(image_.node(), rest, 1));
      if (status.present) {
        at += status.length;
      } else {
        const std::uint64_t end = at + status.length;
        while (at < end) {
          const std::uint64_t next = std::min((at / unit_ + 1) * unit_, end);
          const Extent piece(at, next - at);
          RHEA_CO_CHECK(co_await keep(piece));
          at = next;
        }
      }
      progress.set(at, length);
    }
    co_return co_await image_.disk().flush(Origin::kMonitor);
  }

 private:
  // The image shows what its old backing file has there.
  Task<Result<void>> keep(Extent at) {
    RHEA_CO_CHECK(co_await image_.disk().read(at, old_.view(0, at.length), Origin::kMonitor));
    const IoVector after = new_.view(0, at.length);
    after.fill(std::byte{0});
    const std::uint64_t behind = behind_.isOpen() ? behind_.length() : 0;
    if (at.offset < behind) {
      const Extent there(at.offset, std::min(at.length, behind - at.offset));
      RHEA_CO_CHECK(co_await behind_.disk().read(there, new_.view(0, there.length), Origin::kMonitor));
    }
    const auto bytes = static_cast<std::size_t>(at.length);
    const std::span<const std::byte> one(old_.data(), bytes);
    const std::span<const std::byte> two(new_.data(), bytes);
    if (!firstDifference(one, two)) co_return success();
    co_return co_await image_.disk().write(at, old_.view(0, at.length), WriteFlags(), Origin::kMonitor);
  }

  ImgSession& session_;
  const OpenedImage& image_;
  const OpenedImage& behind_;
  std::uint64_t unit_;
  BounceBuffer old_;
  BounceBuffer new_;
};

Task<Result<void>> write(const OpenedImage& image, std::string file, std::string format) {
  auto* const keeper = image.ability<BackingKeeper>();
  if (keeper == nullptr) co_return notAble(image, "backing file");
  Result<void> changed = co_await keeper->setBacking(std::move(file), std::move(format));
  if (!changed.ok()) co_return changed.takeError().context(fmt::format("rebase: '{}'", image.name().text));
  co_return success();
}

}  // namespace

Task<Result<int>> imgRebase(ImgSession& session, ImgCall call) {
  if (!call.has("backing")) co_return Error("rebase: which backing file?").expected("-b FILE, or -b '' for none");
  const std::string backing = call.valueOr("backing", "");
  std::string format = call.valueOr("backing-format", "");
  OpenWish wish;
  wish.writable = true;
  wish.forceShare = call.has("force-share");
  RHEA_CO_TRY(wish.cache, cacheOption(call, "cache", "writeback"));
  if (!backing.empty() && format.empty()) {
    co_return Error("rebase: the format of the backing file is not given, and must not be guessed later")
        .hint("-F raw or -F qcow2 says it");
  }
  if (!format.empty()) RHEA_CO_CHECK(session.drivers().find(format));
  if (call.has("unsafe")) {
    wish.chain = OpenChain::kNone;
    RHEA_CO_TRY(const OpenedImage image, co_await openImage(session, imageNameOf(call, 0), wish));
    RHEA_CO_CHECK(co_await write(image, backing, format));
    RHEA_CO_CHECK(co_await closeImage(session, image));
    co_return 0;
  }
  OpenWish reading;
  reading.forceShare = wish.forceShare;
  RHEA_CO_TRY(reading.cache, cacheOption(call, "source-cache", "writeback"));
  OpenedImage behind;
  if (!backing.empty()) {
    const std::string file = nameFrom(call.words[0], backing);
    RHEA_CO_TRY(const std::vector<ImageFacts> chain,
                co_await examineChain(session, ImageName(file, format, false), reading));
    for (const ImageFacts& layer : chain) {
      const auto compare = [one = layer.shownName, two = call.words[0]] { return sameFile(one, two); };
      if (!co_await offload(compare)) continue;
      co_return Error(
          fmt::format("rebase: '{}' stands on '{}' itself: the chain would be a loop", file, call.words[0]));
    }
    RHEA_CO_TRY(behind, co_await openLayers(session, chain, reading));
  }
  RHEA_CO_TRY(const OpenedImage image, co_await openImage(session, imageNameOf(call, 0), wish));
  if (image.ability<BackingKeeper>() == nullptr) co_return notAble(image, "backing file");
  RHEA_CO_TRY(const std::unique_ptr<ProgressMeter> meter, ProgressMeter::create(session, call));
  if (backingOf(image.node()) != nullptr || behind.isOpen()) {
    const NodePtr node = image.node().shared_from_this();
    RHEA_CO_TRY(const ImageInfo info, co_await session.graph().imageInfo(node, session.cancel()));
    const std::uint64_t unit = std::clamp<std::uint64_t>(info.clusterSize.value_or(65536), 65536, kMostUnit);
    Rebase rebase(session, image, behind, unit);
    Result<void> done = co_await rebase.run(meter->progress());
    if (!done.ok()) co_return done.takeError().context(fmt::format("rebase: '{}'", call.words[0]));
  }
  RHEA_CO_CHECK(co_await write(image, backing, format));
  RHEA_CO_CHECK(co_await closeImage(session, image));
  meter->finish();
  co_return 0;
}

}  // namespace rhea::block
