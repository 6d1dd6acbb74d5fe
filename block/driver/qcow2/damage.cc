#include "block/driver/qcow2/damage.h"

#include <fmt/format.h>

#include <cerrno>

#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

Task<Error> Damage::found(std::string message, std::uint64_t offset) {
  Error error = Error::fromErrno(EIO, fmt::format("the image is damaged: {}", message));
  if (found_) co_return error;
  found_ = true;
  // The mark needs the right to write, which is there once somebody has begun to.
  const bool fatal = image_.hasBegunWriting();
  if (reporter_.observer != nullptr) {
    ImageCorrupted report;
    report.nodeName = reporter_.nodeName;
    report.message = std::move(message);
    report.offset = offset;
    report.fatal = fatal;
    reporter_.observer->imageCorrupted(report);
  }
  markDue_ = true;
  if (fatal) co_await markIfDue();
  co_return error;
}

Task<void> Damage::markIfDue() {
  if (!std::exchange(markDue_, false) || image_.header.version < 3) co_return;
  const Result<void> marked = co_await image_.patchIncompatible(image_.header.incompatible | kCorrupt);
  if (!marked.ok()) note(fmt::format("the image could not be marked as damaged: {}", marked.error().message()));
}

Error Damage::refusal() const {
  return Error::fromErrno(EROFS, "the image has been found damaged and is not written to")
      .hint("repair it with check -r all while nobody uses it");
}

void Damage::note(const std::string& line) const {
  if (reporter_.observer != nullptr) reporter_.observer->note(fmt::format("node '{}': {}", reporter_.nodeName, line));
}

}  // namespace rhea::block::qcow2
