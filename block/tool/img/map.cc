// rhea-img map: what of a disk is stored where.
#include "block/core/chain-status.h"
#include "block/tool/img/open.h"
#include "block/tool/img/print.h"
#include "block/tool/img/verbs.h"

namespace rhea::block {

namespace {

void printJson(ImgSession& session, std::uint64_t start, const ChainStatus& status, bool first) {
  std::string line =
      fmt::format("{}{{ \"start\": {}, \"length\": {}, \"depth\": {}, \"present\": {}, \"zero\": {}, \"data\": {}",
                  first ? "[" : ",\n", start, status.length, status.depth, status.present, status.zero, status.data);
  if (status.offset) line += fmt::format(", \"offset\": {}", *status.offset);
  session.print("{}}}", line);
}

Result<void> printHuman(ImgSession& session, std::uint64_t start, const ChainStatus& status) {
  if (!status.data || status.zero) return success();
  if (!status.offset) {
    return Error(fmt::format("the {} bytes at {} are stored compressed or otherwise not as they are", status.length,
                             start))
        .hint("--output=json shows such images, too");
  }
  session.print("{:<16}{:<16}{:<16}{}\n", start == 0 ? "0" : fmt::format("{:#x}", start),
                fmt::format("{:#x}", status.length), *status.offset == 0 ? "0" : fmt::format("{:#x}", *status.offset),
                status.file->fileName());
  return success();
}

}  // namespace

Task<Result<int>> imgMap(ImgSession& session, ImgCall call) {
  RHEA_CO_TRY(const OutputForm form, outputForm(call.value("output")));
  RHEA_CO_TRY(const std::optional<std::uint64_t> from, call.size("start-offset"));
  RHEA_CO_TRY(const std::optional<std::uint64_t> most, call.size("max-length"));
  OpenWish wish;
  wish.forceShare = call.has("force-share");
  RHEA_CO_TRY(const OpenedImage image, co_await openImage(session, imageNameOf(call, 0), wish));
  const std::uint64_t length = image.length();
  const std::uint64_t begin = from.value_or(0);
  const std::uint64_t end = most && begin < length && *most < length - begin ? begin + *most : length;
  if (form == OutputForm::kHuman) session.print("{:<16}{:<16}{:<16}{}\n", "Offset", "Length", "Mapped to", "File");
  bool first = true;
  for (std::uint64_t at = begin; at < end;) {
    RHEA_CO_CHECK(session.cancel().check());
    RHEA_CO_TRY(const ChainStatus status, co_await longestStatus(image.node(), Extent(at, end - at)));
    if (form == OutputForm::kJson) {
      printJson(session, at, status, first);
    } else {
      RHEA_CO_CHECK(printHuman(session, at, status));
    }
    first = false;
    at += status.length;
  }
  if (form == OutputForm::kJson) session.print(first ? "[]\n" : "]\n");
  co_return 0;
}

}  // namespace rhea::block
