// rhea-img compare: whether two images show the same disk.
#include "block/core/bounce.h"
#include "block/core/chain-status.h"
#include "block/tool/img/open.h"
#include "block/tool/img/progress.h"
#include "block/tool/img/verbs.h"
#include "block/tool/img/zero-scan.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kChunk = std::uint64_t{2} << 20;
constexpr int kDiffers = 1;

struct Side {
  explicit Side(OpenedImage opened) : image(std::move(opened)), buffer(kChunk, 4096) {}
  OpenedImage image;
  BounceBuffer buffer;
  std::span<const std::byte> bytes(std::uint64_t length) const {
    return {buffer.data(), static_cast<std::size_t>(length)};
  }
};

Task<void> readInto(Side& side, Extent at, Result<void>& outcome) {
  outcome = co_await side.image.disk().read(at, side.buffer.view(0, at.length), Origin::kMonitor);
}

class Comparison {
 public:
  Comparison(ImgSession& session, Side& one, Side& two, bool strict)
      : session_(session), sides_{&one, &two}, strict_(strict) {}

  Task<Result<int>> run(bool quiet, ProgressMeter& meter) {
    const std::uint64_t lengths[] = {sides_[0]->image.length(), sides_[1]->image.length()};
    if (lengths[0] != lengths[1]) {
      if (strict_) co_return differ(quiet, "Strict mode: Image size mismatch!");
      if (!quiet) session_.print("Warning: Image size mismatch!\n");
    }
    const std::uint64_t common = std::min(lengths[0], lengths[1]);
    const std::uint64_t longest = std::max(lengths[0], lengths[1]);
    meter.setTotal(longest);
    for (std::uint64_t at = 0; at < common;) {
      RHEA_CO_CHECK(session_.cancel().check());
      const std::uint64_t before = at;
      RHEA_CO_TRY(const bool same, co_await compareAt(at, common));
      if (!same) co_return differ(quiet, difference_);
      meter.add(at - before);
    }
    Side& longer = lengths[0] > lengths[1] ? *sides_[0] : *sides_[1];
    for (std::uint64_t at = common; at < longest;) {
      RHEA_CO_CHECK(session_.cancel().check());
      const std::uint64_t before = at;
      RHEA_CO_TRY(const bool zero, co_await zeroAt(longer, at, longest));
      if (!zero) co_return differ(quiet, difference_);
      meter.add(at - before);
    }
    meter.finish();
    if (!quiet) session_.print("Images are identical.\n");
    co_return 0;
  }

 private:
  int differ(bool quiet, const std::string& text) {
    if (!quiet) session_.print("{}\n", text);
    return kDiffers;
  }

  Task<Result<ChainStatus>> statusOf(Side& side, Extent at) {
    Result<ChainStatus> status = co_await longestStatus(side.image.node(), at);
    if (!status.ok()) {
      co_return status.takeError().context(fmt::format("'{}' at {}", side.image.name().text, at.offset));
    }
    co_return status;
  }

  // Compares one range and moves on; false: they differ.
  Task<Result<bool>> compareAt(std::uint64_t& at, std::uint64_t end) {
    const Extent rest(at, end - at);
    RHEA_CO_TRY(const ChainStatus one, co_await statusOf(*sides_[0], rest));
    RHEA_CO_TRY(const ChainStatus two, co_await statusOf(*sides_[1], rest));
    std::uint64_t length = std::min(one.length, two.length);
    if (strict_ && (one.data != two.data || one.zero != two.zero)) {
      difference_ = fmt::format("Strict mode: Offset {} block status mismatch!", at);
      co_return false;
    }
    if ((one.zero || !one.present) && (two.zero || !two.present)) {
      at += length;
      co_return true;
    }
    length = std::min(length, kChunk);
    const Extent piece(at, length);
    RHEA_CO_CHECK(co_await readSides(piece, !one.zero, !two.zero));
    std::optional<std::size_t> where;
    if (one.zero) {
      where = firstNonZero(sides_[1]->bytes(length));
    } else if (two.zero) {
      where = firstNonZero(sides_[0]->bytes(length));
    } else {
      where = firstDifference(sides_[0]->bytes(length), sides_[1]->bytes(length));
    }
    if (where) difference_ = fmt::format("Content mismatch at offset {}!", at + *where);
    at += length;
    co_return !where;
  }

  Task<Result<bool>> zeroAt(Side& side, std::uint64_t& at, std::uint64_t end) {
    const Extent rest(at, end - at);
    RHEA_CO_TRY(const ChainStatus status, co_await statusOf(side, rest));
    std::uint64_t length = status.length;
    if (status.present && !status.zero) {
      length = std::min(length, kChunk);
      const Extent piece(at, length);
      RHEA_CO_CHECK(co_await readSides(piece, &side == sides_[0], &side == sides_[1]));
      if (const std::optional<std::size_t> where = firstNonZero(side.bytes(length))) {
        difference_ = fmt::format("Content mismatch at offset {}!", at + *where);
        co_return false;
      }
    }
    at += length;
    co_return true;
  }

  // Both at a time.
  Task<Result<void>> readSides(Extent at, bool first, bool second) {
    const bool wanted[] = {first, second};
    Result<void> outcomes[2];
    TaskGroup reads;
    for (unsigned i = 0; i < 2; ++i) {
      if (wanted[i]) reads.spawn(readInto(*sides_[i], at, outcomes[i]));
    }
    co_await reads.join();
    for (unsigned i = 0; i < 2; ++i) {
      if (outcomes[i].ok()) continue;
      const std::string where = fmt::format("reading '{}' at {}", sides_[i]->image.name().text, at.offset);
      co_return outcomes[i].takeError().context(where);
    }
    co_return success();
  }

  ImgSession& session_;
  Side* sides_[2];
  bool strict_;
  std::string difference_;
};

}  // namespace

Task<Result<int>> imgCompare(ImgSession& session, ImgCall call) {
  RHEA_CO_TRY(const CacheSwitches cache, cacheOption(call, "source-cache", "writeback"));
  OpenWish wish;
  wish.forceShare = call.has("force-share");
  wish.cache = cache;
  RHEA_CO_TRY(OpenedImage one, co_await openImage(session, imageNameOf(call, 0), wish));
  ImageName other(call.words[1], call.valueOr("second-format", ""), call.has("image-opts"));
  RHEA_CO_TRY(OpenedImage two, co_await openImage(session, std::move(other), wish));
  Side left(std::move(one));
  Side right(std::move(two));
  if (!left.buffer.ok() || !right.buffer.ok()) co_return Error::fromErrno(ENOMEM);
  RHEA_CO_TRY(const std::unique_ptr<ProgressMeter> meter, ProgressMeter::create(session, call));
  Comparison comparison(session, left, right, call.has("strict"));
  co_return co_await comparison.run(call.has("quiet"), *meter);
}

}  // namespace rhea::block
