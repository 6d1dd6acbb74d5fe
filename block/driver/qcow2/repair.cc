#include "block/driver/qcow2/repair.h"

#include "block/driver/qcow2/checker.h"
#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

Task<Result<void>> repairRefcounts(Image& image) {
  Progress progress;
  Checker checker(image.file, image.header, progress, CancelToken());
  const CheckWish all{.repairLeaks = true, .repairErrors = true};
  auto report = co_await checker.run(all);
  if (!report.ok()) co_return report.takeError();
  image.header = checker.header();
  RHEA_CO_CHECK(co_await image.reload());
  if (report->corruptions != 0 || report->checkErrors != 0) {
    co_return Error(fmt::format("the image was not closed when it was last used, and {} corruptions of it cannot be "
                                "mended",
                                report->corruptions + report->checkErrors))
        .hint("see what a check of the image says");
  }
  co_return success();
}

}  // namespace rhea::block::qcow2
