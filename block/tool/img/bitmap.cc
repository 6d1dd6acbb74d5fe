// rhea-img bitmap: the dirty bitmaps that an image keeps.
#include "block/core/image.h"
#include "block/tool/img/open.h"
#include "block/tool/img/verbs.h"

namespace rhea::block {

namespace {

bool isAction(std::string_view option) {
  return option == "add" || option == "remove" || option == "clear" || option == "enable" || option == "disable" ||
         option == "merge";
}

Task<Result<void>> mergeFrom(BitmapKeeper& from, std::string source, BitmapKeeper& to, std::string target) {
  for (std::uint64_t at = 0;;) {
    RHEA_CO_TRY(std::vector<Extent> ranges, co_await from.dirtyRanges(source, at));
    if (ranges.empty()) co_return success();
    at = ranges.back().end();
    RHEA_CO_CHECK(co_await to.markDirty(target, std::move(ranges)));
  }
}

Task<Result<void>> act(BitmapKeeper& keeper, BitmapKeeper& source, std::string action, std::string value,
                       BitmapInfo bitmap) {
  const std::string name = bitmap.name;
  if (action == "add") co_return co_await keeper.addBitmap(std::move(bitmap));
  if (action == "remove") co_return co_await keeper.removeBitmap(name);
  if (action == "clear") co_return co_await keeper.clearBitmap(name);
  if (action == "merge") co_return co_await mergeFrom(source, std::move(value), keeper, name);
  co_return co_await keeper.setBitmapRecording(name, action == "enable");
}

}  // namespace

Task<Result<int>> imgBitmap(ImgSession& session, ImgCall call) {
  const bool any = std::any_of(call.given.begin(), call.given.end(),
                               [](const ImgCall::Given& each) { return isAction(each.option->name); });
  if (!any) {
    co_return Error("bitmap: what is to be done with it?")
        .candidates({"--add", "--remove", "--clear", "--enable", "--disable", "--merge"});
  }
  RHEA_CO_TRY(const std::optional<std::uint64_t> granularity, call.number("granularity", 512, std::uint64_t{2} << 30));
  if (granularity && !call.has("add")) co_return Error("bitmap: -g is for --add");
  if (call.has("source") && !call.has("merge")) co_return Error("bitmap: -b is for --merge");
  OpenWish wish;
  wish.writable = true;
  RHEA_CO_TRY(const OpenedImage image, co_await openImage(session, imageNameOf(call, 0), wish));
  auto* const keeper = image.ability<BitmapKeeper>();
  if (keeper == nullptr) co_return notAble(image, "bitmaps");
  OpenedImage other;
  BitmapKeeper* source = keeper;
  if (const std::optional<std::string> file = call.value("source")) {
    OpenWish reading;
    reading.chain = OpenChain::kNone;
    ImageName otherName(*file, call.valueOr("source-format", ""), false);
    RHEA_CO_TRY(other, co_await openImage(session, std::move(otherName), reading));
    source = other.ability<BitmapKeeper>();
    if (source == nullptr) co_return notAble(other, "bitmaps");
  }
  // In their order: --add --disable makes one that does not record.
  for (const ImgCall::Given& each : call.given) {
    if (!isAction(each.option->name)) continue;
    BitmapInfo bitmap;
    bitmap.name = call.words[1];
    bitmap.granularity = static_cast<std::uint32_t>(granularity.value_or(65536));
    Result<void> done = co_await act(*keeper, *source, std::string(each.option->name), each.value, std::move(bitmap));
    if (!done.ok()) {
      co_return done.takeError().context(fmt::format("bitmap --{} '{}'", each.option->name, call.words[1]));
    }
  }
  RHEA_CO_CHECK(co_await closeImage(session, image));
  co_return 0;
}

}  // namespace rhea::block
