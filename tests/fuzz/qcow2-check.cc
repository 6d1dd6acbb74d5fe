// Check and repair of damaged qcow2 images: a look changes nothing; a repair ends, keeps what could be read, leaves
// nothing for a second one to do, and makes nothing worse.
//
// Inputs are those of test::imageOf().
#include "block/driver/qcow2/checker.h"
#include "tests/lib/memory-file.h"
#include "tests/lib/tiny-qcow2.h"

namespace {

using namespace rhea;
using namespace rhea::block::qcow2;
using rhea::block::CheckReport;
using rhea::block::CheckWish;

// What went wrong, with what the checks said, for whoever looks at the input.
void require(bool holds, const char* what, std::initializer_list<const CheckReport*> reports = {}) {
  if (holds) return;
  fmt::print(stderr, "{}\n", what);
  for (const CheckReport* report : reports) {
    fmt::print(stderr, "{} corruptions, {} leaks, fixed {} and {}\n", report->corruptions, report->leaks,
               report->corruptionsFixed, report->leaksFixed);
    for (const std::string& finding : report->findings) fmt::print(stderr, "  {}\n", finding);
  }
  __builtin_trap();
}

CheckReport check(test::MemoryFile& file, CheckWish wish) {
  block::Progress progress;
  const auto header = Header::parse(file.bytes(), file.bytes().size(), Header::Use::kCheck);
  if (!header.ok()) __builtin_trap();
  Checker checker(file.edge(), *header, progress, {});
  auto report = file.run(checker.run(wish));
  if (!report.ok()) __builtin_trap();
  return *std::move(report);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static test::MemoryFile file;
  const std::vector<std::byte> image = test::imageOf({data, size});
  if (!Header::parse(image, image.size(), Header::Use::kCheck).ok()) return 0;
  file.bytes() = image;
  const auto before = test::readableClusters(image);

  const CheckReport look = check(file, CheckWish{});
  require(file.bytes() == image, "a look has changed the image", {&look});
  const CheckReport leaks = check(file, CheckWish{true, false});
  require(test::keepsAll(before, test::readableClusters(file.bytes())), "freeing leaks has changed what can be read",
          {&leaks});
  require(leaks.corruptions <= look.corruptions, "freeing leaks has damaged the image", {&look, &leaks});
  const CheckReport all = check(file, CheckWish{true, true});
  require(test::keepsAll(before, test::readableClusters(file.bytes())), "repair has changed what can be read", {&all});
  require(all.corruptions <= look.corruptions, "repair has damaged the image", {&look, &all});
  const std::vector<std::byte> repaired = file.bytes();
  const CheckReport again = check(file, CheckWish{true, true});
  require(again.corruptions == all.corruptions && again.leaks == all.leaks, "repair left some", {&look, &all, &again});
  require(file.bytes() == repaired, "a second repair has changed the image", {&look, &all, &again});
  return 0;
}
