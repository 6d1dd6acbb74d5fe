// rhea-img dd: copies part of a disk into a new image, with the words of dd(1).
#include "block/tool/img/copier.h"
#include "block/tool/img/new-image.h"
#include "block/tool/img/verbs.h"
#include "emu/base/names.h"
#include "emu/base/size.h"

namespace rhea::block {

namespace {

struct DdWords {
  std::string input;
  std::string output;
  std::uint64_t blockSize = 512;
  std::optional<std::uint64_t> count;
  std::uint64_t skip = 0;
};

Result<DdWords> readWords(const std::vector<std::string>& words) {
  DdWords read;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (equals == std::string::npos) return Error(fmt::format("dd: '{}' is no NAME=VALUE", word)).expected("if=FILE");
    const std::string value = word.substr(equals + 1);
    if (name == "if" || name == "of") {
      (name == "if" ? read.input : read.output) = value;
      continue;
    }
    static constexpr std::string_view kNames[] = {"bs", "count", "if", "of", "skip"};
    if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames)) {
      return Error(fmt::format("dd: there is no '{}='", name)).candidates(nearestNames(name, std::span(kNames), 5));
    }
    Result<std::uint64_t> number = parseSize(value);
    if (!number) return number.takeError().context(fmt::format("dd: {}", name));
    if (name == "bs") read.blockSize = *number;
    if (name == "count") read.count = *number;
    if (name == "skip") read.skip = *number;
  }
  if (read.input.empty()) return Error("dd: the source is missing").expected("if=FILE");
  if (read.output.empty()) return Error("dd: the target is missing").expected("of=FILE");
  if (read.blockSize == 0 || read.blockSize > INT32_MAX) {
    return Error(fmt::format("dd: bs={} is out of range", read.blockSize)).expected("1 to 2147483647");
  }
  return read;
}

// `blocks` * `size`, at most `most`.
std::uint64_t product(std::uint64_t blocks, std::uint64_t size, std::uint64_t most) {
  return blocks > most / size ? most : blocks * size;
}

}  // namespace

Task<Result<int>> imgDd(ImgSession& session, ImgCall call) {
  RHEA_CO_TRY(const DdWords words, readWords(call.words));
  const std::string format = call.valueOr("output-format", "raw");
  OpenWish wish;
  wish.forceShare = call.has("force-share");
  ImageName input(words.input, call.valueOr("format", ""), call.has("image-opts"));
  RHEA_CO_TRY(OpenedImage source, co_await openImage(session, std::move(input), wish));
  const std::uint64_t whole = source.length();
  const std::uint64_t skip = product(words.skip, words.blockSize, whole);
  std::uint64_t length = whole - skip;
  if (words.count) length = std::min(length, product(*words.count, words.blockSize, whole));

  NewImage image(words.output, format);
  image.size = length;
  image.quiet = true;
  const bool zeroed = startsZeroed(image);
  Progress progress;
  RHEA_CO_CHECK(co_await makeImage(session, std::move(image), progress));
  OpenWish writing;
  writing.writable = true;
  ImageName output(words.output, format, false);
  RHEA_CO_TRY(const OpenedImage target, co_await openImage(session, std::move(output), writing));
  std::vector<CopySource> sources;
  sources.emplace_back(std::move(source), skip, length);
  CopyRules rules;
  rules.targetZeroed = zeroed;
  Copier copier(session, std::move(sources), target, rules);
  Result<void> copied = co_await copier.run(progress);
  if (!copied.ok()) co_return copied.takeError().context("dd");
  RHEA_CO_CHECK(co_await closeImage(session, target));
  co_return 0;
}

}  // namespace rhea::block
