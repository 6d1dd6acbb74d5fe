// rhea-img commit: writes what an image has over its backing file into that file.
#include "block/core/bounce.h"
#include "block/core/chain-status.h"
#include "block/core/emptier.h"
#include "block/tool/img/open.h"
#include "block/tool/img/pacer.h"
#include "block/tool/img/progress.h"
#include "block/tool/img/verbs.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kChunk = std::uint64_t{2} << 20;

// Which layer of the chain takes the data: the first one behind the top, or the one that -b names.
Result<std::size_t> baseOf(const std::vector<ImageFacts>& chain, const std::optional<std::string>& asked) {
  if (chain.size() < 2) {
    return Error(fmt::format("commit: '{}' has no backing file to write into", chain.front().shownName));
  }
  if (!asked) return std::size_t{1};
  std::vector<std::string> names;
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (chain[i].shownName == *asked || chain[i - 1].info.backingFile == *asked) return i;
    names.push_back(chain[i].shownName);
  }
  return Error(fmt::format("commit: '{}' is not in the backing chain of '{}'", *asked, chain.front().shownName))
      .candidates(std::move(names));
}

// What goes down: the layers above the base.
struct Descent {
  Descent(const OpenedImage& from, const OpenedImage& to, std::size_t above, std::uint64_t rate)
      : upper(from), base(to), layers(static_cast<unsigned>(above)), pacer(rate) {}
  const OpenedImage& upper;
  const OpenedImage& base;
  unsigned layers;
  Pacer pacer;
};

Task<Result<void>> copyDown(ImgSession& session, Descent& descent, Progress& progress) {
  const OpenedImage& upper = descent.upper;
  const OpenedImage& base = descent.base;
  const BounceBuffer buffer(kChunk, 4096);
  if (!buffer.ok()) co_return Error::fromErrno(ENOMEM);
  const std::uint64_t length = upper.length();
  progress.set(0, length);
  for (std::uint64_t at = 0; at < length;) {
    RHEA_CO_CHECK(session.cancel().check());
    const Extent rest(at, length - at);
    RHEA_CO_TRY(ChainStatus status, co_await longestStatus(upper.node(), rest, descent.layers));
    const bool zero = status.zero && (status.present || status.beyond);
    if (zero) {
      const Extent whole(at, status.length);
      RHEA_CO_CHECK(co_await base.disk().writeZeroes(whole, WriteFlags::mayUnmap(), Origin::kMonitor));
    } else if (status.present) {
      status.length = std::min(status.length, kChunk);
      const Extent piece(at, status.length);
      const IoVector data = buffer.view(0, piece.length);
      RHEA_CO_CHECK(co_await upper.disk().read(piece, data, Origin::kMonitor));
      RHEA_CO_CHECK(co_await base.disk().write(piece, data, WriteFlags(), Origin::kMonitor));
      co_await descent.pacer.pace(session, piece.length);
    }
    at += status.length;
    progress.set(at, length);
  }
  co_return co_await base.disk().flush(Origin::kMonitor);
}

// Its backing file has now what it had. Where the format cannot do it, the image stays as it is: it shows the same.
Task<Result<void>> empty(ImgSession& session, const ImageFacts& top, OpenWish wish) {
  wish.writable = true;
  RHEA_CO_TRY(const OpenedImage image, co_await openLayers(session, std::span(&top, 1), wish));
  if (auto* const emptier = image.node().ability<Emptier>(); emptier != nullptr) {
    RHEA_CO_CHECK(co_await emptier->makeEmpty());
  }
  co_return co_await closeImage(session, image);
}

}  // namespace

Task<Result<int>> imgCommit(ImgSession& session, ImgCall call) {
  OpenWish wish;
  RHEA_CO_TRY(wish.cache, cacheOption(call, "cache", "writeback"));
  RHEA_CO_TRY(const std::optional<std::uint64_t> rate, call.size("rate"));
  RHEA_CO_TRY(std::vector<ImageFacts> chain, co_await examineChain(session, imageNameOf(call, 0), wish));
  RHEA_CO_TRY(const std::size_t base, baseOf(chain, call.value("base")));
  const std::span<const ImageFacts> all(chain);
  // Two chains: what is above the base, with nothing behind it, and the base with what is behind that.
  RHEA_CO_TRY(const OpenedImage upper, co_await openLayers(session, all.first(base), wish));
  wish.writable = true;
  RHEA_CO_TRY(const OpenedImage lower, co_await openLayers(session, all.subspan(base), wish));
  if (upper.length() > lower.length()) {
    Result<void> grown = co_await resizeImage(session, lower, upper.length(), Preallocation::kOff);
    if (!grown.ok()) co_return grown.takeError().context(fmt::format("commit: '{}'", chain[base].shownName));
  }
  RHEA_CO_TRY(const std::unique_ptr<ProgressMeter> meter, ProgressMeter::create(session, call));
  Descent descent(upper, lower, base, rate.value_or(0));
  Result<void> copied = co_await copyDown(session, descent, meter->progress());
  if (!copied.ok()) co_return copied.takeError().context(fmt::format("commit into '{}'", chain[base].shownName));
  RHEA_CO_CHECK(co_await closeImage(session, lower));
  // Another base than the next image: those between would show through.
  if (!call.has("keep") && !call.has("base")) {
    RHEA_CO_CHECK(co_await closeImage(session, upper));
    Result<void> emptied = co_await empty(session, chain.front(), wish);
    if (!emptied.ok()) {
      co_return emptied.takeError().context(fmt::format("commit: everything is in '{}', but '{}' could not be emptied",
                                                        chain[base].shownName, chain.front().shownName));
    }
  }
  meter->finish();
  if (!call.has("quiet")) session.print("Image committed.\n");
  co_return 0;
}

}  // namespace rhea::block
