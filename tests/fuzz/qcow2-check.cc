// Check and repair of damaged qcow2 images: a look changes nothing; a repair ends, keeps what could be read, leaves
// nothing for a second one to do, and makes nothing worse.
//
// An input that begins like an image is one. Any other says how a small image is made (two bytes), and then where it is
// damaged, four bytes each: a place (in words), how, with what.
#include "block/driver/qcow2/checker.h"
#include "tests/lib/memory-file.h"
#include "tests/lib/tiny-qcow2.h"

namespace {

using namespace rhea;
using namespace rhea::block::qcow2;
using rhea::block::CheckReport;
using rhea::block::CheckWish;

std::vector<std::byte> damagedImage(std::span<const std::uint8_t> input) {
  test::TinyOptions options;
  options.dataClusters = input[0] & 7U;
  options.snapshots = input[0] >> 3U & 3U;
  options.bitmap = (input[0] & 0x20U) != 0;
  options.compressed = (input[0] & 0x40U) != 0;
  options.version = (input[0] & 0x80U) != 0 && !options.bitmap ? 2 : 3;
  options.refcountOrder = options.version == 2 ? 4 : 2 + input[1] % 5U;
  test::TinyQcow2 image(options);
  const std::uint32_t bits = options.clusterBits;
  for (input = input.subspan(2); input.size() >= 4; input = input.subspan(4)) {
    const std::uint64_t at = (input[0] | std::uint64_t{input[1]} << 8U) % (image.bytes.size() / 8) * 8;
    const std::uint64_t with = input[3];
    const std::uint64_t word = image.word(at);
    switch (input[2] % 10) {
      case 0:
        image.setWord(at, with << bits | kCopied);
        break;
      case 1:
        image.setWord(at, word ^ std::uint64_t{1} << (with & 63U));
        break;
      case 2:
        image.setWord(at, with << bits);
        break;
      case 3:
        image.setWord(at, kCompressed | with << 8U | (with & 7U) << 61U);
        break;
      case 4:
        image.setWord(at, UINT64_MAX >> (with & 63U));
        break;
      case 5:
        image.setWord(at, 0);
        break;
      case 6:
        image.bytes[static_cast<std::size_t>(at + (with & 7U))] = static_cast<std::byte>(with >> 3U);
        break;
      case 7:
        image.setWord(at, word + with - 128);
        break;
      case 8:  // what another place says
        image.setWord(at, image.word(with * 64 % image.bytes.size() / 8 * 8));
        break;
      default:
        image.bytes.resize(std::max<std::size_t>(image.bytes.size() * with / 256, 512));
        break;
    }
  }
  return image.bytes;
}

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
  if (size < 2) return 0;
  const bool whole = size >= 4 && loadBig<std::uint32_t>(data) == kMagic;
  const auto raw = std::as_bytes(std::span(data, size));
  const std::vector<std::byte> image =
      whole ? std::vector<std::byte>(raw.begin(), raw.end()) : damagedImage({data, size});
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
