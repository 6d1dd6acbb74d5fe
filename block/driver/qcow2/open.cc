#include "block/driver/qcow2/open.h"

#include <fmt/format.h>

#include "block/core/node.h"
#include "block/driver/qcow2/codec.h"
#include "block/driver/qcow2/qcow2.h"
#include "block/options/named-image.h"
#include "qapi/types-block-options.h"

namespace rhea::block::qcow2 {

namespace {

constexpr std::size_t kFirstLook = 4096;  // all that most headers need

Task<Result<std::vector<std::byte>>> readHead(Child& file, std::uint64_t bytes) {
  std::vector<std::byte> head(std::min(bytes, file.length()));
  if (head.empty()) co_return head;
  const IoVector into{std::span<std::byte>(head)};
  RHEA_CO_CHECK(co_await file.read(Extent(0, head.size()), into));
  co_return head;
}

// The name that the image gives to another one, and what the options of it come to.
Task<Result<ChildOptions>> namedChild(OpenContext context, std::string child, std::string name, std::string format) {
  NamedImage named(std::move(name), std::move(format));
  RHEA_CO_TRY(NodeOptions options, co_await optionsOfImage(std::move(named), *context.drivers));
  co_return ChildOptions::inlineNode(std::move(child), std::move(options));
}

Result<void> checkDataFile(const Header& header, const Child* dataFile) {
  const bool given = dataFile != nullptr && dataFile->isAttached();
  if (header.hasExternalData() && !given) {
    return Error("the image keeps its data in another file, which it does not name")
        .where("data-file")
        .expected("the node of the data file");
  }
  if (!header.hasExternalData() && given) {
    return Error("the image keeps its data itself and has no data file").where("data-file").hint("leave it out");
  }
  return success();
}

}  // namespace

Task<Result<Header>> readHeader(Child& file, Header::Use use) {
  RHEA_CO_TRY(const std::vector<std::byte> first, co_await readHead(file, kFirstLook));
  RHEA_CO_TRY(const std::uint64_t bytes, Header::headBytes(first, file.length()));
  if (bytes <= first.size()) co_return Header::parse(std::span(first).first(bytes), file.length(), use);
  RHEA_CO_TRY(const std::vector<std::byte> head, co_await readHead(file, bytes));
  co_return Header::parse(head, file.length(), use);
}

Task<Result<std::vector<ChildOptions>>> impliedChildren(OpenContext context, DriverOptions options, Children children) {
  std::vector<ChildOptions> implied;
  Child& file = children.get("file");
  if (context.drivers == nullptr) co_return implied;
  const auto& own = options.as<qapi::BlockdevOptionsQcow2>();
  const std::string fileName = file.node().fileName();
  Result<Header> header = co_await readHeader(file, Header::Use::kCheck);
  if (!header.ok()) co_return header.takeError().context(fmt::format("'{}'", fileName));
  if (header->hasExternalData() && !own.dataFile && !header->dataFile.empty()) {
    const std::string name = nameFrom(fileName, header->dataFile);
    RHEA_CO_TRY(ChildOptions child, co_await namedChild(context, "data-file", name, "protocol"));
    implied.push_back(std::move(child));
  }
  if (!own.backing && !header->backingFile.empty()) {
    const std::string name = nameFrom(fileName, header->backingFile);
    RHEA_CO_TRY(ChildOptions child, co_await namedChild(context, "backing", name, header->backingFormat));
    implied.push_back(std::move(child));
  }
  co_return implied;
}

Task<Result<std::unique_ptr<Driver>>> openImage(OpenContext context, DriverOptions options, Children children) {
  Child& file = children.get("file");
  Result<Header> header = co_await readHeader(file);
  std::optional<Error> damage;
  if (!header.ok()) {
    damage = header.takeError().context(fmt::format("'{}'", file.node().fileName()));
    // Where only refcounts are not to be had, the disk can be read and the image repaired.
    header = co_await readHeader(file, Header::Use::kCheck);
    if (!header.ok()) co_return *damage;
  }
  RHEA_CO_CHECK(checkCompression(header->compression));
  Child* const dataFile = children.find("data-file");
  RHEA_CO_CHECK(checkDataFile(*header, dataFile));
  RHEA_CO_TRY(const Settings settings, readSettings(options, *header, context.flags));
  const bool external = header->hasExternalData();
  const ImagePlaces places(file, external ? dataFile : nullptr, children.find("backing"));
  Reporter reporter;
  reporter.nodeName = context.nodeName;
  reporter.observer = context.observer;
  auto image = std::make_unique<Image>(places, *std::move(header), settings, std::move(reporter));
  RHEA_CO_CHECK(co_await image->mapping.load());
  if (damage) {
    image->damage.setFound();
    image->damage.note(damage->message() + "; it can be read and checked, but not written to");
  }
  auto driver = std::make_unique<Qcow2Driver>(std::move(image), context.home);
  co_await driver->bitmapKeeper().load();
  // A table that cannot be read is told when somebody asks for snapshots.
  static_cast<void>(co_await driver->snapshotKeeper().load());
  co_return driver;
}

}  // namespace rhea::block::qcow2
