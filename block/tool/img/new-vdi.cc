#include "block/tool/img/new-vdi.h"

#include <charconv>

#include "block/driver/sheepdog/uri.h"
#include "block/options/file-name.h"
#include "block/tool/img/open.h"
#include "emu/base/size.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

namespace {

Result<qapi::BlockdevOptionsSheepdog> locationOf(const std::string& name) {
  RHEA_TRY(const FileName file, parseFileName(name));
  Keyval options;
  for (const auto& [key, value] : file.options) options.set(key, value);
  RHEA_TRY(const json::Text text, options.toJson());
  RHEA_TRY(const json::Value tree, json::parse(text));
  return json::readJson<qapi::BlockdevOptionsSheepdog>(tree, {}, json::Spelling::kKeyval);
}

// "3", "4:2".
Result<qapi::SheepdogRedundancy> redundancyOf(const std::string& text) {
  const auto wrong = [&] {
    return Error(fmt::format("'{}' is no redundancy", text)).where("-o redundancy").expected("COPIES, or DATA:PARITY");
  };
  const auto number = [](std::string_view part) -> std::optional<std::int64_t> {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || part.empty()) return std::nullopt;
    return value;
  };
  const std::size_t colon = text.find(':');
  const std::optional<std::int64_t> first = number(std::string_view(text).substr(0, colon));
  if (!first) return wrong();
  qapi::SheepdogRedundancy redundancy;
  if (colon == std::string::npos) {
    redundancy.type = qapi::SheepdogRedundancyType::full;
    qapi::SheepdogRedundancyFull full;
    full.copies = *first;
    redundancy.u = full;
    return redundancy;
  }
  const std::optional<std::int64_t> second = number(std::string_view(text).substr(colon + 1));
  if (!second) return wrong();
  redundancy.type = qapi::SheepdogRedundancyType::erasureCoded;
  qapi::SheepdogRedundancyErasureCoded coded;
  coded.dataStrips = *first;
  coded.parityStrips = *second;
  redundancy.u = coded;
  return redundancy;
}

// As asked, else that of the snapshot it is a clone of.
Task<Result<std::uint64_t>> sizeOf(ImgSession& session, const NewImage& image, std::string backing) {
  if (image.size) co_return *image.size;
  if (const Keyval::Entry* const given = image.options.find("size")) co_return parseSize(given->value);
  if (backing.empty()) co_return Error(fmt::format("'{}': the size is missing", image.name)).expected("a size, as 10G");
  // A name without a server means that of the new disk.
  OpenWish wish;
  RHEA_CO_TRY(const ImageFacts facts, co_await examineImage(session, ImageName(backing, "raw", false), wish));
  co_return facts.info.virtualSize;
}

// The snapshot on the new disk's server, where its name says none.
Result<std::string> withServer(const std::string& backing, const std::string& name) {
  RHEA_TRY(const sheepdog::Uri snapshot, sheepdog::parseUri(backing));
  RHEA_TRY(const sheepdog::Uri target, sheepdog::parseUri(name));
  if (snapshot.server || !target.server) return backing;
  return sheepdog::uriOf(*target.server, snapshot.vdi, snapshot.snapId.value_or(0), snapshot.tag.value_or(""));
}

}  // namespace

std::string targetFormat(const std::string& name, const std::string& format) {
  const Result<FileName> file = parseFileName(name);
  const bool isVdi = file.ok() && file->driver == "sheepdog";
  return isVdi && (format == "raw" || format.empty()) ? "sheepdog" : format;
}

Task<Result<void>> makeVdi(ImgSession& session, const NewImage& image, Progress& progress) {
  RHEA_CO_TRY(const DriverInfo* driver, session.drivers().find("sheepdog"));
  RHEA_CO_TRY(const CreateForm* form, createFormOf("sheepdog"));
  qapi::BlockdevCreateOptionsSheepdog options;
  RHEA_CO_TRY(options.location, locationOf(image.name));
  if (const Keyval::Entry* const given = image.options.find("backing_file");
      given != nullptr && !given->value.empty()) {
    RHEA_CO_TRY(options.backingFile, withServer(given->value, image.name));
  }
  RHEA_CO_TRY(options.size, co_await sizeOf(session, image, options.backingFile.value_or("")));
  if (const Keyval::Entry* const given = image.options.find("preallocation")) {
    options.preallocation = qapi::fromString<qapi::PreallocMode>(given->value);
    if (!options.preallocation) {
      co_return Error(fmt::format("preallocation={} is not known", given->value)).candidates({"off", "full"});
    }
  }
  if (const Keyval::Entry* const given = image.options.find("redundancy")) {
    RHEA_CO_TRY(options.redundancy, redundancyOf(given->value));
  }
  if (const Keyval::Entry* const given = image.options.find("object_size")) {
    RHEA_CO_TRY(options.objectSize, parseSize(given->value));
  }
  if (!image.quiet) {
    session.print("Formatting '{}', fmt=raw {}\n", image.name, shownOptions(*form, image.options, options.size));
  }
  CreateContext context(session.loop(), session.services(), progress);
  context.cancel = session.cancel();
  DriverOptions own = DriverOptions::of(std::move(options));
  co_return co_await driver->create(context, own);
}

}  // namespace rhea::block
