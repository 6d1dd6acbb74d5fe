// rhea-img measure: how large a file an image would need.
#include "block/tool/img/create-options.h"
#include "block/tool/img/open.h"
#include "block/tool/img/print.h"
#include "block/tool/img/verbs.h"

namespace rhea::block {

Task<Result<int>> imgMeasure(ImgSession& session, ImgCall call) {
  RHEA_CO_TRY(const OutputForm form, outputForm(call.value("output")));
  RHEA_CO_TRY(const std::optional<std::uint64_t> size, call.size("size"));
  if (size.has_value() == !call.words.empty()) {
    co_return Error(size ? "both --size and a file name are given" : "neither --size nor a file name is given")
        .expected("one of the two");
  }
  const std::string format = call.valueOr("output-format", "raw");
  RHEA_CO_TRY(const CreateForm* createForm, createFormOf(format));
  const std::vector<std::string> texts = call.values("options");
  if (wantsOptionHelp(texts)) {
    session.print(optionHelp(*createForm));
    co_return 0;
  }
  RHEA_CO_TRY(const Keyval options, readCreateOptions(*createForm, texts));
  OpenedImage source;
  std::uint64_t length = size.value_or(0);
  if (!call.words.empty()) {
    OpenWish wish;
    wish.forceShare = call.has("force-share");
    RHEA_CO_TRY(source, co_await openImage(session, imageNameOf(call, 0), wish));
    RHEA_CO_CHECK(co_await showSnapshot(source, call.value("snapshot")));
    length = source.length();
  }
  if (length > Extent::kMost - 511) co_return Error(fmt::format("a disk of {} bytes is too large", length));
  length = (length + 511) / 512 * 512;
  RHEA_CO_TRY(const DriverInfo* driver, session.drivers().find(format));
  if (driver->measure == nullptr) co_return Error(fmt::format("format '{}' cannot be measured", format));
  RHEA_CO_TRY(DriverOptions own, driverOptionsOf(*createForm, options, length));
  Child* const content = source.isOpen() ? &source.edge() : nullptr;
  RHEA_CO_TRY(const ImageSizes sizes, co_await driver->measure(std::move(own), content, session.cancel()));
  if (form == OutputForm::kHuman) {
    session.print("required size: {}\nfully allocated size: {}\n", sizes.required, sizes.fullyAllocated);
    if (sizes.bitmaps) session.print("bitmaps size: {}\n", *sizes.bitmaps);
    co_return 0;
  }
  json::Writer writer(json::Writer::Style::kPretty);
  writer.beginObject();
  if (sizes.bitmaps) writer.member("bitmaps", *sizes.bitmaps);
  writer.member("required", sizes.required);
  writer.member("fully-allocated", sizes.fullyAllocated);
  writer.endObject();
  session.print("{}\n", writer.take());
  co_return 0;
}

}  // namespace rhea::block
