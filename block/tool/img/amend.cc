// rhea-img amend: other options for an image that exists.
#include "block/core/image.h"
#include "block/tool/img/create-options.h"
#include "block/tool/img/open.h"
#include "block/tool/img/progress.h"
#include "block/tool/img/verbs.h"
#include "emu/base/size.h"

namespace rhea::block {

Task<Result<int>> imgAmend(ImgSession& session, ImgCall call) {
  const std::vector<std::string> texts = call.values("options");
  if (texts.empty()) co_return Error("amend: -o is missing: it says what is to change").hint("-o help lists it");
  if (wantsOptionHelp(texts)) {
    RHEA_CO_TRY(const CreateForm* form, createFormOf(call.valueOr("format", "qcow2")));
    session.print(optionHelp(*form, true));
    co_return 0;
  }
  if (call.words.empty()) {
    co_return Error("amend: the file name is missing").hint(fmt::format("usage: {}", synopsis(*call.command)));
  }
  OpenWish wish;
  wish.writable = true;
  RHEA_CO_TRY(wish.cache, cacheOption(call, "cache", "writeback"));
  RHEA_CO_TRY(const OpenedImage image, co_await openImage(session, imageNameOf(call, 0), wish));
  RHEA_CO_TRY(const CreateForm* form, createFormOf(image.name().format));
  RHEA_CO_TRY(const Keyval options, readCreateOptions(*form, texts, true));
  auto* const amender = image.ability<Amender>();
  if (amender == nullptr) co_return notAble(image, "options that can change");
  std::uint64_t size = image.length();
  if (const Keyval::Entry* const asked = options.find("size"); asked != nullptr) {
    RHEA_CO_TRY(size, parseSize(asked->value));
  }
  RHEA_CO_TRY(DriverOptions own, driverOptionsOf(*form, options, size));
  RHEA_CO_TRY(const std::unique_ptr<ProgressMeter> meter, ProgressMeter::create(session, call));
  Result<void> amended = co_await amender->amend(std::move(own), meter->progress(), session.cancel());
  if (!amended.ok()) co_return amended.takeError().context(fmt::format("amend: '{}'", call.words[0]));
  RHEA_CO_CHECK(co_await closeImage(session, image));
  meter->finish();
  co_return 0;
}

}  // namespace rhea::block
