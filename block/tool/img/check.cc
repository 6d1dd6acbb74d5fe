// rhea-img check: whether an image's tables are sound, and mending them.
#include "block/core/image.h"
#include "block/tool/img/open.h"
#include "block/tool/img/print.h"
#include "block/tool/img/progress.h"
#include "block/tool/img/verbs.h"

namespace rhea::block {

namespace {

// Exit statuses that scripts know.
constexpr int kFailed = 1;
constexpr int kCorrupted = 2;
constexpr int kLeaks = 3;
constexpr int kNoChecks = 63;

int statusOf(const CheckReport& report) {
  if (report.checkErrors != 0) return kFailed;
  if (report.corruptions != 0) return kCorrupted;
  return report.leaks != 0 ? kLeaks : 0;
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string forPeople(const CheckReport& report) {
  std::string text;
  if (report.corruptions == 0 && report.leaks == 0 && report.checkErrors == 0) {
    text += "No errors were found on the image.\n";
  }
  if (report.corruptions != 0) {
    text += fmt::format(
        "\n{} errors were found on the image.\nData may be corrupted, or further writes to the image "
        "may corrupt it.\n",
        report.corruptions);
  }
  if (report.leaks != 0) {
    text += fmt::format(
        "\n{} leaked clusters were found on the image.\nThis means waste of disk space, but no harm "
        "to data.\n",
        report.leaks);
  }
  if (report.checkErrors != 0) text += fmt::format("\n{} places could not be checked.\n", report.checkErrors);
  if (report.allocatedClusters != 0 && report.totalClusters != 0) {
    text += fmt::format("{}/{} = {:.2f}% allocated, {:.2f}% fragmented, {:.2f}% compressed clusters\n",
                        report.allocatedClusters, report.totalClusters,
                        percent(report.allocatedClusters, report.totalClusters),
                        percent(report.fragmentedClusters, report.allocatedClusters),
                        percent(report.compressedClusters, report.allocatedClusters));
  }
  if (report.imageEndOffset != 0) text += fmt::format("Image end offset: {}\n", report.imageEndOffset);
  return text;
}

std::string asJson(const CheckReport& report, const ImageName& name) {
  json::Writer writer(json::Writer::Style::kPretty);
  const auto unlessZero = [&writer](std::string_view key, std::uint64_t value) {
    if (value != 0) writer.member(key, value);
  };
  writer.beginObject();
  unlessZero("image-end-offset", report.imageEndOffset);
  unlessZero("total-clusters", report.totalClusters);
  writer.member("check-errors", report.checkErrors);
  unlessZero("corruptions-fixed", report.corruptionsFixed);
  unlessZero("leaks-fixed", report.leaksFixed);
  unlessZero("leaks", report.leaks);
  unlessZero("corruptions", report.corruptions);
  unlessZero("allocated-clusters", report.allocatedClusters);
  writer.member("filename", name.text);
  writer.member("format", name.format);
  unlessZero("fragmented-clusters", report.fragmentedClusters);
  unlessZero("compressed-clusters", report.compressedClusters);
  writer.endObject();
  return writer.take() + "\n";
}

Result<CheckWish> wishOf(const ImgCall& call) {
  CheckWish wish;
  const std::optional<std::string> repair = call.value("repair");
  if (!repair) return wish;
  if (*repair != "leaks" && *repair != "all") {
    return Error(fmt::format("check: -r {} is not known", *repair)).candidates({"leaks", "all"});
  }
  wish.repairLeaks = true;
  wish.repairErrors = *repair == "all";
  return wish;
}

}  // namespace

Task<Result<int>> imgCheck(ImgSession& session, ImgCall call) {
  RHEA_CO_TRY(const OutputForm form, outputForm(call.value("output")));
  RHEA_CO_TRY(const CheckWish wish, wishOf(call));
  OpenWish open;
  open.chain = OpenChain::kNone;
  open.writable = wish.repairLeaks;
  open.forceShare = call.has("force-share");
  RHEA_CO_TRY(open.cache, cacheOption(call, "source-cache", "writeback"));
  RHEA_CO_TRY(const OpenedImage image, co_await openImage(session, imageNameOf(call, 0), open));
  auto* const checker = image.abilityBelow<ImageChecker>();
  if (checker == nullptr) {
    session.warn(
        fmt::format("check: '{}' is of format {}, which has nothing to check", image.name().text, image.name().format));
    co_return kNoChecks;
  }
  RHEA_CO_TRY(const std::unique_ptr<ProgressMeter> meter, ProgressMeter::create(session, call));
  RHEA_CO_TRY(CheckReport report, co_await checker->check(wish, meter->progress(), session.cancel()));
  const std::uint64_t fixed = report.corruptionsFixed + report.leaksFixed;
  const bool quiet = call.has("quiet");
  const bool human = form == OutputForm::kHuman;
  if (human && !quiet) {
    for (const std::string& finding : report.findings) session.print("{}\n", finding);
  }
  if (fixed != 0) {
    if (human && !quiet) {
      session.print(
          "The following inconsistencies were found and repaired:\n\n    {} leaked clusters\n    {} "
          "corruptions\n\nDouble checking the fixed image now...\n",
          report.leaksFixed, report.corruptionsFixed);
    }
    // What is left counts as it is now.
    Progress again;
    RHEA_CO_TRY(CheckReport after, co_await checker->check(CheckWish(), again, session.cancel()));
    after.corruptionsFixed = report.corruptionsFixed;
    after.leaksFixed = report.leaksFixed;
    report = std::move(after);
  }
  if (!quiet) session.print(human ? forPeople(report) : asJson(report, image.name()));
  RHEA_CO_CHECK(co_await closeImage(session, image));
  co_return statusOf(report);
}

}  // namespace rhea::block
