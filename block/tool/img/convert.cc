// rhea-img convert: copies disks into a new image, of another format or other options.
#include <thread>

#include "block/tool/img/copier.h"
#include "block/tool/img/new-vdi.h"
#include "block/tool/img/progress.h"
#include "block/tool/img/verbs.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kMostWorkers = 16;

// What the command line asks for, besides names.
struct ConvertWish {
  std::string format;
  bool create = true;
  bool compress = false;
  OpenWish source;
  OpenWish target;
  CopyRules rules;
};

Result<ConvertWish> readWish(const ImgCall& call) {
  ConvertWish wish;
  wish.format = call.valueOr("output-format", "raw");
  wish.create = !call.has("no-create");
  wish.compress = call.has("compress");
  RHEA_TRY(wish.source.cache, cacheOption(call, "source-cache", "writeback"));
  RHEA_TRY(wish.target.cache, cacheOption(call, "cache", "unsafe"));
  wish.source.forceShare = call.has("force-share");
  wish.target.writable = true;
  RHEA_TRY(const auto sparse, call.number("sparse", 0, std::uint64_t{1} << 30));
  RHEA_TRY(const auto workers, call.number("coroutines", 1, kMostWorkers));
  RHEA_TRY(const auto rate, call.size("rate"));
  CopyRules& rules = wish.rules;
  rules.sparse = static_cast<std::size_t>(sparse.value_or(rules.sparse));
  if (rules.sparse % 512 != 0) return Error("convert: -S is no multiple of 512 bytes");
  // Compressing is what keeps processors busy.
  const unsigned compressors = std::max(8U, std::thread::hardware_concurrency() * 2);
  rules.workers = static_cast<unsigned>(workers.value_or(wish.compress ? std::min(compressors, 64U) : rules.workers));
  rules.compress = wish.compress;
  rules.salvage = call.has("salvage");
  rules.outOfOrder = call.has("out-of-order");
  rules.hostCopies = call.has("host-copy");
  rules.bytesPerSecond = rate.value_or(0);
  if (rules.hostCopies && (wish.compress || rules.salvage)) {
    return Error(fmt::format("convert: -C lets the host copy, which excludes {}", wish.compress ? "-c" : "--salvage"));
  }
  if (rules.hostCopies && call.has("sparse")) return Error("convert: -C lets the host copy, which excludes -S");
  if (call.has("target-image-opts") && wish.create) {
    return Error("convert: --target-image-opts describes a target that exists").hint("add -n");
  }
  if (call.has("target-is-zero") && wish.create) {
    return Error("convert: a new target is zero anyway").hint("--target-is-zero goes with -n");
  }
  if (call.has("options") && !wish.create) return Error("convert: -o is for a new target, and -n makes none");
  if (call.has("backing") && !wish.create) return Error("convert: -B is for a new target, and -n makes none");
  return wish;
}

Task<Result<std::vector<CopySource>>> openSources(ImgSession& session, const ImgCall& call, OpenWish wish) {
  std::vector<CopySource> sources;
  for (std::size_t i = 0; i + 1 < call.words.size(); ++i) {
    RHEA_CO_TRY(OpenedImage image, co_await openImage(session, imageNameOf(call, i), wish));
    RHEA_CO_CHECK(co_await showSnapshot(image, call.value("snapshot")));
    const std::uint64_t length = image.length();
    sources.emplace_back(std::move(image), 0, length);
  }
  co_return sources;
}

Task<Result<void>> copyBitmaps(const OpenedImage& source, const OpenedImage& target, bool skipBroken) {
  auto* const from = source.ability<BitmapKeeper>();
  auto* const to = target.ability<BitmapKeeper>();
  if (from == nullptr) co_return notAble(source, "bitmaps to copy");
  if (to == nullptr) co_return notAble(target, "place for bitmaps");
  RHEA_CO_TRY(const std::vector<BitmapInfo> bitmaps, co_await from->bitmaps());
  for (const BitmapInfo& bitmap : bitmaps) {
    if (bitmap.inconsistent) {
      if (skipBroken) continue;
      co_return Error(fmt::format("bitmap '{}' of '{}' is inconsistent", bitmap.name, source.name().text))
          .hint("--skip-broken-bitmaps leaves such bitmaps out");
    }
    BitmapInfo copy = bitmap;
    RHEA_CO_CHECK(co_await to->addBitmap(std::move(copy)));
    for (std::uint64_t at = 0;;) {
      RHEA_CO_TRY(std::vector<Extent> ranges, co_await from->dirtyRanges(bitmap.name, at));
      if (ranges.empty()) break;
      at = ranges.back().end();
      RHEA_CO_CHECK(co_await to->markDirty(bitmap.name, std::move(ranges)));
    }
  }
  co_return success();
}

Task<Result<void>> makeTarget(ImgSession& session, const ImgCall& call, const ConvertWish& wish, std::uint64_t total) {
  RHEA_CO_TRY(const CreateForm* form, createFormOf(targetFormat(call.words.back(), wish.format)));
  NewImage image(call.words.back(), wish.format);
  const std::vector<std::string> texts = call.values("options");
  RHEA_CO_TRY(image.options, readCreateOptions(*form, texts));
  if (const auto backing = call.value("backing")) {
    image.options.take("backing_file");
    image.options.set("backing_file", *backing);
  }
  if (const auto format = call.value("backing-format")) {
    image.options.take("backing_fmt");
    image.options.set("backing_fmt", *format);
  }
  if (image.options.find("size") == nullptr) image.size = total;
  image.quiet = true;
  Progress ignored;
  co_return co_await makeImage(session, std::move(image), ignored);
}

Result<void> checkTarget(const ImgCall& call, const ConvertWish& wish, const OpenedImage& target, std::uint64_t total) {
  if (target.length() < total) {
    return Error(fmt::format("'{}' has {} bytes, its sources have {}", call.words.back(), target.length(), total))
        .hint("rhea-img resize makes it larger");
  }
  if (wish.compress && target.ability<CompressedWriter>() == nullptr) {
    return notAble(target, "compressed clusters (-c)");
  }
  return success();
}

}  // namespace

Task<Result<int>> imgConvert(ImgSession& session, ImgCall call) {
  const std::string format = call.valueOr("output-format", "raw");
  if (wantsOptionHelp(call.values("options"))) {
    RHEA_CO_TRY(const CreateForm* form, createFormOf(format));
    session.print(optionHelp(*form));
    co_return 0;
  }
  if (call.words.size() < 2) {
    co_return Error("convert: a source and a target are needed")
        .hint(fmt::format("usage: {}", synopsis(*call.command)));
  }
  RHEA_CO_TRY(ConvertWish wish, readWish(call));
  RHEA_CO_TRY(std::vector<CopySource> sources, co_await openSources(session, call, wish.source));
  std::uint64_t total = 0;
  for (const CopySource& source : sources) total += source.length;
  const bool bitmaps = call.has("bitmaps");
  if (bitmaps && sources.size() > 1) co_return Error("convert: --bitmaps copies those of one source only");
  if (wish.create) RHEA_CO_CHECK(co_await makeTarget(session, call, wish, total));

  ImageName targetName(call.words.back(), wish.create || !call.has("target-image-opts") ? format : "",
                       call.has("target-image-opts"));
  RHEA_CO_TRY(const OpenedImage target, co_await openImage(session, std::move(targetName), wish.target));
  RHEA_CO_CHECK(checkTarget(call, wish, target, total));
  CopyRules rules = wish.rules;
  Node* const backing = backingOf(target.node());
  if (wish.create && backing != nullptr) rules.backingLength = backing->length();
  NewImage made(call.words.back(), format);
  const bool fresh = wish.create && startsZeroed(made);
  rules.targetZeroed = backing == nullptr && (fresh || call.has("target-is-zero"));

  RHEA_CO_TRY(const std::unique_ptr<ProgressMeter> meter, ProgressMeter::create(session, call));
  std::vector<OpenedImage> opened;
  for (const CopySource& source : sources) opened.push_back(source.image);
  Copier copier(session, std::move(sources), target, rules);
  Result<void> copied = co_await copier.run(meter->progress());
  if (!copied.ok()) co_return copied.takeError().context("convert");
  if (bitmaps) {
    RHEA_CO_CHECK(co_await copyBitmaps(opened.front(), target, call.has("skip-broken-bitmaps")));
  }
  RHEA_CO_CHECK(co_await closeImage(session, target));
  meter->finish();
  co_return 0;
}

}  // namespace rhea::block
